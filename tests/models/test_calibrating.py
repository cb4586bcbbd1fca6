"""The choice of a calibration: a curve where it is needed, and only there; a ranking stays what it was."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.calibrating import beta, choose, isotonic, out_of_fold
from models.calibration import Calibration, fit, probabilities
from models.schema import Head
from models.targets import Target
from pipeline.learning.evaluation import calibration_error

NOMINAL = Head("mood", "nominal", ("bad", "fine", "good"))
BINARY = Head("lost", "binary")
MULTILABEL = Head("said", "multilabel", ("leaves", "sues"))
HEADS = [NOMINAL, BINARY, MULTILABEL]
Floats = NDArray[np.float32]


def drawn(head: Head, likely: Floats, seed: int = 0) -> Target:
    """Return labels drawn from the probabilities given."""
    random = np.random.default_rng(seed)
    if head.exclusive:
        place = (likely.cumsum(1) < random.random((len(likely), 1))).sum(1).clip(max=head.width - 1)
        truth = np.eye(head.width, dtype=np.float32)[place]
    else:
        truth = (random.random(likely.shape) < likely).astype(np.float32)
    return Target(np.ones(len(likely), bool), truth)


def normal(head: Head, rows: int = 6_000) -> Floats:
    return np.random.default_rng(1).normal(scale=1.5, size=(rows, head.width)).astype(np.float32)


def bent(head: Head, logits: Floats) -> Floats:
    """Return probabilities that no slope and offset could make of `logits`: sure only on one side."""
    return probabilities(head, np.where(logits > 0, 0.3 * logits, 2.5 * logits).astype(np.float32))


def error(likely: Floats, truth: Floats) -> float:
    flat = likely.ravel().astype(np.float64)
    return float(calibration_error(flat, truth.ravel().astype(np.float64), np.ones((1, flat.size)))[0])


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_honest_logits_keep_the_plain_map(head: Head) -> None:
    logits = normal(head, 3_000)
    methods = [choose(head, logits, drawn(head, probabilities(head, logits), seed)) for seed in range(5)]
    assert methods.count(fit) >= 4


@pytest.mark.parametrize("head", [BINARY, MULTILABEL], ids=lambda head: head.kind)
def test_a_curve_mends_what_a_slope_cannot(head: Head) -> None:
    logits = normal(head, 12_000)
    target = drawn(head, bent(head, logits))
    learnt, fresh = np.arange(4_000), np.arange(4_000, 12_000)
    method = choose(head, logits[learnt], target.take(learnt))
    assert method is not fit
    plain, chosen = (one(head, logits[learnt], target.take(learnt)) for one in (fit, method))
    assert chosen.method == method.__name__
    assert error(chosen(head, logits[fresh]), target.truth[fresh]) < 0.02
    assert error(plain(head, logits[fresh]), target.truth[fresh]) > 0.03


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
@pytest.mark.parametrize("method", [beta, isotonic], ids=lambda method: method.__name__)
def test_a_curve_makes_probabilities_and_keeps_the_order_of_yes_or_no(head: Head, method: object) -> None:
    logits = normal(head, 800)
    fitted = method(head, logits, drawn(head, bent(head, logits)))  # type: ignore[operator]
    fresh = np.linspace(-8, 8, 161, dtype=np.float32)[:, None].repeat(head.width, 1)
    fresh[:, 1:] = 0 if head.exclusive else fresh[:, 1:]
    likely = fitted(head, fresh)
    assert np.isfinite(likely).all()
    assert ((likely >= 0) & (likely <= 1)).all()
    if head.exclusive:
        np.testing.assert_allclose(likely.sum(1), 1, rtol=1e-5)
    else:
        assert (np.diff(likely, axis=0) > 0).all()


@given(
    rows=st.integers(0, 60),
    seed=st.integers(0, 50),
    head=st.sampled_from(HEADS),
    known=st.floats(0, 1),
    yes=st.floats(0, 1),
)
def test_any_few_rows_give_a_calibration(rows: int, seed: int, head: Head, known: float, yes: float) -> None:
    random = np.random.default_rng(seed)
    truth = (random.random((rows, head.width)) < yes).astype(np.float32)
    if head.exclusive:
        truth = np.eye(head.width, dtype=np.float32)[random.integers(0, head.width, rows)]
    target = Target(random.random(rows) < known, truth)
    logits = random.normal(size=(rows, head.width)).astype(np.float32)
    likely = choose(head, logits, target)(head, logits, target)(head, logits)
    assert likely.shape == logits.shape
    assert np.isfinite(likely).all()


def test_out_of_fold_probabilities_are_not_fitted_on_their_own_rows() -> None:
    """The label of a row must not move its own probability."""
    logits = normal(BINARY, 200)
    target = drawn(BINARY, probabilities(BINARY, logits))
    before = out_of_fold(BINARY, logits, target, fit)
    target.truth[17] = 1 - target.truth[17]
    after = out_of_fold(BINARY, logits, target, fit)
    assert after[17] == before[17]
    assert (after != before).any()


def test_json_keeps_the_curve() -> None:
    logits = normal(BINARY, 400)
    fitted = beta(BINARY, logits, drawn(BINARY, bent(BINARY, logits)))
    again = Calibration.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again.method == "beta"
    assert again(BINARY, logits).tobytes() == fitted(BINARY, logits).tobytes()
