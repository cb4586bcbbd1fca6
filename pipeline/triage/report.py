"""What a night says on the terminal: progress, counts, and how it ended."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Config, ConfigError
from pipeline.feedback.record import BEFORE_SINCE

if TYPE_CHECKING:
    from .intake import FileCount
    from .nightly import Progress

HASHING, READING = "hashing", "reading"  # counted in bytes; every other stage in rows

# Beside 0, done, and 2, bad input or settings; the docstring of score.py lists them all.
TOO_MANY_REJECTED, FILES_FAILED, BUSY, OTHER_PLAN, STOPPED_BY_SYSTEM, MISMATCH, TOLD_TO_END = 3, 10, 11, 12, 13, 16, 143


def moment(text: str | None, option: str) -> datetime | None:
    """Return the moment that the `text` of an option names in ISO 8601 (naive means UTC); None where it is None.

    Raises
    ------
    ConfigError
        `text` is no such moment.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} takes an ISO 8601 moment such as 2026-11-21T06:00:00Z; got {text!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def exit_code(manifest: Mapping[str, Any], config: Config) -> int:
    """Return 10 where a file failed, 3 where more than ``ingest.max_rejected`` of the rows were rejected, else 0.

    Rows that are left out on purpose (``before_since``) count for neither.
    """
    sums = manifest["totals"]
    old = sums["reject_reasons"].get(BEFORE_SINCE, 0)
    share = (sums["rows_rejected"] - old) / max(sums["rows_in"] - old, 1)
    return FILES_FAILED if manifest["failed"] else TOO_MANY_REJECTED if share > config.ingest.max_rejected else 0


def summary(counts: Sequence[FileCount], ignored: Sequence[str]) -> str:
    """Return the counts of a dry run, a line a file."""
    lines = [
        f"{item['path']}: {item['rows_in']:,} rows, {item['rows_scored']:,} good, {_rejected(item)}"
        for item in (count.to_json() for count in counts)
    ]
    lines += [f"{name}: ignored, no feedback file" for name in ignored]
    return "\n".join(lines)


def closing(manifest: Mapping[str, Any], output: Path, *, again: bool) -> str:
    """Return the lines that end a night."""
    if again:
        return f"nothing to do: the same night is published in {output}/ (--restart does it again)"
    sums = manifest["totals"]
    lines = [
        *(f"failed: {file['path']}: {file['reason']}: {file['sentence']}" for file in manifest["failed"]),
        f"{sums['rows_in']:,} rows in: {sums['rows_scored']:,} scored, {_rejected(sums)}",
        f"{manifest['escalations']} customers to call (room for {manifest['capacity']}), "
        f"{manifest['review']:,} texts to review, model {manifest['model_version']}",
        *([manifest["promise"]["said"]] if manifest["promise"] else []),
        f"published: {output}/ (escalations.html is the list)",
    ]
    if manifest["weights_without_a_factor"]:
        names = ", ".join(manifest["weights_without_a_factor"])
        lines.append(f"note: the model has nothing for the weights {names}; they count for nothing")
    return "\n".join(lines)


def _rejected(item: Mapping[str, Any]) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in item["reject_reasons"].items())
    return f"{item['rows_rejected']:,} rejected{f' ({reasons})' if reasons else ''}"


def progress(size: int) -> AbstractContextManager[Progress]:
    """Return what gives what shows rows done, rows a second and time left; off a terminal, a line of JSON per stage.

    `size` is that of all files, in bytes.
    """
    return _Bars(size) if sys.stderr.isatty() else _Lines()


class _Lines(AbstractContextManager["Progress"]):
    """A line of JSON on standard error for each stage that has ended."""

    def __init__(self) -> None:
        self._stage, self._rows, self._since, self._worked = "", 0, time.monotonic(), time.process_time()

    def __enter__(self) -> Progress:
        return self._show

    def __exit__(self, *_: object) -> None:
        self._end()

    def _show(self, stage: str, amount: int) -> None:
        if stage == READING:
            return
        if stage != self._stage:
            self._end()
            self._stage, self._rows, self._since, self._worked = stage, 0, time.monotonic(), time.process_time()
        self._rows += amount

    def _end(self) -> None:
        if self._stage:
            unit = "bytes" if self._stage == HASHING else "rows"
            said = {"stage": self._stage, unit: self._rows, "seconds": round(time.monotonic() - self._since, 3),
                    "cpu_seconds": round(time.process_time() - self._worked, 3),
                    "at": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
            sys.stderr.write(json.dumps(said) + "\n")
            sys.stderr.flush()


class _Bars(AbstractContextManager["Progress"]):
    """A bar on the terminal for each stage; how far prediction is shows in the bytes read."""

    def __init__(self, size: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<11}"), BarColumn(), TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(), TextColumn("elapsed,"), TimeRemainingColumn(), TextColumn("left"),
        )  # fmt: skip
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._size, self._read = size, 0
        self._tasks: dict[str, Any] = {}
        self._rows: dict[str, int] = {}

    def __enter__(self) -> Progress:
        self._bar.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _show(self, stage: str, amount: int) -> None:
        if stage == READING:
            self._read += amount
            return
        if stage not in self._tasks:
            rows = self._rows.get("predicting")
            self._tasks[stage] = self._bar.add_task(stage, said="", total=rows if stage == "ranking" else self._size)
        self._rows[stage] = done = self._rows.get(stage, 0) + amount
        task = self._tasks[stage]
        taken = max(self._bar.tasks[task].elapsed or 0, 0.1)
        said = f"{done / 2**20:,.0f} MiB" if stage == HASHING else f"{done:,} rows, {done / taken:,.0f} rows/s"
        self._bar.update(task, completed=min(self._read, self._size) if stage == "predicting" else done, said=said)
