"""Exports of cases: every text comes back as it was, and none of them runs, links, loads or adds anything."""

from __future__ import annotations

import codecs
import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Alarm, Calendar

from pipeline.followup.case import Case
from pipeline.web.callbacks import as_ical
from pipeline.web.exports import COLUMNS, as_csv, as_xlsx
from pipeline.web.marking import visible
from tests.pipeline.web.hostile import HOSTILE

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
HEADS = ("urgency", "signals")
HEADER = [
    "id", "customer_id", "customer_value", "status", "outcome", "priority", "urgency", "signals", "channel", "lang",
    "text", "waiting_since", "due_at", "owner", "n_texts", "root_cause", "opened_at", "closed_at", "model_version",
]  # fmt: skip
BASE = "https://desk.example"
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RUNS = {"f", "hyperlink", "externalReference", "ddeLink", "oleLink", "oleObject"}
PARTS = {
    "[Content_Types].xml", "_rels/.rels", "docProps/app.xml", "docProps/core.xml", "xl/_rels/workbook.xml.rels",
    "xl/styles.xml", "xl/theme/theme1.xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml",
}  # fmt: skip
FORMULA = re.compile(r"^[=+\-@\t\r＝＋－＠]", re.MULTILINE)
ODD = st.sampled_from("=+-@\t\r\n\"',;<>&/\\:_\ud800\ufffe\u202e\u2028\x00\x85＝")
TEXTS = st.text(st.characters() | ODD, max_size=40) | st.builds("<r>{}</r>".format, st.text(max_size=20))


def a_case(id: int = 1, **changes: Any) -> Case:
    known = {
        "case_key": f"C-{id}", "customer_id": f"C-{id}", "status": "open", "priority": 97.3, "text": "Late again.",
        "lead_id": "t1", "opened_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Case(id=id, **known | changes)


def cases_of(texts: Iterable[str]) -> list[Case]:
    """Return a case for each text, which is everything that comes from outside in it."""
    return [
        a_case(
            place, text=text, customer_id=text, owner=text, root_cause=text, channel=text, lang=text,
            model_version=text, labels={"urgency": text, "signals": [text, "x"]}, next_at=NOW,
        )
        for place, text in enumerate(texts, start=1)
    ]  # fmt: skip


def read_csv(cases: Iterable[Case], heads: Sequence[str] = HEADS) -> list[list[str]]:
    data = b"".join(as_csv(cases, heads))
    assert data.startswith(codecs.BOM_UTF8)
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def parts_of(book: bytes) -> dict[str, ElementTree.Element]:
    """Return the parsed parts of a workbook, none of which runs, links or loads anything."""
    with ZipFile(io.BytesIO(book)) as file:
        parts = {name: ElementTree.fromstring(file.read(name)) for name in file.namelist()}
    assert set(parts) == PARTS
    for name, root in parts.items():
        for element in root.iter():
            assert element.tag.rpartition("}")[2] not in RUNS, name
            assert element.get("TargetMode") is None, name
    return parts


def read_xlsx(cases: Iterable[Case], heads: Sequence[str] = HEADS) -> list[dict[str, Any]]:
    rows = []
    for row in parts_of(as_xlsx(cases, heads))["xl/worksheets/sheet1.xml"].iter(f"{MAIN}row"):
        cells = {re.sub(r"\d", "", cell.get("r", "")): _value(cell) for cell in row}
        rows.append([cells.pop(letter, None) for letter in "ABCDEFGHIJKLMNOPQRS"[: len(COLUMNS) + len(heads)]])
        assert not cells
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def _value(cell: ElementTree.Element) -> str | float:
    if cell.get("t") != "inlineStr":
        return float(cell.findtext(f"{MAIN}v", ""))
    text = cell.findtext(f"{MAIN}is/{MAIN}t")
    assert text is not None
    return re.sub("_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), text)


def shown(text: str) -> str:
    plain = visible(text.replace("\r\n", "\n").replace("\r", "\n"))
    return plain.replace("\ufffe", "⟨U+FFFE⟩").replace("\uffff", "⟨U+FFFF⟩")


def bare(text: str) -> str:
    """Return `text` without the apostrophes that make its lines inert."""
    return re.sub(r"^'+", "", text, flags=re.MULTILINE)


def same(cell: str, text: str) -> bool:
    """Return whether `cell` shows `text`: all of it, or as much as a cell can hold."""
    if len(cell.encode("utf-16-le")) // 2 in (32_766, 32_767) and cell.endswith("…"):
        return bare(shown(text)).startswith(bare(cell)[:-1])
    return bare(cell) == bare(shown(text))


def serial(moment: datetime) -> float:
    return (moment - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(days=1)


def test_the_hostile_texts_are_eighty_five() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) == 85


def test_a_csv_holds_what_a_case_says() -> None:
    case = a_case(
        7, customer_value=-5.5, status="closed", outcome="lost", labels={"signals": ["churn_threat", "legal_threat"]},
        waiting_since=datetime(2026, 11, 20, 9, 30, tzinfo=timezone(timedelta(hours=1))), owner="ann", n_texts=3,
    )  # fmt: skip
    header, row = read_csv([case])
    assert header == HEADER
    assert dict(zip(header, row, strict=True)) == dict.fromkeys(HEADER, "") | {
        "id": "7", "customer_id": "C-7", "customer_value": "-5.5", "status": "closed", "outcome": "lost",
        "priority": "97.3", "signals": "churn_threat, legal_threat", "text": "Late again.", "owner": "ann",
        "waiting_since": "2026-11-20T08:30:00Z", "n_texts": "3", "opened_at": "2026-11-21T06:00:00Z",
    }  # fmt: skip


def test_a_csv_of_the_hostile_texts_runs_nowhere_and_reads_back() -> None:
    _, *rows = read_csv(cases_of(HOSTILE))
    assert len(rows) == 85
    for text, row in zip(HOSTILE, rows, strict=True):
        assert len(row) == len(HEADER)
        assert not FORMULA.search("\n".join(row)), row
        cells = dict(zip(HEADER, row, strict=True))
        assert all(same(cells[name], text) for name in ("text", "customer_id", "owner", "root_cause", "urgency"))


@given(st.lists(TEXTS, max_size=4))
def test_any_text_reads_back_from_a_csv(texts: list[str]) -> None:
    _, *rows = read_csv(cases_of(texts))
    assert [same(row[HEADER.index("text")], text) for row, text in zip(rows, texts, strict=True)] == [True] * len(texts)
    assert not any(FORMULA.search(cell) for row in rows for cell in row)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("\r=1+1", "'\n'=1+1"),
        ("＠SUM(1)", "'＠SUM(1)"),
        ("\u200b=1+1", "⟨U+200B⟩=1+1"),
        ("Dear desk,\r\n- no answer", "Dear desk,\n'- no answer"),
        ("it costs -5 = too much", "it costs -5 = too much"),
    ],
)
def test_a_line_that_would_run_gets_an_apostrophe(text: str, cell: str) -> None:
    assert read_csv([a_case(text=text)])[1][HEADER.index("text")] == cell


def test_rows_of_a_csv_end_as_rfc_4180_says() -> None:
    data = b"".join(as_csv([a_case(text="one\r\ntwo\rthree\n")], ()))
    assert data.count(b"\r\n") == data.count(b"\r") == 2
    assert b'"one\ntwo\nthree\n"' in data


def test_a_csv_is_sent_while_it_is_read() -> None:
    read = 0

    def cases() -> Iterator[Case]:
        nonlocal read
        for read in range(1, 101):
            yield a_case(read, text="w" * 5_000)

    chunks = as_csv(cases(), ())
    first = next(chunks)
    assert read < 20
    assert len((first + b"".join(chunks)).splitlines()) == 101


def test_a_head_called_like_a_column_has_a_column_of_its_own() -> None:
    header, row = read_csv([a_case(labels={"status": "angry"})], ["status"])
    assert (row[header.index("status")], row[header.index("status (label)")]) == ("open", "angry")


def test_a_sheet_of_the_hostile_texts_runs_nowhere_and_reads_back() -> None:
    rows = read_xlsx(cases_of(HOSTILE))
    assert len(rows) == 85
    for text, row in zip(HOSTILE, rows, strict=True):
        assert all(same(row[name], text) for name in ("text", "customer_id", "owner", "root_cause", "urgency"))


@given(st.lists(TEXTS, max_size=3))
def test_any_text_reads_back_from_a_sheet(texts: list[str]) -> None:
    rows = read_xlsx(cases_of(texts))
    assert [same(row["text"], text) for row, text in zip(rows, texts, strict=True)] == [True] * len(texts)


def test_a_sheet_has_real_numbers_and_real_dates_in_utc() -> None:
    moment = datetime(2026, 11, 20, 9, 30, tzinfo=timezone(timedelta(hours=1)))
    case = a_case(7, customer_id="00123", customer_value=-5.5, due_at=moment, labels={"urgency": "high"}, text="=1+1")
    (row,) = read_xlsx([case])
    assert (row["id"], row["customer_value"], row["priority"]) == (7, -5.5, 97.3)
    assert (row["customer_id"], row["urgency"], row["signals"], row["text"]) == ("00123", "high", None, "=1+1")
    assert row["due_at"] == pytest.approx(serial(moment))
    assert (row["closed_at"], row["owner"]) == (None, None)


def test_a_moment_before_the_first_of_excel_is_a_text() -> None:
    assert read_xlsx([a_case(waiting_since=datetime(1899, 5, 1, tzinfo=UTC))])[0]["waiting_since"] == (
        "1899-05-01T00:00:00Z"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_number_that_is_none_is_an_empty_cell(value: float | None) -> None:
    assert read_xlsx([a_case(customer_value=value)])[0]["customer_value"] is None
    assert read_csv([a_case(customer_value=value)])[1][2] == ""


@pytest.mark.parametrize("cases", [[], [a_case(), a_case(2)]])
def test_the_header_of_a_sheet_stays_and_filters(cases: list[Case]) -> None:
    sheet = parts_of(as_xlsx(cases, HEADS))["xl/worksheets/sheet1.xml"]
    pane, filtered = sheet.find(f".//{MAIN}pane"), sheet.find(f"{MAIN}autoFilter")
    assert pane is not None
    assert filtered is not None
    assert (pane.get("state"), pane.get("ySplit")) == ("frozen", "1")
    assert filtered.get("ref") == f"A1:S{len(cases) + 1}"


def test_a_text_of_a_sheet_stays_one_when_it_is_edited() -> None:
    parts = parts_of(as_xlsx([a_case(text="=1+1")], ()))
    formats = parts["xl/styles.xml"].findall(f"{MAIN}cellXfs/{MAIN}xf")
    (cell,) = [
        cell for cell in parts["xl/worksheets/sheet1.xml"].iter(f"{MAIN}c") if "=1+1" in "".join(cell.itertext())
    ]
    assert formats[int(cell.get("s", ""))].get("quotePrefix") == "1"


@pytest.mark.parametrize(("text", "most"), [("w" * 40_000, 32_767), ("👩" * 20_000, 16_384), ("w" * 32_767, 32_767)])
def test_a_cell_ends_where_those_of_excel_end(text: str, most: int) -> None:
    for cell in (read_xlsx([a_case(text=text)])[0]["text"], read_csv([a_case(text=text)])[1][HEADER.index("text")]):
        assert len(cell) == most
        assert cell == text or cell == text[: most - 1] + "…"


def test_more_cases_than_a_sheet_holds_are_refused_and_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cases = [a_case(1), a_case(2), a_case(3)]
    assert len(as_xlsx(cases, HEADS, most=3)) > 0
    with pytest.raises(
        ValueError, match=r"^an Excel sheet holds 2 cases at most and there are more; export them as CSV$"
    ):
        as_xlsx(cases, HEADS, most=2)
    assert list(tmp_path.iterdir()) == []


def events_of(feed: bytes) -> list[Any]:
    """Return the events of a feed that holds nothing else, whatever a program takes for the end of a line."""
    text = feed.decode()
    assert len(text.splitlines()) == text.count("\r\n")
    calendar = Calendar.from_ical(feed)
    events = calendar.events
    assert [part.name for part in calendar.walk()] == ["VCALENDAR", *["VEVENT", "VALARM"] * len(events)]
    assert len(re.findall("^BEGIN:", text, re.MULTILINE)) == 1 + 2 * len(events)
    for event in events:
        assert set(event) == {"UID", "SEQUENCE", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "URL"}
        assert set(event.subcomponents[0]) == {"ACTION", "DESCRIPTION", "TRIGGER"}
    return list(events)


def test_a_promised_call_is_an_event() -> None:
    at = datetime(2026, 11, 21, 16, 30, tzinfo=timezone(timedelta(hours=1)))
    feed = as_ical([a_case(7, next_at=at, version=4, text="my secret"), a_case(8)], f"{BASE}/", NOW)
    (event,) = events_of(feed)
    assert (event["UID"], event["SEQUENCE"], event["URL"]) == ("case-7@amends", 4, f"{BASE}/cases/7")
    assert (event.start, event.end, event.stamp) == (at, at + timedelta(minutes=15), NOW)
    assert b"DTSTART:20261121T153000Z\r\n" in feed
    assert event["SUMMARY"] == "Call C-7"
    (alarm,) = event.walk("VALARM")
    assert isinstance(alarm, Alarm)
    assert (alarm["ACTION"], alarm.TRIGGER) == ("DISPLAY", timedelta(minutes=-5))
    assert b"secret" not in feed


def test_a_feed_says_what_it_is_and_when_to_ask_again() -> None:
    feed = as_ical([], BASE, NOW)
    assert events_of(feed) == []
    for line in (
        b"VERSION:2.0", b"PRODID:-//Amends//Call-backs//EN", b"METHOD:PUBLISH", b"X-WR-CALNAME:Amends call-backs",
        b"REFRESH-INTERVAL;VALUE=DURATION:PT15M",
    ):  # fmt: skip
        assert line + b"\r\n" in feed
    assert feed == as_ical([], BASE, NOW)


def test_hostile_customers_add_nothing_to_a_feed() -> None:
    events = events_of(as_ical(cases_of(HOSTILE), BASE, NOW))
    assert [event["URL"] for event in events] == [f"{BASE}/cases/{number}" for number in range(1, 86)]
    assert all(event["SUMMARY"].startswith("Call ") and len(event["SUMMARY"]) <= 85 for event in events)


@given(TEXTS)
def test_no_customer_adds_anything_to_a_feed(name: str) -> None:
    (event,) = events_of(as_ical(cases_of([name]), BASE, NOW))
    assert event["URL"] == f"{BASE}/cases/1"


@pytest.mark.parametrize("name", [None, "", " \r\n"])
def test_a_customer_without_a_name_is_called_by_the_case(name: str | None) -> None:
    (event,) = events_of(as_ical([a_case(7, customer_id=name, next_at=NOW)], BASE, NOW))
    assert event["SUMMARY"] == "Call the customer of case 7"


def test_a_base_of_two_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="A URI value may not contain CR or LF characters"):
        as_ical([a_case(next_at=NOW)], "https://desk.example\r\nATTACH:x", NOW)
