"""A night's folder comes into the desk whole: whom to call, what was answered, whom to thank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import Config, ConfigError
from pipeline.followup.night import check, take_in
from pipeline.followup.promoters import promoters
from pipeline.followup.store import Store
from pipeline.triage.answers import PROMOTERS
from tests.pipeline.followup.hands import AT, LATER, NIGHT, cases, close, everything, fill
from tests.pipeline.followup.lists import escalation, listed, said
from tests.pipeline.followup.test_answers import DAY, answers
from tests.pipeline.followup.test_promoters import happy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a night in which C-1, who was called, answers, and is angry once more; C-9 is new, C-8 is happy."""
    rows = [escalation("C-1", said("worse than ever", 99.0)), escalation("C-9", said("late", 50.0))]
    pq.write_table(listed(*rows), tmp_path / "escalations.parquet")
    pq.write_table(answers(("C-1", AT + 3 * DAY, 1.0), ("C-9", AT, 0.0)), tmp_path / "answers.parquet")
    pq.write_table(pa.Table.from_pylist([happy("C-8")], schema=PROMOTERS), tmp_path / "promoters.parquet")
    return tmp_path


def of(url: str, **more: Any) -> Config:
    return Config.model_validate({"store": {"url": url}} | more)


def test_all_of_a_night_comes_in_once(url: str, store: Store, folder: Path) -> None:
    [case] = fill(store, 90.0)
    close(store, case.id)
    at = AT + 4 * DAY
    assert take_in(of(url), folder, at) == (
        "1 cases opened, 1 opened again, 0 updated, 0 unchanged, 1 answer joined, 1 person to thank"
    )
    # The answer is to the call before; what it says opens the case again.
    assert [event.what for event in store.case(case.id).events][-2:] == ["answered", "reopened"]
    assert [one.case_key for one in cases(store)] == ["C-1", "C-9"]
    assert [one.case_key for one in promoters(store, 9)] == ["C-8"]
    before = everything(store)
    assert take_in(of(url), folder, at + DAY) == (
        "0 cases opened, 0 updated, 2 unchanged, 0 answers joined, 0 people to thank"
    )
    assert everything(store) == before
    assert store.audit() == []


def test_a_night_of_before_has_its_list_alone(url: str, store: Store, folder: Path) -> None:
    (folder / "answers.parquet").unlink()
    (folder / "promoters.parquet").unlink()
    assert take_in(of(url), folder, NIGHT) == "2 cases opened, 0 updated, 0 unchanged"
    assert promoters(store, 9) == []


def test_all_of_it_or_nothing(url: str, store: Store, folder: Path) -> None:
    [case] = fill(store, 90.0)
    close(store, case.id)
    before = everything(store)
    pq.write_table(pa.table({"case_key": ["C-8"]}), folder / "promoters.parquet")
    with pytest.raises(KeyError):
        take_in(of(url), folder, LATER)
    pq.write_table(pa.table({"case_key": ["C-8"]}), folder / "escalations.parquet")
    with pytest.raises(ValueError, match="escalations need the columns case_key, priority, lead_id, text; missing: "):
        take_in(of(url), folder, LATER)
    assert everything(store) == before


def test_the_rules_are_those_of_the_desk(url: str, store: Store, folder: Path, tmp_path: Path) -> None:
    rules = tmp_path / "desk.yaml"
    rules.write_text("thanks: {most: 0}\n", encoding="utf-8")
    assert take_in(of(url, desk=str(rules)), folder, NIGHT).endswith("0 answers joined, 0 people to thank")


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [("lease_minute: 5", "did you mean 'lease_minutes'"), ("settle: soon", "soon"), ("calendar: {zone: Mars}", "Mars")],
)
def test_rules_that_cannot_be_read_are_told_before_the_work(tmp_path: Path, rules: str, sentence: str) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(f"{rules}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence):
        check(Config.model_validate({"desk": str(path)}))
