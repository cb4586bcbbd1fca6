"""The scorer of the API: records in, rows or reasons out."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.triage import ArtefactError, TriageModel
from pipeline.config import Config
from pipeline.triage.scoring import Scorer


def test_records_are_scored_or_refused_each_by_its_number(model: TriageModel) -> None:
    scorer = Scorer(model, Config())
    objects: list[object] = [
        {"id": "1", "text": "cancelling tonight", "nps": 0},
        {"id": "2", "text": ""},
        "no object",
        {"id": "1", "text": "again"},
        {"id": "3", "text": "write to jo@example.com", "customer_value": 10},
    ]
    scored, rejects = scorer.score_objects(objects, customer_values=[1.0, 2.0])
    assert [row["id"] for row in scored] == ["1", "3"]
    assert sorted((reject["record"], reject["reason"]) for reject in rejects) == [
        (2, "empty_text"), (3, "malformed_record"), (4, "duplicate_id"),
    ]  # fmt: skip
    assert all(row["model_version"] == scorer.model_version == model.version for row in scored)
    assert scorer.ready


def test_nothing_usable_is_no_rows(model: TriageModel) -> None:
    assert Scorer(model, Config()).score_objects([{"text": 5}], customer_values=[]) == (
        [],
        [{"record": 1, "reason": "missing_text"}],
    )


def test_value_is_placed_among_known_customers(model: TriageModel) -> None:
    config = Config.model_validate({"rank": {"weights": {"customer_value": 2}}})
    rows: list[object] = [{"text": "cancelling", "nps": 0, "customer_value": 50}]
    poor, rich = (
        Scorer(model, config).score_objects(rows, customer_values=values)[0][0]["priority"]
        for values in ([100.0] * 9, [10.0] * 9)
    )
    assert poor < rich


def test_a_folder_is_loaded_and_another_refused(model_folder: Path, model: TriageModel, tmp_path: Path) -> None:
    assert Scorer.load(str(model_folder), Config()).model_version == model.version
    with pytest.raises(ArtefactError, match=r"is not a model: model.json is missing"):
        Scorer.load(str(tmp_path), Config())
