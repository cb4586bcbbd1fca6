"""What a night leaves in its folder: the list for people, the manifest, and all of it at once or not at all."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.feedback.spreadsheet import inert
from pipeline.page import render

MANIFEST = "manifest.json"
FILES = {
    MANIFEST, "scored.parquet", "rejected.parquet", "review.parquet",
    "escalations.parquet", "escalations.csv", "escalations.html",
}  # fmt: skip


class OutputError(ValueError):
    """An output folder that must not be written to; the message is one sentence."""


@contextmanager
def published(output: Path) -> Iterator[Path]:
    """Yield a scratch folder that becomes `output` by one rename when the block ends well; on an error it is gone.

    An earlier night's folder (one with a manifest) is replaced; nothing else ever is.

    Raises
    ------
    OutputError
        `output` is a file, or a folder of something else.
    """
    check(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        _sync(scratch)
        _swap(scratch, output)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _swap(scratch: Path, output: Path) -> None:
    """Put `scratch` in the place of `output`; where that fails, `output` is as it was."""
    if not output.exists():
        scratch.rename(output)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{output.name}.old.", dir=output.parent)) / output.name
    output.rename(aside)
    try:
        scratch.rename(output)
    except OSError:
        aside.rename(output)
        raise
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)


def check(output: Path) -> None:
    """Refuse an `output` that cannot be made, or that holds anything but an earlier night."""
    parent = next(folder for folder in output.absolute().parents if folder.exists())
    if not parent.is_dir() or (output.exists() and not output.is_dir()):
        wrong = output if parent.is_dir() else parent
        raise OutputError(f"--output {wrong} is a file; give a folder that is new or holds an earlier night")
    if not output.is_dir():
        return
    names = {path.name for path in output.iterdir()}
    if names and not _is_night(output / MANIFEST):
        raise OutputError(f"--output {output} holds other files and no {MANIFEST} of a night; give a folder of its own")
    if names - FILES:
        strange = min(names - FILES)
        raise OutputError(f"--output {output} holds {strange!r}, no file of a night; move it or give another folder")


def _is_night(manifest: Path) -> bool:
    try:
        contents = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(contents, dict) and {"totals", "model_version", "escalations"} <= contents.keys()


def _sync(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write `manifest` as readable JSON."""
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(path: Path, escalations: pa.Table) -> None:
    """Write the list as CSV for spreadsheets; a cell that a spreadsheet would run is made a text by an apostrophe."""
    names = [name for name in escalations.column_names if name != "texts"]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows([[cell(row[name]) for name in names] for row in escalations.to_pylist()])


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


def write_html(path: Path, escalations: pa.Table, manifest: Mapping[str, Any]) -> None:
    """Write the list as one page that needs nothing else and prints well; every text is escaped."""
    heads = [name for name in escalations.column_names if f"{name}_confidence" in escalations.column_names]
    template = Path(__file__).with_name("escalations.html.j2")
    page = render(template, cases=escalations.to_pylist(), heads=heads, manifest=manifest)
    path.write_text(page, encoding="utf-8")
