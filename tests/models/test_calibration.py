"""Calibration: it makes probabilities honest and leaves the labels as they were."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.calibration import MIN_ROWS, Calibration, fit, probabilities
from models.schema import Head
from models.targets import Target
from pipeline.learning.evaluation import calibration_error
from tests.models.drawing import labels_drawn

NOMINAL = Head("mood", "nominal", ("bad", "fine", "good"))
BINARY = Head("lost", "binary")
MULTILABEL = Head("said", "multilabel", ("leaves", "sues"))
Floats = NDArray[np.float32]


def drawn(head: Head, logits: Floats, seed: int = 0) -> Target:
    """Return labels drawn from the probabilities that `logits` state."""
    return labels_drawn(head, probabilities(head, logits), seed)


def honest(head: Head, rows: int = 6_000) -> Floats:
    return np.random.default_rng(1).normal(scale=1.5, size=(rows, head.width)).astype(np.float32)


def stated_and_true(head: Head, likely: Floats, truth: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if head.exclusive:
        return likely.max(1).astype(np.float64), (likely.argmax(1) == truth.argmax(1)).astype(np.float64)
    return likely.ravel().astype(np.float64), truth.ravel().astype(np.float64)


def error(head: Head, likely: Floats, truth: Floats) -> float:
    stated, true = stated_and_true(head, likely, truth)
    return float(calibration_error(stated, true, np.ones((1, len(stated))))[0])


@given(
    logits=st.lists(st.lists(st.integers(-400, 400), min_size=3, max_size=3, unique=True), min_size=40, max_size=60),
    seed=st.integers(0, 100),
)
def test_temperature_never_changes_the_label(logits: list[list[int]], seed: int) -> None:
    values = np.array(logits, np.float32) / 20
    place = np.random.default_rng(seed).integers(0, 3, len(values))
    target = Target(np.ones(len(values), bool), np.eye(3, dtype=np.float32)[place])
    fitted = fit(NOMINAL, values, target)
    assert (fitted.slope > 0).all()
    assert np.unique(fitted.slope).size == 1
    assert not fitted.offset.any()
    # Where a temperature makes two labels equal to the last bit, either may come first.
    likely = fitted(NOMINAL, values)
    assert np.array_equal(likely[np.arange(len(values)), values.argmax(1)], likely.max(1))


@pytest.mark.parametrize("strength", [0.25, 1.0, 4.0])
def test_temperature_undoes_over_and_underconfidence(strength: float) -> None:
    logits = honest(NOMINAL)
    target = drawn(NOMINAL, logits)
    fitted = fit(NOMINAL, logits * np.float32(strength), target)
    assert fitted.slope == pytest.approx(np.full(3, 1 / strength), rel=0.08)


@pytest.mark.parametrize("head", [BINARY, MULTILABEL], ids=lambda head: head.kind)
def test_platt_undoes_a_known_distortion(head: Head) -> None:
    logits = honest(head)
    target = drawn(head, logits)
    slope, offset = np.linspace(2, 3, head.width), np.linspace(1, -1, head.width)
    fitted = fit(head, ((logits - offset) / slope).astype(np.float32), target)
    assert fitted.slope == pytest.approx(slope, rel=0.1)
    assert fitted.offset == pytest.approx(offset, abs=0.12)


@pytest.mark.parametrize("head", [NOMINAL, BINARY, MULTILABEL], ids=lambda head: head.kind)
def test_the_calibration_error_falls_on_fresh_rows(head: Head) -> None:
    logits = honest(head, 20_000)
    target = drawn(head, logits)
    distorted = logits * 3
    fitted = fit(head, distorted[:3_000], target.take(np.arange(3_000)))
    before = error(head, probabilities(head, distorted[3_000:]), target.truth[3_000:])
    after = error(head, fitted(head, distorted[3_000:]), target.truth[3_000:])
    assert before > 0.1
    assert after < 0.03


@pytest.mark.parametrize("head", [NOMINAL, BINARY, MULTILABEL], ids=lambda head: head.kind)
def test_too_few_known_rows_change_nothing(head: Head) -> None:
    logits = honest(head, 500) * 5
    target = drawn(head, honest(head, 500))
    known = np.zeros(500, bool)
    known[: MIN_ROWS - 1] = True
    fitted = fit(head, logits, Target(known, target.truth * known[:, None]))
    assert fitted.slope.tolist() == [1] * head.width
    assert fitted.offset.tolist() == [0] * head.width


@pytest.mark.parametrize("head", [NOMINAL, BINARY, MULTILABEL], ids=lambda head: head.kind)
def test_only_rows_that_carry_the_label_count(head: Head) -> None:
    logits = honest(head, 600)
    target = drawn(head, logits)
    known = np.arange(600) < 300
    half = fit(head, logits * 2, Target(known, target.truth))
    alone = fit(head, logits[:300] * 2, target.take(np.arange(300)))
    assert half.to_json() == alone.to_json()


def test_a_label_that_never_or_always_holds_is_left_as_it_is() -> None:
    logits = honest(MULTILABEL, 100)
    truth = np.zeros((100, 2), np.float32)
    truth[:, 1] = 1
    fitted = fit(MULTILABEL, logits, Target(np.ones(100, bool), truth))
    assert fitted.slope.tolist() == [1, 1]
    assert fitted.offset.tolist() == [0, 0]


def test_a_model_that_is_wrong_is_not_turned_round() -> None:
    """A slope below zero would rank the least likely first; it is held above."""
    logits = honest(BINARY, 400)
    target = drawn(BINARY, -logits)
    assert fit(BINARY, logits, target).slope.tolist() == pytest.approx([0.05])


@given(
    head=st.sampled_from([NOMINAL, BINARY, MULTILABEL]),
    values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=6, max_size=60),
)
def test_probabilities_are_probabilities(head: Head, values: list[float]) -> None:
    logits = np.array(values[: len(values) // head.width * head.width], np.float32).reshape(-1, head.width)
    likely = probabilities(head, logits)
    assert likely.dtype == np.float32
    assert ((likely >= 0) & (likely <= 1)).all()
    if head.exclusive:
        np.testing.assert_allclose(likely.sum(1), 1, rtol=1e-5)


def test_json_keeps_every_bit() -> None:
    values = honest(NOMINAL, 2)
    calibration = Calibration(values[0], values[1])
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert again.slope.tobytes() == calibration.slope.tobytes()
    assert again.offset.tobytes() == calibration.offset.tobytes()
