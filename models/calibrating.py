"""Which map makes a head's probabilities honest: temperature or slopes, a beta curve, or an isotonic one.

The plain map is kept unless a curve is clearly better on rows that it was not fitted on: a curve has more to fit, and
what it fits on few rows is chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .calibration import STEADY, Calibration, Curve, fit, log_odds
from .schema import Head
from .targets import Target

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
FOLDS = 5
KNOTS = 33
MIN_HELD = 25  # rows that hold a label, and rows that do not, below which it gets no curve


Method = Callable[[Head, Floats, Target], Calibration]


def choose(head: Head, logits: Floats, target: Target) -> Method:
    """Return the method of calibration that suits the known rows of `head`: `fit`, `beta` or `isotonic`.

    A curve has to beat the plain map's log loss over `FOLDS` folds by more than its standard error.
    """
    known = target.take(np.flatnonzero(target.known))
    logits = logits[target.known]
    best: Method = fit
    least = _losses(head, out_of_fold(head, logits, known, fit), known)
    for method in (beta, isotonic):
        losses = _losses(head, out_of_fold(head, logits, known, method), known)
        gain = least - losses
        if len(gain) and gain.mean() > gain.std() / np.sqrt(len(gain)):
            best, least = method, losses
    return best


def out_of_fold(head: Head, logits: Floats, target: Target, method: Method) -> Floats:
    """Return calibrated probabilities of rows by maps that were fitted on the other folds, shape (rows, width)."""
    fold = np.random.default_rng(0).permutation(len(logits)) % FOLDS
    out = np.zeros((len(logits), head.width), np.float32)
    for number in range(min(FOLDS, len(logits))):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        out[inside] = method(head, logits[outside], target.take(outside))(head, logits[inside])
    return out


def beta(head: Head, logits: Floats, target: Target) -> Calibration:
    """Return the plain map and a beta curve after it (Kull, Silva Filho and Flach 2017), one per label."""
    return _curved(head, logits, target, _beta)


def isotonic(head: Head, logits: Floats, target: Target) -> Calibration:
    """Return the plain map and an isotonic curve after it (Zadrozny and Elkan 2002), one per label."""
    return _curved(head, logits, target, _isotonic)


def _curved(
    head: Head, logits: Floats, target: Target, shape: Callable[[Doubles, Floats, Doubles], Doubles]
) -> Calibration:
    plain = fit(head, logits, target)
    rows = target.known
    odds = log_odds(head, logits[rows] * plain.slope + plain.offset).astype(np.float64)
    truth = target.truth[rows]
    x = np.zeros((head.width, KNOTS))
    y = np.zeros((head.width, KNOTS))
    for label in range(head.width):
        own, held = odds[:, label], truth[:, label]
        x[label] = np.linspace(own.min(initial=-1), own.max(initial=1) + 1e-3, KNOTS)
        enough = min(held.sum(), len(held) - held.sum()) >= MIN_HELD
        curve = np.maximum.accumulate(shape(own, held, x[label])) if enough else x[label]
        y[label] = (1 - STEADY) * curve
    return replace(plain, curve=Curve(x.astype(np.float32), y.astype(np.float32)), method=shape.__name__.strip("_"))


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
    """Return the log loss of every row."""
    kept = np.clip(likely, 1e-6, 1 - 1e-6)
    both = target.truth * np.log(kept) + (0 if head.exclusive else (1 - target.truth) * np.log1p(-kept))
    return np.asarray(-both.sum(1), np.float64)
