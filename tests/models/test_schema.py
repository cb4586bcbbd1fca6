"""The label schema: what it accepts, what it refuses in which words, and what a cell of a head says."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from models.schema import KINDS, Derivation, Head, Schema, SchemaError
from pipeline.config import ROOT

NO_HEADS = "a label schema needs a mapping 'heads:' with at least one head; see configs/labels.yaml"
NAME = "a head's name is lower case letters, digits and _; got "
LABELS = "head 'h': labels must be a list of names (quote yes, no and numbers); got "

REFUSED: list[tuple[Any, str]] = [
    (None, NO_HEADS),
    ([], NO_HEADS),
    ({}, NO_HEADS),
    ({"heads": {}}, NO_HEADS),
    ({"heads": ["sentiment"]}, NO_HEADS),
    ({"heads": {"Mood": {"kind": "binary"}}}, NAME + "'Mood'"),
    ({"heads": {"1st": {"kind": "binary"}}}, NAME + "'1st'"),
    ({"heads": {"": {"kind": "binary"}}}, NAME + "''"),
    ({"heads": {"a" * 41: {"kind": "binary"}}}, NAME + repr("a" * 41)),
    ({"heads": {"h": "binary"}}, "head 'h' must be a mapping with the key 'kind'; got 'binary'"),
    ({"heads": {"h": None}}, "head 'h' must be a mapping with the key 'kind'; got None"),
    (
        {"heads": {"h": {"kind": "ordinl"}}},
        "head 'h': kind must be one of nominal, ordinal, binary, multilabel; got 'ordinl'; did you mean 'ordinal'?",
    ),
    (
        {"heads": {"h": {"kind": "xyz"}}},
        "head 'h': kind must be one of nominal, ordinal, binary, multilabel; got 'xyz'",
    ),
    (
        {"heads": {"h": {"kind": "nominal", "lables": ["a", "b"]}}},
        "head 'h': unknown key 'lables'; known are kind, labels, derive, definitions; did you mean 'labels'?",
    ),
    (
        {"heads": {"h": {"kind": "nominal", "weight": 2}}},
        "head 'h': unknown key 'weight'; known are kind, labels, derive, definitions",
    ),
    (
        {"heads": {"h": {"kind": "binary", "labels": ["yes", "no"]}}},
        "head 'h': a binary head has no labels of its own; remove ['yes', 'no']",
    ),
    (
        {"heads": {"h": {"kind": "nominal", "labels": ["a", "b"], "derive": "nps <= 6"}}},
        "head 'h': derive is for binary heads; this one is nominal",
    ),
    ({"heads": {"h": {"kind": "nominal", "labels": ["a"]}}}, "head 'h': nominal needs at least 2 labels; got 1"),
    ({"heads": {"h": {"kind": "ordinal", "labels": ["a"]}}}, "head 'h': ordinal needs at least 2 labels; got 1"),
    ({"heads": {"h": {"kind": "multilabel"}}}, "head 'h': multilabel needs at least 1 labels; got 0"),
    ({"heads": {"h": {"kind": "nominal", "labels": ["a", "a"]}}}, "head 'h': labels must differ; got ['a', 'a']"),
    ({"heads": {"h": {"kind": "nominal", "labels": "a, b"}}}, LABELS + "'a, b'"),
    ({"heads": {"h": {"kind": "nominal", "labels": [True, False]}}}, LABELS + "[True, False]"),
    ({"heads": {"h": {"kind": "nominal", "labels": [1, 2]}}}, LABELS + "[1, 2]"),
    ({"heads": {"h": {"kind": "nominal", "labels": ["a", ""]}}}, LABELS + "['a', '']"),
    ({"heads": {"h": {"kind": "nominal", "labels": 5}}}, LABELS + "5"),
    ({"heads": {"h": {"kind": "binary", "derive": "nps"}}}, "derive must read like 'nps <= 6'; got 'nps'"),
    ({"heads": {"h": {"kind": "binary", "derive": "nps =< 6"}}}, "derive must read like 'nps <= 6'; got 'nps =< 6'"),
    ({"heads": {"h": {"kind": "binary", "derive": "6 >= nps"}}}, "derive must read like 'nps <= 6'; got '6 >= nps'"),
]


@pytest.mark.parametrize(("data", "sentence"), REFUSED)
def test_what_is_refused_and_in_which_words(data: Any, sentence: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Schema.from_json(data)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("definitions", ["all of them", 5, ["a", "b"]])
def test_definitions_that_are_no_mapping_are_refused(definitions: Any) -> None:
    data = {"heads": {"h": {"kind": "binary", "definitions": definitions}}}
    with pytest.raises(SchemaError, match="head 'h': definitions"):
        Schema.from_json(data)


@pytest.mark.parametrize("name", ["id", "text", "customer_id", "nps", "priority", "reasons", "review", "scored_at"])
def test_a_head_may_not_take_the_name_of_a_column_that_means_something_else(name: str) -> None:
    data = {"heads": {name: {"kind": "nominal", "labels": ["a", "b"]}}}
    with pytest.raises(SchemaError, match=repr(name)):
        Schema.from_json(data)


@pytest.mark.parametrize(
    ("text", "derivation", "below", "at", "above"),
    [
        ("nps <= 6", Derivation("nps", "<=", 6), True, True, False),
        ("nps<6", Derivation("nps", "<", 6), True, False, False),
        (" nps >=  6 ", Derivation("nps", ">=", 6), False, True, True),
        ("nps > 6.5", Derivation("nps", ">", 6.5), False, False, True),
        ("customer_value == -2", Derivation("customer_value", "==", -2), False, True, False),
    ],
)
def test_derive_is_read_and_applied(text: str, derivation: Derivation, below: bool, at: bool, above: bool) -> None:
    parsed = Derivation.parse(text)
    assert parsed == derivation
    border = derivation.threshold
    assert [parsed(border - 1), parsed(border), parsed(border + 1)] == [below, at, above]


@given(
    st.sampled_from(["<=", ">=", "==", "<", ">"]),
    st.decimals(-10_000_000, 10_000_000, places=3, allow_nan=False, allow_infinity=False),
)
def test_derive_is_written_as_it_was_read(comparison: str, threshold: Any) -> None:
    derivation = Derivation.parse(f"customer_value {comparison} {threshold}")
    assert Derivation.parse(str(derivation)) == derivation


HEADS = {
    "nominal": Head("h", "nominal", ("a", "b")),
    "ordinal": Head("h", "ordinal", ("a", "b")),
    "binary": Head("h", "binary"),
    "multilabel": Head("h", "multilabel", ("a", "b")),
}
READ: list[tuple[str, object, list[str] | None]] = [
    ("nominal", None, None),
    ("nominal", "", None),
    ("nominal", "  ", None),
    ("nominal", " a ", ["a"]),
    ("nominal", "a|b", ["a|b"]),
    ("nominal", 3, ["3"]),
    ("ordinal", "b", ["b"]),
    ("binary", None, None),
    ("binary", " ", None),
    *(("binary", yes, ["yes"]) for yes in ("yes", "Y", "true", True, 1, 1.0, "1.0", " TRUE ")),
    *(("binary", no, ["no"]) for no in ("no", "N", "false", False, 0, 0.0, "0.0", "False")),
    ("binary", "maybe", ["maybe"]),
    ("multilabel", None, None),
    ("multilabel", "", None),
    ("multilabel", [], []),
    ("multilabel", "a", ["a"]),
    ("multilabel", "a| b |", ["a", "b"]),
    ("multilabel", ["a", " b ", ""], ["a", "b"]),
    ("multilabel", ("b",), ["b"]),
]


@pytest.mark.parametrize(("kind", "cell", "labels"), READ)
def test_what_a_cell_states(kind: str, cell: object, labels: list[str] | None) -> None:
    assert HEADS[kind].read(cell) == labels


@pytest.mark.parametrize(
    ("kind", "width", "exclusive", "columns", "unknown"),
    [
        ("nominal", 2, True, ["p_h_a", "p_h_b"], ["yes", "c"]),
        ("ordinal", 2, True, ["p_h_a", "p_h_b"], ["yes", "c"]),
        ("multilabel", 2, False, ["p_h_a", "p_h_b"], ["yes", "c"]),
        ("binary", 1, False, ["p_h"], ["a", "c"]),
    ],
)
def test_what_a_head_predicts(kind: str, width: int, exclusive: bool, columns: list[str], unknown: list[str]) -> None:
    head = HEADS[kind]
    assert (head.width, head.exclusive, head.columns) == (width, exclusive, columns)
    assert head.unknown(["a", "yes", "c"]) == unknown


def test_every_kind_is_tested_here() -> None:
    assert set(HEADS) == set(KINDS)


@given(st.permutations(["zeta", "alpha", "mid", "b2", "a_1"]))
def test_json_keeps_heads_labels_and_their_order(names: list[str]) -> None:
    entries: dict[str, dict[str, Any]] = {
        "zeta": {"kind": "nominal", "labels": ["z", "a"], "definitions": {"z": "last", "a": "first"}},
        "alpha": {"kind": "binary", "derive": "nps <= 6"},
        "mid": {"kind": "ordinal", "labels": ["low", "high"]},
        "b2": {"kind": "multilabel", "labels": ["y", "x"]},
        "a_1": {"kind": "binary"},
    }
    schema = Schema.from_json({"heads": {name: entries[name] for name in names}})
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    assert again.names == names
    assert again["zeta"].labels == ("z", "a")
    assert again["zeta"].definitions == {"z": "last", "a": "first"}
    assert str(again["alpha"].derive) == "nps <= 6"


def test_a_head_is_found_by_name() -> None:
    schema = Schema((HEADS["binary"],))
    assert "h" in schema
    assert "g" not in schema
    assert schema["h"] is HEADS["binary"]
    with pytest.raises(KeyError, match="g"):
        schema["g"]


def test_the_shipped_schema_defines_every_label() -> None:
    schema = Schema.from_json(yaml.safe_load((ROOT / "configs" / "labels.yaml").read_text(encoding="utf-8")))
    assert schema.names == ["sentiment", "urgency", "complaint_type", "detractor", "signals"]
    for head in schema:
        assert set(head.definitions) == set(head.labels)
