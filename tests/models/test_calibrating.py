"""The choice of a calibration: a curve where it is needed, and only there; a ranking stays what it was."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.calibrating import Method, beta, choose, dirichlet, isotonic, lifted, out_of_fold
from models.calibration import Calibration, fit, probabilities
from models.schema import Head
from models.targets import Target
from pipeline.learning.evaluation import calibration_error
from tests.models.drawing import labels_drawn

NOMINAL = Head("mood", "nominal", ("bad", "fine", "good"))
BINARY = Head("lost", "binary")
MULTILABEL = Head("said", "multilabel", ("leaves", "sues"))
HEADS = [NOMINAL, BINARY, MULTILABEL]
Floats = NDArray[np.float32]


def normal(head: Head, rows: int = 6_000) -> Floats:
    return np.random.default_rng(1).normal(scale=1.5, size=(rows, head.width)).astype(np.float32)


def bent(head: Head, logits: Floats) -> Floats:
    """Return probabilities that no slope and offset could make of `logits`: sure only on one side."""
    return probabilities(head, np.where(logits > 0, 0.3 * logits, 2.5 * logits).astype(np.float32))


def error(likely: Floats, truth: Floats) -> float:
    flat = likely.ravel().astype(np.float64)
    return float(calibration_error(flat, truth.ravel().astype(np.float64), np.ones((1, flat.size)))[0])


@pytest.mark.parametrize("head", [BINARY, MULTILABEL], ids=lambda head: head.kind)
def test_honest_logits_keep_the_plain_map(head: Head) -> None:
    logits = normal(head, 3_000)
    methods = [
        choose(head, logits, labels_drawn(head, probabilities(head, logits), seed))[0].method for seed in range(5)
    ]
    assert methods.count("platt") >= 4


@pytest.mark.parametrize("head", [BINARY, MULTILABEL], ids=lambda head: head.kind)
def test_a_curve_mends_what_a_slope_cannot(head: Head) -> None:
    logits = normal(head, 12_000)
    target = labels_drawn(head, bent(head, logits))
    learnt, fresh = np.arange(4_000), np.arange(4_000, 12_000)
    chosen, out = choose(head, logits[learnt], target.take(learnt))
    plain = fit(head, logits[learnt], target.take(learnt))
    assert chosen.method in ("beta", "isotonic")
    assert error(out, target.truth[learnt]) < 0.02
    assert error(chosen(head, logits[fresh]), target.truth[fresh]) < 0.02
    assert error(plain(head, logits[fresh]), target.truth[fresh]) > 0.03


def test_mixing_undoes_the_balancing_of_rare_labels() -> None:
    """Logits as of a training that weighed the rare label up, and that mistakes one label for another."""
    honest = normal(NOMINAL, 9_000) + np.array([2.0, 0.0, -1.0], np.float32)
    target = labels_drawn(NOMINAL, probabilities(NOMINAL, honest))
    seen = honest - np.array([2.0, 0.0, -1.0], np.float32)
    seen[:, 1] += 0.4 * seen[:, 0]
    learnt, fresh = np.arange(3_000), np.arange(3_000, 9_000)
    chosen, _ = choose(NOMINAL, seen[learnt], target.take(learnt))
    plain = fit(NOMINAL, seen[learnt], target.take(learnt))
    assert chosen.method == "dirichlet"
    assert error(chosen(NOMINAL, seen[fresh]), target.truth[fresh]) < 0.015
    assert error(plain(NOMINAL, seen[fresh]), target.truth[fresh]) > 0.02


def test_of_few_rows_no_mixing_is_learnt() -> None:
    wide = Head("type", "nominal", tuple("abcdefghijkl"))
    logits = normal(wide, 90)
    target = labels_drawn(wide, probabilities(wide, logits))
    fitted = dirichlet(wide, logits, target)
    assert fitted.mixing is not None
    assert np.abs(fitted.mixing).max() < 0.3


def test_rare_labels_are_raised_when_labels_are_given_and_probabilities_stay() -> None:
    likely = np.array([[0.70, 0.20, 0.10], [0.50, 0.20, 0.30], [0.34, 0.33, 0.33]], np.float32)
    often = np.tile(np.array([[0.8, 0.1, 0.1]], np.float32), (50, 1))
    plain = replace(Calibration.identity(NOMINAL), method="dirichlet")
    given_by = {balance: lifted(plain, NOMINAL, often, balance).label(likely).tolist() for balance in (0.0, 0.5, 1.0)}
    assert given_by == {0.0: [0, 0, 0], 0.5: [0, 2, 1], 1.0: [1, 2, 1]}
    raised = lifted(plain, NOMINAL, often, 0.5)
    assert raised(NOMINAL, likely).tobytes() == plain(NOMINAL, likely).tobytes()
    assert plain.label(likely).tolist() == [0, 0, 0]
    assert lifted(replace(plain, method="temperature"), NOMINAL, often, 0.5).lift is None
    assert lifted(Calibration.identity(BINARY), BINARY, often[:, :1], 0.5).lift is None


@pytest.mark.parametrize("head", [BINARY, MULTILABEL], ids=lambda head: head.kind)
@pytest.mark.parametrize("method", [beta, isotonic], ids=lambda method: method.__name__)
def test_a_curve_keeps_the_order(head: Head, method: Method) -> None:
    logits = normal(head, 800)
    fitted = method(head, logits, labels_drawn(head, bent(head, logits)))
    fresh = np.linspace(-8, 8, 161, dtype=np.float32)[:, None].repeat(head.width, 1)
    likely = fitted(head, fresh)
    assert ((likely > 0) & (likely < 1)).all()
    assert (np.diff(likely, axis=0) > 0).all()


@given(
    rows=st.integers(0, 60), seed=st.integers(0, 50), head=st.sampled_from(HEADS),
    known=st.floats(0, 1), yes=st.floats(0, 1),
)  # fmt: skip
def test_any_few_rows_give_a_calibration(rows: int, seed: int, head: Head, known: float, yes: float) -> None:
    random = np.random.default_rng(seed)
    truth = (random.random((rows, head.width)) < yes).astype(np.float32)
    if head.exclusive:
        truth = np.eye(head.width, dtype=np.float32)[random.integers(0, head.width, rows)]
    target = Target(random.random(rows) < known, truth)
    logits = random.normal(size=(rows, head.width)).astype(np.float32)
    fitted, out = choose(head, logits, target)
    for likely in (fitted(head, logits), out):
        assert likely.shape == logits.shape
        assert np.isfinite(likely).all()


def test_out_of_fold_probabilities_are_not_fitted_on_their_own_rows() -> None:
    """The label of a row must not move its own probability."""
    logits = normal(BINARY, 200)
    target = labels_drawn(BINARY, probabilities(BINARY, logits))
    before = out_of_fold(BINARY, logits, target, fit)
    target.truth[17] = 1 - target.truth[17]
    after = out_of_fold(BINARY, logits, target, fit)
    assert after[17] == before[17]
    assert (after != before).any()


@pytest.mark.parametrize(("head", "method"), [(BINARY, beta), (NOMINAL, dirichlet)])
def test_json_keeps_everything(head: Head, method: Method) -> None:
    logits = normal(head, 400)
    fitted = lifted(
        method(head, logits, labels_drawn(head, bent(head, logits))), head, probabilities(head, logits), 0.5
    )
    again = Calibration.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again.method == fitted.method == method.__name__
    assert again(head, logits).tobytes() == fitted(head, logits).tobytes()
    assert again.label(logits).tolist() == fitted.label(logits).tolist()
