"""Two tiers on one scale: each calibrated, then averaged in proportions that held-out rows ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import calibration
from ..calibration import Calibration, of_heads, probabilities
from ..schema import Head, Schema
from ..targets import Target, Targets

Floats = NDArray[np.float32]
PROPORTIONS = np.linspace(0, 1, 11)
PRIOR_ROWS = 50  # a head known on few held-out rows keeps to the even average


@dataclass(frozen=True)
class Stacking:
    """Calibrations of both tiers and, per head, the second tier's share in the average of their logits (0..1)."""

    schema: Schema
    first: Mapping[str, Calibration]
    second: Mapping[str, Calibration]
    share: Mapping[str, float]

    @classmethod
    def second_alone(cls, schema: Schema) -> Stacking:
        """Return the stacking that leaves every head to the second tier."""
        same = {head.name: Calibration.identity(head) for head in schema}
        return cls(schema, same, same, {head.name: 1.0 for head in schema})

    @classmethod
    def fit(cls, schema: Schema, one: Floats, two: Floats, targets: Targets) -> Stacking:
        """Return the stacking likeliest for held-out rows, given both tiers' logits on them."""
        first, second, share = {}, {}, {}
        for head, a, b in zip(schema, of_heads(schema, one), of_heads(schema, two), strict=True):
            target = targets[head.name]
            first[head.name] = calibration.fit(head, a, target)
            second[head.name] = calibration.fit(head, b, target)
            share[head.name] = _best(head, _on(first[head.name], head, a), _on(second[head.name], head, b), target)
        return cls(schema, first, second, share)

    def of_first(self, one: Floats) -> Floats:
        """Return calibrated logits of the first tier, shape (rows, sum of widths)."""
        parts = zip(self.schema, of_heads(self.schema, one), strict=True)
        return np.hstack([_on(self.first[head.name], head, part) for head, part in parts])

    def of_second(self, two: Floats) -> Floats:
        """Return calibrated logits of the second tier, shape (rows, sum of widths)."""
        parts = zip(self.schema, of_heads(self.schema, two), strict=True)
        return np.hstack([_on(self.second[head.name], head, part) for head, part in parts])

    def of_both(self, one: Floats, two: Floats) -> Floats:
        """Return the averaged calibrated logits of both tiers, shape (rows, sum of widths)."""
        parts = []
        for head, a, b in zip(self.schema, of_heads(self.schema, one), of_heads(self.schema, two), strict=True):
            share = np.float32(self.share[head.name])
            second = _on(self.second[head.name], head, b)
            parts.append((1 - share) * _on(self.first[head.name], head, a) + share * second)
        return np.hstack(parts).astype(np.float32)

    @property
    def slope_of_first(self) -> Floats:
        """The slope of the first tier's calibration, shape (sum of widths,)."""
        return np.concatenate([self.first[head.name].slope for head in self.schema])

    def to_json(self) -> dict[str, Any]:
        """Return the stacking as plain numbers."""
        return {
            "first": {name: item.to_json() for name, item in self.first.items()},
            "second": {name: item.to_json() | {"share": self.share[name]} for name, item in self.second.items()},
        }

    @classmethod
    def from_json(cls, schema: Schema, data: Mapping[str, Any]) -> Stacking:
        """Return the stacking that `to_json` wrote."""
        first, second = (
            {name: Calibration.from_json(item) for name, item in data[tier].items()} for tier in ("first", "second")
        )
        return cls(schema, first, second, {name: float(item["share"]) for name, item in data["second"].items()})


def _best(head: Head, a: Floats, b: Floats, target: Target) -> float:
    """Return the second tier's share with the least log loss, drawn to one half where few rows say so."""
    rows = target.known
    if not rows.any():
        return 0.5
    truth = target.truth[rows]
    losses = [
        calibration.surprise(head, probabilities(head, ((1 - p) * a + p * b)[rows].astype(np.float32)), truth)
        for p in PROPORTIONS
    ]
    count = float(rows.sum())
    return float((count * PROPORTIONS[int(np.argmin(losses))] + PRIOR_ROWS * 0.5) / (count + PRIOR_ROWS))


def _on(item: Calibration, head: Head, logits: Floats) -> Floats:
    """Return calibrated logits; of exclusive labels as log-probabilities, so that two tiers' can be averaged."""
    moved = logits * item.slope + item.offset
    if head.exclusive:
        moved = moved - moved.max(1, keepdims=True)
        moved = moved - np.log(np.exp(moved).sum(1, keepdims=True))
    return np.asarray(moved, np.float32)
