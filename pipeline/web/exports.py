"""Cases as files that people open with a spreadsheet, in which no customer's text can run, link or load anything."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from unicodedata import normalize

from xlsxwriter import Workbook

from pipeline.feedback.spreadsheet import inert
from pipeline.followup.case import Case
from pipeline.web.marking import visible

Value = str | float | datetime | None
# What a case exports, in this order; a column for each head follows the priority.
COLUMNS: dict[str, Callable[[Case], Value]] = {
    "id": lambda case: case.id,
    "customer_id": lambda case: case.customer_id,
    "customer_value": lambda case: case.customer_value,
    "status": lambda case: case.status,
    "outcome": lambda case: case.outcome,
    "priority": lambda case: case.priority,
    "channel": lambda case: case.channel,
    "lang": lambda case: case.lang,
    "text": lambda case: case.text,
    "waiting_since": lambda case: case.waiting_since,
    "due_at": lambda case: case.due_at,
    "owner": lambda case: case.owner,
    "n_texts": lambda case: case.n_texts,
    "root_cause": lambda case: case.root_cause,
    "opened_at": lambda case: case.opened_at,
    "closed_at": lambda case: case.closed_at,
    "model_version": lambda case: case.model_version,
}
_LABELS_AT = list(COLUMNS).index("priority") + 1
SHEET_ROWS = 1_048_575  # Excel's rows, less the header
# Excel's longest cell, in UTF-16 units; the rest of a longer one in a CSV file would become a cell of its own.
_LONGEST = 32_767
_CHUNK = 65_536
_NEWLINE = re.compile("\r\n?")
_NOT_XML = str.maketrans({"\ufffe": "⟨U+FFFE⟩", "\uffff": "⟨U+FFFF⟩"})
_FIRST_DATE = datetime(1900, 1, 1, tzinfo=UTC)


def as_csv(cases: Iterable[Case], heads: Sequence[str]) -> Iterator[bytes]:
    """Yield the cases as CSV (RFC 4180, UTF-8 with the BOM that Excel needs), in pieces as they are read."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    stream.write("\ufeff")
    writer.writerow([_csv_cell(name) for name in _header(heads)])
    for case in cases:
        writer.writerow([_csv_cell(value) for value in _row(case, heads)])
        if stream.tell() >= _CHUNK:
            yield stream.getvalue().encode()
            stream.seek(0)
            stream.truncate()
    yield stream.getvalue().encode()


def as_xlsx(cases: Iterable[Case], heads: Sequence[str], *, most: int = SHEET_ROWS) -> bytes:
    """Return the cases as one Excel sheet: texts as texts, numbers as numbers, moments as dates in UTC.

    Raises
    ------
    ValueError
        There are more than `most` cases; the library would drop the rest without a word.
    """
    # Rows wait on the disk, not in memory (3 MiB instead of 280 for 50,000 cases), in a folder that goes in any case.
    options = {
        "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
    }  # fmt: skip
    file = io.BytesIO()
    with TemporaryDirectory(prefix="amends-") as folder, Workbook(file, {**options, "tmpdir": folder}) as workbook:
        sheet = workbook.add_worksheet("Cases")
        bold = workbook.add_format({"bold": True})
        # A cell that reads =1+1 stays a text even when somebody edits it and presses Enter.
        words = workbook.add_format({"num_format": "@", "quote_prefix": True})
        moments = workbook.add_format({"num_format": 'yyyy-mm-dd hh:mm:ss" UTC"'})
        names = _header(heads)
        for column, name in enumerate(names):
            sheet.write_string(0, column, _sheet_text(name), bold)
        row = 0
        for row, case in enumerate(cases, start=1):
            if row > most:
                raise ValueError(f"an Excel sheet holds {most:,} cases at most and there are more; export them as CSV")
            for column, value in enumerate(_row(case, heads)):
                if isinstance(value, datetime) and value >= _FIRST_DATE:
                    sheet.write_datetime(row, column, value.replace(tzinfo=None), moments)
                elif isinstance(value, int | float):
                    sheet.write_number(row, column, value)
                elif value is not None:
                    sheet.write_string(row, column, _sheet_text(_spelled(value)), words)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, row, len(names) - 1)
    return file.getvalue()


def _header(heads: Sequence[str]) -> list[str]:
    names = list(COLUMNS)
    labels = [f"{head} (label)" if head in COLUMNS else head for head in heads]
    return names[:_LABELS_AT] + labels + names[_LABELS_AT:]


def _row(case: Case, heads: Sequence[str]) -> list[Value]:
    cells = [_known(column(case)) for column in COLUMNS.values()]
    labels = [case.labels.get(head) for head in heads]
    joined = [", ".join(label) if isinstance(label, list) else label for label in labels]
    return [*cells[:_LABELS_AT], *joined, *cells[_LABELS_AT:]]


def _known(value: Value) -> Value:
    """Return `value`, a moment in UTC; None for a number that is none."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _spelled(value: str | float | datetime) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)


def _csv_cell(value: Value) -> str:
    if not isinstance(value, str):
        return "" if value is None else _spelled(value)
    # Every line: where Excel expects another separator, a line within a cell is a row that begins with its first cell.
    return _cut(_inert("\n".join(_inert(line) for line in _shown(value).split("\n"))))


def _inert(text: str) -> str:
    """Return `text` as a cell that no spreadsheet runs; a Japanese Excel takes a full-width sign for the plain one."""
    first = normalize("NFKC", text[:1])
    return text if inert(first) == first else f"'{text}"


def _sheet_text(text: str) -> str:
    shown = _shown(text)
    # xlsxwriter takes such a text for a rich string of its own and copies it into the sheet's XML as it is.
    return _cut(f"'{shown}" if shown.startswith("<r>") and shown.endswith("</r>") else shown)


def _shown(text: str) -> str:
    """Return `text` with plain line ends and no character that hides, or that a file or XML could not hold."""
    return visible(_NEWLINE.sub("\n", text)).translate(_NOT_XML)


def _cut(text: str) -> str:
    units = text.encode("utf-16-le")
    return text if len(units) <= 2 * _LONGEST else units[: 2 * (_LONGEST - 1)].decode("utf-16-le", "ignore") + "…"
