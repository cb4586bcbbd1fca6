"""Which rows of a cascade go on to the second tier: the least certain ones, and those that may make the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calibration import of_heads, probabilities
from ..ranking import Facts, Ranking, rank
from ..schema import DERIVABLE, Head, Schema

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
GRID = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Routing:
    """The rule, which looks at one row's first-tier logits alone.

    Attributes
    ----------
    doubts
        Per head, the doubt at each percentile of held-out rows: what a head finds doubtful is relative to its rows.
    threshold
        Rows whose percentile of doubt in any head reaches it go on; above 1 none does.
    from_priority
        Rows whose priority, as the first tier sees it, reaches this go on, whatever the doubt.
    share
        Share of the held-out rows that went on.
    """

    schema: Schema
    doubts: Mapping[str, list[float]]
    threshold: float
    from_priority: float
    rank: Mapping[str, Any] | None
    share: float

    @classmethod
    def everything(cls, schema: Schema) -> Routing:
        """Return the rule by which every row goes on."""
        return cls(schema, {head.name: [0.0] * len(GRID) for head in schema}, -1.0, np.inf, None, 1.0)

    def __call__(self, logits: Floats) -> NDArray[np.bool_]:
        """Return which rows go on, for calibrated first-tier logits."""
        likely = likelihoods(self.schema, logits)
        doubt = percentile_of_doubt(self.schema, likely, self.doubts)
        return np.asarray((doubt >= self.threshold) | (priority(self.schema, likely, self.rank) >= self.from_priority))

    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain data."""
        return {
            "doubts": {name: list(values) for name, values in self.doubts.items()},
            "threshold": self.threshold,
            "from_priority": self.from_priority if np.isfinite(self.from_priority) else None,
            "rank": self.rank,
            "share": self.share,
        }

    @classmethod
    def from_json(cls, schema: Schema, data: Mapping[str, Any]) -> Routing:
        """Return the rule that `to_json` wrote."""
        from_priority = np.inf if data["from_priority"] is None else data["from_priority"]
        return cls(schema, data["doubts"], data["threshold"], from_priority, data["rank"], data["share"])


def priority(schema: Schema, likely: Mapping[str, Floats], settings: Mapping[str, Any] | None) -> Doubles:
    """Return the priority of each row by its text alone; 0 where no weights are given."""
    rows = len(next(iter(likely.values())))
    if settings is None:
        return np.zeros(rows)
    unknown = np.full(rows, np.nan)
    facts = Facts(dict.fromkeys(DERIVABLE, unknown), unknown, unknown, unknown, np.zeros(rows))
    return rank(schema, likely, facts, Ranking.from_settings(settings)).priority


def likelihoods(schema: Schema, logits: Floats) -> dict[str, Floats]:
    """Return the probabilities of every head for calibrated logits."""
    parts = of_heads(schema, logits)
    return {head.name: probabilities(head, part) for head, part in zip(schema, parts, strict=True)}


def doubt_of(head: Head, likely: Floats) -> Floats:
    """Return how near each row is to another answer: 0 sure, 1 a draw."""
    if head.exclusive:
        two = np.partition(likely, -2, axis=1)[:, -2:]
        return np.asarray(1 - (two[:, 1] - two[:, 0]), np.float32)
    return np.asarray(1 - np.abs(2 * likely - 1).min(1), np.float32)


def percentile_of_doubt(schema: Schema, likely: Mapping[str, Floats], doubts: Mapping[str, list[float]]) -> Doubles:
    """Return the percentile of each row's doubt in the head that doubts most, 0..1."""
    ranks = [np.interp(doubt_of(head, likely[head.name]), doubts[head.name], GRID) for head in schema]
    return np.asarray(np.max(ranks, axis=0))
