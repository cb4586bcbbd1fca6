"""What a night leaves in its folder: the list for people, the manifest, and all of it at once or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.feedback.spreadsheet import inert
from pipeline.page import render

from .durable import DurableFile

MANIFEST, SUMMARY = "manifest.json", "summary.md"
FILES = {
    MANIFEST, "scored.parquet", "rejected.parquet", "review.parquet",
    "answers.parquet", "promoters.parquet", "escalations.parquet", "escalations.csv", "escalations.html", SUMMARY,
}  # fmt: skip


class OutputError(ValueError):
    """An output folder that must not be written to; the message is one sentence."""


class Parts:
    """The tables of a night while they are written, chunk by chunk; as a context manager they end up on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, tuple[pq.ParquetWriter, DurableFile]] = {}

    def write(self, name: str, rows: pa.Table) -> None:
        """Append `rows` to the table `name`; a table of no rows is one as well."""
        if name not in self._open:
            file = DurableFile(self._folder / f"{name}.parquet")
            self._open[name] = pq.ParquetWriter(file, rows.schema), file
        if rows.num_rows:
            self._open[name][0].write_table(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer, file in self._open.values():
            with file:
                writer.close()


def published_by(job_id: str, output: Path) -> dict[str, Any] | None:
    """Return the manifest of the night in `output`, if that job published it."""
    manifest = _manifest(output / MANIFEST)
    return manifest if manifest and manifest.get("job") == job_id else None


def check(output: Path) -> None:
    """Refuse an `output` that cannot be made, or that holds anything but an earlier night."""
    if os.path.ismount(output):
        raise OutputError(f"--output {output} is a mount point, which cannot be replaced; give a folder below it")
    parent = next(folder for folder in output.absolute().parents if folder.exists())
    if not parent.is_dir() or (output.exists() and not output.is_dir()):
        wrong = output if parent.is_dir() else parent
        raise OutputError(f"--output {wrong} is a file; give a folder that is new or holds an earlier night")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"--output {output} cannot be made: {parent} may not be written; give another folder")
    if not output.is_dir():
        return
    names = {path.name for path in output.iterdir()}
    if names and _manifest(output / MANIFEST) is None:
        raise OutputError(f"--output {output} holds other files and no {MANIFEST} of a night; give a folder of its own")
    if names - FILES:
        strange = min(names - FILES)
        raise OutputError(f"--output {output} holds {strange!r}, no file of a night; move it or give another folder")


def _manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest of a night; None where there is no such file, or it is something else's."""
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(contents, dict) and {"totals", "model_version", "escalations"} <= contents.keys()
    return contents if known else None


def write_all(folder: Path, escalations: pa.Table, manifest: Mapping[str, Any], last: Mapping[str, Any] | None) -> None:
    """Write the list, for programs and for people, the manifest, and the summary, which looks back at `last` night."""
    with Parts(folder) as parts:
        parts.write("escalations", escalations)
    for name, text in {
        "escalations.csv": as_csv(escalations),
        "escalations.html": as_html(escalations, manifest),
        SUMMARY: as_summary(manifest, last),
        MANIFEST: json.dumps(manifest, indent=2, ensure_ascii=False) + "\n",
    }.items():
        with DurableFile(folder / name) as file:
            file.write(text.encode("utf-8"))


def as_csv(escalations: pa.Table) -> str:
    """Return the list as CSV for spreadsheets; a cell that a spreadsheet would run is made a text by an apostrophe."""
    names = [name for name in escalations.column_names if name != "texts"]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(names)
    writer.writerows([[cell(row[name]) for name in names] for row in escalations.to_pylist()])
    return stream.getvalue()


def cell(value: object) -> str:
    """Return `value` as an inert spreadsheet cell."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list):
        value = "; ".join(_reason(item) if isinstance(item, Mapping) else str(item) for item in value)
    return inert(str(value))


def _reason(item: Mapping[str, Any]) -> str:
    words = f" ({', '.join(item['words'])})" if item["words"] else ""
    return f"{item['factor']} {item['contribution']:.1f}{words}"


def as_html(escalations: pa.Table, manifest: Mapping[str, Any]) -> str:
    """Return the list as one page that needs nothing else and prints well; every text is escaped."""
    heads = [name for name in escalations.column_names if f"{name}_confidence" in escalations.column_names]
    template = Path(__file__).with_name("escalations.html.j2")
    return render(template, cases=escalations.to_pylist(), heads=heads, manifest=manifest)


def as_summary(manifest: Mapping[str, Any], last: Mapping[str, Any] | None) -> str:
    """Return what a person wants to know of the night in the morning, as Markdown."""
    mix = []
    for head, counts in manifest["labels"].items():
        sums = [max(night["totals"]["rows_scored"], 1) for night in (manifest, last or manifest)]
        before = (last or {"labels": {}})["labels"].get(head)
        for label, rows in counts.items():
            was = None if before is None else before.get(label, 0) / sums[1]
            mix.append((head, label, rows, rows / sums[0], was))
    return render(Path(__file__).with_name("summary.md.j2"), manifest=manifest, last=last, mix=mix)
