"""The nights there were, one line each, whatever cut a line short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config
from pipeline.triage.history import KEPT, before, nights, note, table


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate({"nights": str(tmp_path / "deep" / "nights.jsonl")})


def manifest(job: str, finished: str = "2026-11-21T06:10:00Z") -> dict[str, Any]:
    totals = {"rows_in": 10, "rows_scored": 9, "rows_rejected": 1, "reject_reasons": {"empty_text": 1}}
    told = {"totals": totals, "escalations": 3, "review": 1, "model_version": "linear-0", "finished": finished}
    return dict.fromkeys(KEPT) | told | {"job": job, "failed": []}


def test_a_night_is_noted_once_and_the_latest_is_last(config: Config, tmp_path: Path) -> None:
    assert table(config) == [f"no night is noted in {config.nights}"]
    for job in ("a", "b", "a"):
        note(config, manifest(job), tmp_path / "out")
    assert [night["job"] for night in nights(config)] == ["a", "b"]
    note(config, manifest("a", "2026-11-22T06:10:00Z"), tmp_path / "out")  # done again, by --restart
    assert [night["job"] for night in nights(config)] == ["b", "a"]
    assert "2026-11-22T06:10:00Z" in table(config)[1]


def test_the_night_before_is_of_the_same_output(config: Config, tmp_path: Path) -> None:
    note(config, manifest("a"), tmp_path / "mine")
    note(config, manifest("b"), tmp_path / "others")
    last = before(config, "c", tmp_path / "mine")
    assert last is not None
    assert last["job"] == "a"
    assert before(config, "a", tmp_path / "mine") is None


def test_a_line_that_was_cut_short_costs_that_line_alone(config: Config, tmp_path: Path) -> None:
    for job in ("a", "b"):
        note(config, manifest(job), tmp_path / "out")
    path = Path(config.nights)
    path.write_bytes(path.read_bytes()[:-20])
    note(config, manifest("c"), tmp_path / "out")
    assert [night["job"] for night in nights(config)] == ["a", "c"]
