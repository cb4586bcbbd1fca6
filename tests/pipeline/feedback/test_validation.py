"""The same rules for requests, and the memory for ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from models.schema import Schema
from pipeline.feedback.seen import SeenIds
from pipeline.feedback.validation import validate_objects
from pipeline.settings import Ingest

OBJECTS: list[object] = [
    {"id": 1, "text": "late"},
    {"id": "1", "text": "again"},
    {"id": "2", "text": "  "},
    {"id": "3"},
    {"text": "no id"},
    {"id": "4", "text": "late", "nps": 11},
    {"id": "5", "text": "late", "created_at": "yesterday"},
    {"id": "6", "text": "la\0te"},
    {"id": "7", "text": "late", "more": [[{"a\0": 1}]]},
    {"id": "8", "text": "\ud800"},
    "late",
    None,
    [{"id": "9", "text": "late"}],
    {"id": "10", "text": "late", "rating": 3, "channel": " chat "},
]


def test_requests_are_judged_like_the_lines_of_a_file(read_text: Callable[..., Any]) -> None:
    from_file = read_text("".join(json.dumps(value) + "\n" for value in OBJECTS), "dump.jsonl")
    batch = validate_objects(OBJECTS, source="api", ingest=Ingest())
    assert [(reject.record, reject.reason) for reject in batch.rejects] == from_file.rejects
    assert [row | {"source": None} for row in batch.rows.to_pylist()] == [
        row | {"source": None} for row in from_file.rows
    ]
    assert {reject.source for reject in batch.rejects} == {"api"}
    assert batch.rows_in == len(OBJECTS)


def test_a_request_may_hold_nothing() -> None:
    assert validate_objects([], source="api", ingest=Ingest()).rows_in == 0


def test_a_request_may_carry_labels() -> None:
    schema = Schema.from_json({"heads": {"detractor": {"kind": "binary", "derive": "nps <= 6"}}})
    batch = validate_objects([{"text": "late", "nps": "2"}], source="api", ingest=Ingest(), schema=schema)
    assert batch.rows.to_pylist()[0]["detractor"] == ["yes"]


@given(st.lists(st.lists(st.sampled_from("abcdefghij"))))
def test_ids_are_remembered_across_calls(calls: list[list[str]]) -> None:
    seen, reference = SeenIds(), set[str]()
    for ids in calls:
        expected = []
        for identifier in ids:
            expected.append(identifier in reference)
            reference.add(identifier)
        assert seen.add(ids).tolist() == expected


def test_many_ids_take_16_bytes_each() -> None:
    seen = SeenIds()
    for start in range(0, 60_000, 4_000):
        assert not any(seen.add([f"T{i}" for i in range(start, start + 4_000)]))
    assert all(seen.add([f"T{i}" for i in range(0, 60_000, 7)]))
    assert sum(run.nbytes for run in seen._runs) == 60_000 * 16
    assert len(seen._runs) < 8
