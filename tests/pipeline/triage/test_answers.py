"""What a night hands on of numbers that customers gave: all answers of known customers, and whom to thank."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.feedback.record import CANONICAL
from pipeline.triage.answers import ANSWERS, PROMOTERS, answers, foremost, promoters
from pipeline.triage.cases import case_key

few = st.sampled_from
people = st.lists(
    st.fixed_dictionaries(
        {
            "customer_id": few([None, "C-1", "C-2", "C-3", "C-4"]),
            "customer_value": few([None, 0.0, 10.0, 900.0]),
            "reach": few([None, 0.0, 35.0]),
            "nps": few([None, 0.0, 8.75, 9.0, 10.0]),
            "text": few(["Danke!", "thanks", "很好", "splendid, all of it"]),
        }
    ),
    max_size=25,
)


def batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"id": f"{n:02}"} | row for n, row in enumerate(rows)], schema=CANONICAL)


def keys(rows: pa.RecordBatch) -> list[str]:
    return [case_key(row["customer_id"], row["id"], row["text"]) for row in rows.to_pylist()]


def worth(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a person would sort by: known before unknown, more before less, then in any fixed order."""
    more = [(row[name] is None, -(row[name] or 0.0)) for name in ("customer_value", "reach")]
    return (*more, -len(row["text"]), row["case_key"], row["id"], row["text"])


@given(rows=people, most=st.integers(1, 4), size=st.integers(1, 9))
def test_the_foremost_are_found_however_the_rows_are_cut(rows: list[dict[str, Any]], most: int, size: int) -> None:
    whole = batch(rows)
    known = [row | {"case_key": key} for row, key in zip(whole.to_pylist(), keys(whole), strict=True)]
    best: dict[str, dict[str, Any]] = {}
    for row in sorted((row for row in known if row["nps"] is not None and row["nps"] >= 9), key=worth):
        best.setdefault(row["case_key"], row)
    expected = [{name: row[name] for name in PROMOTERS.names} for row in list(best.values())[:most]]
    found = PROMOTERS.empty_table()
    for start in range(0, whole.num_rows, size):
        part = whole.slice(start, size)
        found = foremost(pa.concat_tables([found, promoters(part, keys(part), most)]), most)
    assert found.schema == PROMOTERS
    assert found.to_pylist() == expected


@given(people)
def test_answers_are_those_of_known_customers_and_nothing_of_their_texts(rows: list[dict[str, Any]]) -> None:
    whole = batch(rows)
    assert answers(whole).to_pylist() == [
        {name: row[name] for name in ANSWERS}
        for row in whole.to_pylist()
        if row["nps"] is not None and row["customer_id"] is not None
    ]


def test_the_night_keeps_every_answer(sampled: Any, sample: Path) -> None:
    rows = {row["id"]: row for row in sampled.rows("scored")}
    found = sampled.rows("answers")
    assert len(found) > 50
    assert sampled.table("answers").column_names == list(ANSWERS)
    for row in found:
        assert (row["customer_id"], row["created_at"]) == (
            rows[row["id"]]["customer_id"],
            rows[row["id"]]["created_at"],
        )
    assert [row["id"] for row in found] == [name for name in rows if name in {row["id"] for row in found}]


def test_ratings_count_as_answers_and_as_promoters(
    write_lines: Callable[..., Path], run_night: Callable[..., Any]
) -> None:
    path = write_lines("a.jsonl", [
        {"id": "1", "text": "Great, thanks", "customer_id": "a", "rating": 5},
        {"id": "2", "text": "So so", "customer_id": "b", "rating": 3},
        {"id": "3", "text": "Nothing to say in numbers", "customer_id": "c"},
        {"id": "4", "text": "Great, thanks", "nps": 10},
    ])  # fmt: skip
    found = run_night(path)
    assert {row["customer_id"]: row["nps"] for row in found.rows("answers")} == {"a": 10.0, "b": 5.0}
    nameless = case_key(None, "4", "Great, thanks")
    assert [(row["case_key"], row["customer_id"]) for row in found.rows("promoters")] == [("a", "a"), (nameless, None)]


def test_whom_to_thank_is_masked_and_cut_to_capacity(
    write_lines: Callable[..., Path], run_night: Callable[..., Any]
) -> None:
    row = {"text": "Thank you! Write to anna@example.com", "nps": 10, "channel": "survey", "lang": "en"}
    rows = [row | {"id": f"{n}", "customer_id": f"c{n}", "customer_value": n, "reach": n} for n in range(5)]
    one, two = write_lines("a.jsonl", rows[:4]), write_lines("b.jsonl", [*rows[4:], rows[0] | {"customer_value": 3.5}])
    found = run_night(one, two, overrides=["rank.agents=1", "rank.minutes_per_day=60", "rank.minutes_per_call=20"])
    listed = found.rows("promoters")
    assert [(row["case_key"], row["id"], row["customer_value"]) for row in listed] == [
        ("c4", "4", 4.0), ("c0", "0", 3.5), ("c3", "3", 3.0),
    ]  # fmt: skip
    assert {row["source"] for row in listed} == {str(one), str(two)}
    for row in listed:
        assert "anna@" not in row["text"]
        assert (row["channel"], row["lang"], row["nps"], row["created_at"]) == ("survey", "en", 10.0, None)
