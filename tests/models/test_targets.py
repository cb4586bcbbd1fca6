"""Labels as arrays: what is known, what holds, and what a label weighs in training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.schema import Head, Schema
from models.targets import Target, balance, encode, encode_all

NOMINAL = Head("mood", "nominal", ("bad", "fine", "good"))
BINARY = Head("lost", "binary")
MULTILABEL = Head("said", "multilabel", ("leaves", "sues"))


def test_one_label_of_several() -> None:
    target = encode(NOMINAL, [["good"], None, ["bad"], []])
    assert target.known.tolist() == [True, False, True, False]
    assert target.truth.tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_yes_and_no() -> None:
    target = encode(BINARY, [["yes"], ["no"], None])
    assert target.known.tolist() == [True, True, False]
    assert target.truth.tolist() == [[1], [0], [0]]


def test_an_empty_list_states_that_no_label_holds() -> None:
    target = encode(MULTILABEL, [["sues", "leaves"], [], None])
    assert target.known.tolist() == [True, True, False]
    assert target.truth.tolist() == [[1, 1], [0, 0], [0, 0]]


def test_a_head_without_a_column_is_nowhere_known() -> None:
    targets = encode_all(Schema((NOMINAL, BINARY)), {"lost": [["yes"], ["no"]]})
    assert list(targets) == ["mood", "lost"]
    assert not targets["mood"].known.any()
    assert targets["mood"].truth.shape == (2, 3)
    assert targets["lost"].known.all()


def test_some_rows_are_taken_in_the_order_asked_for() -> None:
    target = encode(NOMINAL, [["good"], None, ["bad"]]).take(np.array([2, 0]))
    assert target.known.tolist() == [True, True]
    assert target.truth.tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("head", [NOMINAL, BINARY, MULTILABEL], ids=lambda head: head.kind)
@given(data=st.data())
def test_weights(head: Head, data: st.DataObject) -> None:
    """Power 0 weighs every known row 1; power 1 gives every label (and its absence) the same total; unknown is 0."""
    labels = head.labels or ("yes",)
    cell = (
        st.sampled_from(labels).map(lambda label: [label])
        if head.exclusive
        else st.lists(st.sampled_from(labels), unique=True)
        if head.kind == "multilabel"
        else st.sampled_from([["yes"], ["no"]])
    )
    target = encode(head, data.draw(st.lists(st.none() | cell, min_size=1, max_size=30)))
    flat, balanced = balance(head, target, 0), balance(head, target, 1)
    assert np.array_equal(flat, np.repeat(target.known[:, None], head.width, axis=1).astype(np.float32))
    assert not balanced[~target.known].any()
    rows = target.known.sum()
    for place in range(head.width):
        held = (target.truth[:, place] > 0) & target.known
        absent = target.known & ~held
        share = rows / head.width if head.exclusive else rows / 2
        if held.any():
            assert balanced[held, place].sum() == pytest.approx(share, rel=1e-5)
        if absent.any() and not head.exclusive:
            assert balanced[absent, place].sum() == pytest.approx(share, rel=1e-5)


def test_a_rare_label_weighs_more_but_less_than_balanced_at_half_power() -> None:
    target = Target(np.ones(10, bool), np.array([[1, 0, 0]] * 9 + [[0, 1, 0]], np.float32))
    ratios = [float(weight[9, 0] / weight[0, 0]) for weight in (balance(NOMINAL, target, p) for p in (0, 0.5, 1))]
    assert ratios == pytest.approx([1, 3, 9], rel=1e-5)
