"""The nights there were: a line for each in a file of its own, so that a night can be held against the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config import Config, resolve

from .durable import append_line

KEPT = ("job", "totals", "escalations", "review", "labels", "promise", "model_version", "since", "as_of", "started",
        "finished")  # fmt: skip


def nights(config: Config) -> list[dict[str, Any]]:
    """Return the nights, the latest last; one that was noted twice is one."""
    path = resolve(config.nights)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        try:
            night = json.loads(line)
        except ValueError:  # a line that a death cut short; the night was noted again when it was gone on with
            continue
        found.pop(night["job"], None)
        found[night["job"]] = night
    return [*found.values()]


def note(config: Config, manifest: Mapping[str, Any], output: Path) -> None:
    """Note a night; one that was noted already is not again."""
    if any(night["job"] == manifest["job"] and night["finished"] == manifest["finished"] for night in nights(config)):
        return
    path = resolve(config.nights)
    path.parent.mkdir(parents=True, exist_ok=True)
    night = {name: manifest[name] for name in KEPT} | {
        "failed": len(manifest["failed"]),
        "output": str(output.absolute()),
    }
    append_line(path, json.dumps(night, ensure_ascii=False))


def before(config: Config, job: str, output: Path) -> dict[str, Any] | None:
    """Return the night published as `output` before the one of `job`; None where there was none."""
    others = [night for night in nights(config) if night["job"] != job and night["output"] == str(output.absolute())]
    return others[-1] if others else None


def table(config: Config, most: int = 14) -> list[str]:
    """Return the latest nights as lines to read."""
    found = nights(config)[-most:]
    lines = [f"{'finished':<20} {'rows':>12} {'rejected':>9} {'to call':>8} {'review':>8}  model"]
    for night in reversed(found):
        sums = night["totals"]
        failed = f", {night['failed']} files failed" if night["failed"] else ""
        lines.append(
            f"{night['finished']:<20} {sums['rows_in']:>12,} {sums['rows_rejected']:>9,} {night['escalations']:>8,} "
            f"{night['review']:>8,}  {night['model_version']}{failed}  {night['output']}"
        )
    return lines if found else [f"no night is noted in {config.nights}"]
