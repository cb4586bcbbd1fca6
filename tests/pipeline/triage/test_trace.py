"""Tracing: one row's way, which tells the same as the night did."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.triage import TriageModel
from pipeline.config import Config
from pipeline.feedback.record import InputError
from pipeline.feedback.sources import discover
from pipeline.triage.trace import trace

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


def lines(wanted: str, model: TriageModel, sample: Path) -> list[str]:
    files = discover([str(sample)]).files
    return list(trace(wanted, files, model, Config(), NOW))


def test_the_way_of_a_listed_row(sampled: Any, sample: Path, model: TriageModel) -> None:
    case = next(case for case in sampled.rows("escalations") if case["customer_id"] and case["customer_value"])
    told = lines(case["lead_id"], model, sample)
    stations = [line.split()[0] for line in told if not line.startswith(" ")]
    assert stations == [
        "read",
        "validated",
        "masked",
        "prepared",
        "tokens",
        "predicted",
        "context",
        "ranked",
        "reviewed",
    ]
    assert f"id {case['lead_id']}" in told[1]
    assert f"customer_id {case['customer_id']}" in told[1]
    (ranked,) = [place for place, line in enumerate(told) if line.startswith("ranked")]
    assert f"priority {case['priority']:.2f}" in told[ranked]
    shown = [(line.split()[0], float(line.split()[1])) for line in told[ranked + 1 : -1]]
    assert shown == [(reason["factor"], round(reason["contribution"], 2)) for reason in case["reasons"]]
    assert told[-1] == "reviewed   the model is sure enough"
    for head in model.schema:
        assert any(line.startswith(f"  {head.name} ") for line in told)


def test_personal_data_does_not_show(sample: Path, model: TriageModel) -> None:
    told = "\n".join(lines("T-88030", model, sample))
    assert "[IBAN]" in told
    assert "DE8937" not in told
    assert "de8937" not in told


def test_a_row_under_review_says_why(sampled: Any, sample: Path, model: TriageModel) -> None:
    row = sampled.rows("review")[0]
    assert lines(row["id"], model, sample)[-1] == f"reviewed   a person should look: {row['review_reason']}"


def test_a_rejected_row_goes_by_its_place(sample: Path, model: TriageModel) -> None:
    place = f"{sample}/survey.csv:26"
    assert lines(place, model, sample) == [
        f"read       {place}",
        "validated  rejected: bad_value; counted in manifest.json, listed in rejected.parquet, never scored",
    ]


def test_an_accepted_row_goes_by_its_place_as_well(sample: Path, model: TriageModel) -> None:
    assert lines(f"{sample}/survey.csv:1", model, sample)[1].startswith("validated  id S-204416, ")


def test_no_such_row(sample: Path, model: TriageModel) -> None:
    with pytest.raises(InputError) as caught:
        lines("S-204510", model, sample)  # stands on a rejected row
    assert str(caught.value) == (
        "no accepted row has the id 'S-204510'; a rejected row is traced by its place, as rejected.parquet names it, "
        "such as data/sample/survey.csv:26"
    )
