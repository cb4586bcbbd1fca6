"""What a night says on the terminal: progress, counts, and how it ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Config, ConfigError

if TYPE_CHECKING:
    from .intake import FileCount
    from .nightly import Progress

DONE, TOO_MANY_REJECTED = 0, 3


def moment(text: str | None) -> datetime:
    """Return the moment that `text` names in ISO 8601 (naive means UTC); now, where it is None.

    Raises
    ------
    ConfigError
        `text` is no such moment.
    """
    if text is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--as-of takes an ISO 8601 moment such as 2026-11-21T06:00:00Z; got {text!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def exit_code(totals: Mapping[str, Any], config: Config) -> int:
    """Return 3 where more than ``ingest.max_rejected`` of the rows were rejected, else 0."""
    share = totals["rows_rejected"] / max(totals["rows_in"], 1)
    return TOO_MANY_REJECTED if share > config.ingest.max_rejected else DONE


def summary(counts: Sequence[FileCount], ignored: Sequence[str]) -> str:
    """Return the counts of a dry run, a line a file."""
    lines = [
        f"{item['path']}: {item['rows_in']:,} rows, {item['rows_scored']:,} good, {_rejected(item)}"
        for item in (count.to_json() for count in counts)
    ]
    lines += [f"{name}: ignored, no feedback file" for name in ignored]
    return "\n".join(lines)


def closing(manifest: Mapping[str, Any], output: Path) -> str:
    """Return the lines that end a night."""
    sums = manifest["totals"]
    lines = [
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


@contextmanager
def progress() -> Iterator[Progress]:
    """Yield what shows rows done and rows a second, on a terminal; silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} rows"),
        TextColumn("{task.speed:,.0f} rows/s"), TimeElapsedColumn(),
    )  # fmt: skip
    tasks: dict[str, Any] = {}
    with Bar(*columns, console=Console(stderr=True)) as bar:

        def show(stage: str, rows: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=None)
            bar.advance(tasks[stage], rows)

        yield show
