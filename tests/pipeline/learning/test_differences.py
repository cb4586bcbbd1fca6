"""Two versions side by side: what differs is told, with intervals, and shown with masked and escaped texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import train
from pipeline.config import Config, ConfigError
from pipeline.learning.differences import Changed, Differences, differences
from pipeline.learning.evaluation import Figure


@pytest.fixture(scope="module")
def found(registry: Any) -> Differences:
    """Return what changed from the version of 300 rows to the one that the recipe trained."""
    return differences(registry.config, "2", "champion")


def test_figures_rows_and_settings_are_told_apart(found: Differences) -> None:
    assert found.names == ("version 2", "version 1")
    assert set(found.gains) == {"sentiment", "urgency", "complaint_type", "detractor", "signals", "mean"}
    for figures in found.gains.values():
        for figure in figures.values():
            assert figure.low <= figure.value + 1e-9
            assert figure.value <= figure.high + 1e-9
    assert found.changed
    assert all(row.before != row.after for row in found.changed)
    by_head = [row for row in found.changed if row.head == "sentiment"]
    assert sum(found.counts["sentiment"]) == len(by_head)
    assert found.counts["sentiment"][0] == sum(row.after == row.truth for row in by_head)


def test_a_version_does_not_differ_from_itself(registry: Any) -> None:
    same = differences(registry.config, "champion", registry.versions[0].run_id)
    assert same.changed == []
    assert same.settings == {}
    assert {figure.value for figures in same.gains.values() for figure in figures.values()} == {0.0}


def test_what_is_not_there_is_said(registry: Any) -> None:
    with pytest.raises(ConfigError, match=r"^amends-triage has no version, run or alias '99'; see python train.py"):
        differences(registry.config, "99", "champion")
    with pytest.raises(ConfigError, match=r"^amends-triage has no version, run or alias 'best'; see python train.py"):
        differences(registry.config, "champion", "best")


def test_the_page_escapes_and_the_lines_mark_what_is_sure(tmp_path: Path) -> None:
    gains = {
        "mood": {"macro_f1": Figure(0.1, 0.05, 0.2), "accuracy": Figure(0.1, -0.05, 0.2), "bad.f1": Figure(0, 0, 0)}
    }
    made = Differences(
        ("version 1", "version 2"), 9, gains, [Changed("mood", "bad", "fine", "bad", "<script>alert(1)</script>")],
        {"mood": (1, 0, 0)}, {"model.linear.epochs": (15, 30)},
    )  # fmt: skip
    made.write(tmp_path / "deep" / "page.html")
    page = (tmp_path / "deep" / "page.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert list(made.lines()) == [
        "version 2 against version 1 on 9 rows of the test side",
        "  mood accuracy: +0.100 [-0.050, +0.200]",
        "  mood macro_f1: +0.100 [+0.050, +0.200]  *",
        "  mood: 1 rows right now, 0 wrong now, 0 wrong in another way",
        "  setting model.linear.epochs: 15 -> 30",
    ]


def test_the_command_tells_and_writes(registry: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps(Config.model_validate(registry.config).model_dump(mode="json")), encoding="utf-8")
    assert train.main(["--config", str(config), "--compare", "2", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("version 1 against version 2 on ")
    assert Path(said.strip().splitlines()[-1].removeprefix("the rows that changed: ")).is_file()
