"""Labels that rows carry."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from models.schema import Schema

Read = Callable[..., Any]

SCHEMA = Schema.from_json(
    {
        "heads": {
            "sentiment": {"kind": "nominal", "labels": ["negative", "neutral", "positive"]},
            "detractor": {"kind": "binary", "derive": "nps <= 6"},
            "signals": {"kind": "multilabel", "labels": ["churn_threat", "legal_threat"]},
        }
    }
)


def read_rows(read_text: Read, rows: list[dict[str, Any]], **options: Any) -> Any:
    content = "".join(json.dumps({"text": "late"} | row) + "\n" for row in rows)
    return read_text(content, "dump.jsonl", schema=SCHEMA, **options)


@pytest.mark.parametrize(
    ("row", "head", "labels"),
    [
        ({"sentiment": " negative "}, "sentiment", ["negative"]),
        ({"sentiment": ""}, "sentiment", None),
        ({}, "sentiment", None),
        ({"detractor": True}, "detractor", ["yes"]),
        ({"detractor": 0}, "detractor", ["no"]),
        ({"nps": 6}, "detractor", ["yes"]),
        ({"nps": 7}, "detractor", ["no"]),
        ({"rating": 5}, "detractor", ["no"]),
        ({"nps": 6, "detractor": "no"}, "detractor", ["no"]),
        ({}, "detractor", None),
        ({"signals": "churn_threat|legal_threat"}, "signals", ["churn_threat", "legal_threat"]),
        ({"signals": ["legal_threat"]}, "signals", ["legal_threat"]),
        ({"signals": []}, "signals", []),
        ({"signals": None}, "signals", None),
        ({"signals": ""}, "signals", None),
    ],
)
def test_labels_are_read(row: dict[str, Any], head: str, labels: list[str] | None, read_text: Read) -> None:
    assert read_rows(read_text, [row]).rows[0][head] == labels


def test_an_unknown_label_costs_the_label_not_the_row(read_text: Read) -> None:
    rows = [
        {"sentiment": "furious"},
        {"sentiment": "furious", "nps": 3, "detractor": "perhaps"},
        {"signals": ["legal_threat", "shouting"]},
        {"signals": "shouting"},
    ]
    out = read_rows(read_text, rows)
    assert out.rejects == []
    assert [row["sentiment"] for row in out.rows] == [None] * 4
    assert out.rows[1]["detractor"] == ["yes"]
    assert [row["signals"] for row in out.rows[2:]] == [["legal_threat"], None]
    assert out.rejected_labels == {
        "sentiment": {"furious": 2},
        "detractor": {"perhaps": 1},
        "signals": {"shouting": 2},
    }


def test_labels_of_rejected_rows_are_not_counted(read_text: Read) -> None:
    assert read_rows(read_text, [{"text": "", "sentiment": "furious"}]).rejected_labels == {}


def test_foreign_columns_and_labels_are_renamed(read_text: Read) -> None:
    rows = [{"Mood": "bad", "flag": 0}, {"Mood": "n/a", "flag": 1}, {"Mood": "positive"}]
    labels = {"sentiment": {"bad": "negative", "n/a": ""}, "detractor": {"0": "yes", "1": "no"}}
    out = read_rows(read_text, rows, columns={"sentiment": "Mood", "detractor": "flag"}, labels=labels)
    assert [row["sentiment"] for row in out.rows] == [["negative"], None, ["positive"]]
    assert [row["detractor"] for row in out.rows] == [["yes"], ["no"], None]
    assert out.rejected_labels == {}


def test_labels_come_out_of_csv_alike(read_text: Read) -> None:
    out = read_text("text,sentiment,signals,fold\nlate,negative,churn_threat|legal_threat,test\nlate,,,\n",
                    schema=SCHEMA, split_column="fold")  # fmt: skip
    assert [(row["sentiment"], row["signals"], row["split"]) for row in out.rows] == [
        (["negative"], ["churn_threat", "legal_threat"], "test"),
        (None, None, None),
    ]


def test_without_a_schema_there_are_no_label_columns(read_text: Read) -> None:
    (row,) = read_text("text,sentiment\nlate,negative\n").rows
    assert "sentiment" not in row
    assert "split" not in row


def test_a_derived_id_does_not_depend_on_the_heads(read_text: Read) -> None:
    content = "text,sentiment\nlate,negative\n"
    assert read_text(content).ids == read_text(content, schema=SCHEMA).ids
