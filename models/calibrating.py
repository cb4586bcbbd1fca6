"""Which map makes a head's probabilities honest, and how its labels are given.

The plain map (a temperature, or slopes and offsets) is kept unless a richer one is clearly better on rows that it was
not fitted on: what is richer has more to fit, and what it fits on few rows is chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .calibration import MIN_ROWS, STEADY, Calibration, Curve, fit, log_likely
from .schema import Head
from .targets import Target

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Method = Callable[[Head, Floats, Target], Calibration]
FOLDS = 5
BALANCE = 0.5
KNOTS = 33
PER_LABEL = 35  # rows for each label, below which mixing learns chance: heads of ten labels and more lost by it
MIN_HELD = 25  # rows that hold a label, and rows that do not, below which it gets no curve
MIXING, OFFSET = 30.0, 1.0  # strength of the pull of both towards nothing; chosen on held-out rows of four sets


def choose(
    head: Head, logits: Floats, target: Target, group: NDArray[np.int64] | None = None
) -> tuple[Calibration, Floats]:
    """Return the calibration of `head`, and probabilities of all rows by maps that were not fitted on them.

    A curve has to beat the plain map's log loss over `FOLDS` folds by more than its standard error, mixing by anything:
    of few rows it learns little anyhow, and without it labels weighed up in training stay too likely.
    """
    best: Method = fit
    likely = out_of_fold(head, logits, target, fit, group)
    least = _losses(head, likely, target)
    rich: tuple[Method, ...] = (beta, isotonic)
    if head.exclusive:
        rich = (dirichlet,) if target.known.sum() >= max(PER_LABEL * head.width, MIN_ROWS) else ()
    for method in rich:
        other = out_of_fold(head, logits, target, method, group)
        losses = _losses(head, other, target)
        if len(losses) and _clearly(least - losses, head):
            best, likely, least = method, other, losses
    return best(head, logits, target), likely


def _clearly(gain: Doubles, head: Head) -> bool:
    return bool(gain.mean() > (0.0 if head.exclusive else gain.std() / np.sqrt(len(gain))))


def lifted(calibration: Calibration, head: Head, likely: Floats, balance: float) -> Calibration:
    """Return the calibration of a single-label head with its `lift`: every label's frequency to the power -`balance`.

    With 0 the likeliest label is given, with 1 the one that the text speaks for most whatever is frequent. In between
    lies what is best for the mean F1 of the labels (a plug-in rule, Koyejo et al. 2014). With a plain map nothing is
    raised: its probabilities still are as balanced as the training was.
    """
    if calibration.method != "dirichlet" or not len(likely):
        return calibration
    frequent = np.maximum(likely.mean(0, dtype=np.float64), 1e-4) ** -balance
    return replace(calibration, lift=(frequent / frequent.max()).astype(np.float32))


def out_of_fold(
    head: Head, logits: Floats, target: Target, method: Method, group: NDArray[np.int64] | None = None
) -> Floats:
    """Return calibrated probabilities of rows by maps that were fitted on the other folds, shape (rows, width).

    Rows of one `group`, a customer say, are in one fold.
    """
    _, of_row = np.unique(np.arange(len(logits)) if group is None else group, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(int(of_row.max(initial=-1)) + 1) % FOLDS)[of_row]
    out = np.zeros((len(logits), head.width), np.float32)
    for number in np.unique(fold):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        out[inside] = method(head, logits[outside], target.take(outside))(head, logits[inside])
    return out


def dirichlet(head: Head, logits: Floats, target: Target) -> Calibration:
    """Return a temperature, offsets and a mixing of exclusive labels (Dirichlet calibration, Kull et al. 2019).

    Offsets and mixing are pulled towards nothing (their ODIR). It undoes what weighing rare labels up in training did.
    """
    from scipy.optimize import minimize

    width, rows = head.width, target.known
    given, truth = log_likely(logits[rows]).astype(np.float64), target.truth[rows].astype(np.float64)

    def loss(at: Doubles) -> tuple[float, Doubles]:
        slope, offset, mixing = np.exp(at[0]), at[1 : width + 1], at[width + 1 :].reshape(width, width)
        moved = slope * given + given @ mixing + offset
        log = moved - np.logaddexp.reduce(moved, axis=1, keepdims=True)
        wrong = np.exp(log) * truth.sum(1, keepdims=True) - truth
        pull = at[0] ** 2 + OFFSET * offset @ offset + MIXING * (mixing * mixing).sum()
        by_mixing = given.T @ wrong + MIXING * mixing
        slopes = [(wrong * given).sum() * slope + at[0]], wrong.sum(0) + OFFSET * offset, by_mixing.ravel()
        return float(-(truth * log).sum() + pull / 2), np.concatenate(slopes)

    at = minimize(loss, np.zeros(1 + width + width * width), jac=True, method="L-BFGS-B").x
    return Calibration(
        slope=np.full(width, np.exp(at[0]), np.float32),
        offset=at[1 : width + 1].astype(np.float32),
        mixing=at[width + 1 :].reshape(width, width).astype(np.float32),
        method="dirichlet",
    )


def beta(head: Head, logits: Floats, target: Target) -> Calibration:
    """Return slopes and offsets, and a beta curve after them (Kull, Silva Filho and Flach 2017), one per label."""
    return _curved(head, logits, target, _beta)


def isotonic(head: Head, logits: Floats, target: Target) -> Calibration:
    """Return slopes and offsets, and an isotonic curve after them (Zadrozny and Elkan 2002), one per label."""
    return _curved(head, logits, target, _isotonic)


def _curved(
    head: Head, logits: Floats, target: Target, shape: Callable[[Doubles, Floats, Doubles], Doubles]
) -> Calibration:
    plain = fit(head, logits, target)
    rows = target.known
    odds = np.clip(logits[rows] * plain.slope + plain.offset, -30, 30).astype(np.float64)
    truth = target.truth[rows]
    x = np.zeros((head.width, KNOTS))
    y = np.zeros((head.width, KNOTS))
    for label in range(head.width):
        own, held = odds[:, label], truth[:, label]
        x[label] = np.linspace(own.min(initial=-1), own.max(initial=1) + 1e-3, KNOTS)
        enough = min(held.sum(), len(held) - held.sum()) >= MIN_HELD
        curve = np.maximum.accumulate(shape(own, held, x[label])) if enough else x[label]
        y[label] = (1 - STEADY) * curve
    curves = Curve(x.astype(np.float32), y.astype(np.float32))
    return replace(plain, curve=curves, method=shape.__name__.strip("_"))


def _beta(odds: Doubles, held: Floats, knots: Doubles) -> Doubles:
    """Return ``a log p - b log(1 - p) + c`` at `knots`; neither a nor b below zero."""
    from sklearn.linear_model import LogisticRegression

    def parts(at: Doubles) -> Doubles:
        return np.column_stack([-np.logaddexp(0, -at), np.logaddexp(0, at)])

    kept = [0, 1]
    while True:
        fitted = LogisticRegression(C=1e3, max_iter=1000).fit(parts(odds)[:, kept], held)
        if (fitted.coef_[0] >= 0).all() or len(kept) == 1:
            break
        kept = [kept[int(fitted.coef_[0].argmax())]]
    return np.asarray(parts(knots)[:, kept] @ np.maximum(fitted.coef_[0], 0) + fitted.intercept_[0], np.float64)


def _isotonic(odds: Doubles, held: Floats, knots: Doubles) -> Doubles:
    from sklearn.isotonic import IsotonicRegression

    likely = IsotonicRegression(out_of_bounds="clip").fit(odds, held).predict(knots)
    fewest = 1 / (2 * len(held))  # no rows say "never"
    kept = np.clip(likely, fewest, 1 - fewest)
    return np.asarray(np.log(kept) - np.log1p(-kept), np.float64)


def _losses(head: Head, likely: Floats, target: Target) -> Doubles:
    """Return the log loss of every known row."""
    kept, truth = np.clip(likely[target.known], 1e-6, 1 - 1e-6), target.truth[target.known]
    both = truth * np.log(kept) + (0 if head.exclusive else (1 - truth) * np.log1p(-kept))
    return np.asarray(-both.sum(1), np.float64)
