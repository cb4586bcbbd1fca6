"""From logits to probabilities that mean what they say, and from those to labels: one small map per head.

It is fitted on rows not trained on (`models.calibrating`). Exclusive labels are scaled by one temperature (Guo et al.
2017), and mixed where that is clearly better; every other label gets a slope and an offset of its own (Platt 1999), and
a curve where that is clearly better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .schema import Head, Schema
from .targets import Target, Targets

Floats = NDArray[np.float32]
MIN_ROWS = 20  # with fewer, a fitted map is worse than none
STEADY = 0.01  # how much of the log-odds is kept beside a curve


@dataclass(frozen=True)
class Curve:
    """A rising broken line per label, from log-odds to log-odds: knots `x` and `y`, each of shape (width, knots).

    A hundredth of the log-odds stays as it was, so that the line rises where it would be flat, and beyond its ends: no
    two texts become equal that were not, and what was ranked stays ranked.
    """

    x: Floats
    y: Floats

    def __call__(self, odds: Floats) -> Floats:
        """Return the log-odds that the curve makes of `odds`, shape (rows, width)."""
        columns = [np.interp(odds[:, i], x, y) for i, (x, y) in enumerate(zip(self.x, self.y, strict=True))]
        return np.asarray(np.column_stack(columns) + STEADY * odds, np.float32)


@dataclass(frozen=True)
class Calibration:
    """The map of one head.

    Attributes
    ----------
    slope, offset
        ``slope * logits + offset``, each of shape (width,).
    curve
        What follows for labels that do not exclude each other.
    mixing
        Of exclusive labels, what their log-probabilities add to each other's, shape (width, width).
    lift
        By how much each exclusive label's probability is raised before the highest gives the text its label, shape
        (width,): rare labels would else hardly ever be given. The probabilities themselves stay honest.
    method
        The name of what fitted it.
    """

    slope: Floats
    offset: Floats
    curve: Curve | None = None
    mixing: Floats | None = None
    lift: Floats | None = None
    method: str = "identity"

    @classmethod
    def identity(cls, head: Head) -> Calibration:
        """Return the map that changes nothing."""
        return cls(np.ones(head.width, np.float32), np.zeros(head.width, np.float32))

    def __call__(self, head: Head, logits: Floats) -> Floats:
        """Return calibrated probabilities, shape (rows, width); they sum to one where labels are exclusive."""
        moved = logits * self.slope + self.offset
        if self.mixing is not None:
            moved = moved + log_likely(logits) @ self.mixing
        return probabilities(head, moved if self.curve is None else self.curve(np.clip(moved, -30, 30)))

    def label(self, likely: Floats) -> NDArray[np.int64]:
        """Return the place of the label that each row of exclusive probabilities is given, shape (rows,)."""
        return np.asarray((likely if self.lift is None else likely * self.lift).argmax(1))

    def to_json(self) -> dict[str, Any]:
        """Return the map as plain numbers."""
        out: dict[str, Any] = {"slope": self.slope.tolist(), "offset": self.offset.tolist(), "method": self.method}
        parts = {"mixing": self.mixing, "lift": self.lift}
        out |= {name: part.tolist() for name, part in parts.items() if part is not None}
        return out | ({} if self.curve is None else {"curve": [self.curve.x.tolist(), self.curve.y.tolist()]})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """Return the map that `to_json` wrote; artefacts of before lack all but slope and offset."""
        slope, offset = (np.array(data[name], np.float32) for name in ("slope", "offset"))
        mixing, lift = (np.array(data[name], np.float32) if name in data else None for name in ("mixing", "lift"))
        curve = Curve(*(np.array(knots, np.float32) for knots in data["curve"])) if "curve" in data else None
        return cls(slope, offset, curve, mixing, lift, str(data.get("method", "unknown")))


def log_likely(logits: Floats) -> Floats:
    """Return the log-probabilities of exclusive labels, shape (rows, width), none below -14."""
    moved = logits - logits.max(1, keepdims=True)
    return np.asarray(np.maximum(moved - np.log(np.exp(moved).sum(1, keepdims=True)), -14), np.float32)


def probabilities(head: Head, logits: Floats) -> Floats:
    """Return softmax where labels are exclusive, else the logistic function of every logit."""
    if head.exclusive:
        shifted = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(shifted / shifted.sum(1, keepdims=True), np.float32)
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)


def of_heads(schema: Schema, logits: Floats) -> list[Floats]:
    """Return the logits of each head, out of those of all heads side by side."""
    return np.split(logits, np.cumsum([head.width for head in schema])[:-1], axis=1)


def fit(head: Head, logits: Floats, target: Target) -> Calibration:
    """Return the temperature, or slopes and offsets, of `head` that are likeliest for the known rows.

    The identity where those are too few.
    """
    rows = target.known
    if rows.sum() < MIN_ROWS:
        return Calibration.identity(head)
    return (_temperature if head.exclusive else _platt)(head, logits[rows], target.truth[rows])


def _temperature(head: Head, logits: Floats, truth: Floats) -> Calibration:
    from scipy.optimize import minimize_scalar

    def loss(log_slope: float) -> float:
        likely = probabilities(head, (logits * np.exp(log_slope)).astype(np.float32))
        return float(-np.log(np.maximum((likely * truth).sum(1), 1e-12)).mean())

    best = float(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x)
    return Calibration(
        np.full(head.width, np.exp(best), np.float32), np.zeros(head.width, np.float32), method="temperature"
    )


def _platt(head: Head, logits: Floats, truth: Floats) -> Calibration:
    from sklearn.linear_model import LogisticRegression

    slope, offset = np.ones(head.width, np.float32), np.zeros(head.width, np.float32)
    for label in range(head.width):
        held = truth[:, label]
        if 0 < held.sum() < len(held):
            fitted = LogisticRegression(C=100).fit(logits[:, [label]], held)
            slope[label], offset[label] = max(float(fitted.coef_[0, 0]), 0.05), float(fitted.intercept_[0])
    return Calibration(slope, offset, method="platt")


def log_loss(schema: Schema, logits: Floats, targets: Targets) -> float:
    """Return the mean over heads of the log loss after calibration on the same rows, each in units of its entropy.

    Calibrated first, because training past the best ranking of labels mostly makes a model too sure, which is mended.
    """
    losses = []
    for head, part in zip(schema, of_heads(schema, logits), strict=True):
        target = targets[head.name]
        if not target.known.any():
            continue
        truth = target.truth[target.known]
        likely = fit(head, part, target)(head, part[target.known])
        losses.append(surprise(head, likely, truth) / max(surprise(head, truth.mean(0, keepdims=True), truth), 1e-3))
    return float(np.mean(losses)) if losses else 0.0


def surprise(head: Head, likely: Floats, truth: Floats) -> float:
    """Return the mean log loss of probabilities, summed over labels that do not exclude each other."""
    likely = np.clip(likely, 1e-6, 1 - 1e-6)
    both = truth * np.log(likely) + (0 if head.exclusive else (1 - truth) * np.log(1 - likely))
    return float(-both.sum(1).mean())
