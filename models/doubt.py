"""Honest doubt: which labels a text may carry, and whether it is like the texts that were learnt from.

Prediction sets are split conformal with the score "least ambiguous set" (Sadinle, Lei and Wasserman 2019): a set holds
the true label of as many new texts as `coverage` says, whatever the model, as long as they are like the held-out ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .schema import Head, Schema
from .targets import Target

Floats = NDArray[np.float32]
COVERAGE = 0.9
UNFAMILIAR = 0.005  # share of held-out texts that count as unlike the training texts
MOST_FAMILIAR = 0.5  # a text of which half of the words are known is never unlike them


@dataclass(frozen=True)
class Doubt:
    """What held-out rows tell of the model's doubt.

    Attributes
    ----------
    least
        By single-label head: a label whose probability reaches this is in the text's set. Heads with too few held-out
        rows to tell are missing.
    familiar
        A text with a smaller share of known words is unlike those that were learnt from.
    """

    least: Mapping[str, float] = field(default_factory=dict)
    familiar: float = 0.0

    @classmethod
    def fit(
        cls, schema: Schema, likely: Mapping[str, Floats], targets: Mapping[str, Target], familiar: Floats
    ) -> Doubt:
        """Return the doubt for probabilities of held-out rows by maps that were not fitted on them."""
        least = {
            head.name: found
            for head in schema
            if head.exclusive and (found := least_probability(likely[head.name], targets[head.name])) is not None
        }
        seldom = float(np.quantile(familiar, UNFAMILIAR)) if len(familiar) else 0.0
        return cls(least, min(seldom, MOST_FAMILIAR))

    def sets(self, head: Head, likely: Floats) -> NDArray[np.bool_]:
        """Return which labels each text may carry, shape (texts, width)."""
        return likely >= self.least[head.name]

    def unsure(self, schema: Schema, likely: Mapping[str, Floats], widest: float) -> NDArray[np.bool_]:
        """Return which texts every single-label head is in doubt about, shape (texts,).

        A head is where its set is empty, or holds a larger share of its labels than `widest`; with `widest` 1 none is.
        """
        told = [head for head in schema if head.name in self.least]
        if not told or widest >= 1:
            return np.zeros(len(next(iter(likely.values()))), bool)
        sizes = [(self.sets(head, likely[head.name]).sum(1), head.width) for head in told]
        return np.asarray(np.all([(size == 0) | (size > widest * width) for size, width in sizes], axis=0), np.bool_)

    def to_json(self) -> dict[str, Any]:
        """Return the doubt as plain data."""
        return {"coverage": COVERAGE, "least": dict(self.least), "familiar": self.familiar}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Doubt:
        """Return what `to_json` wrote."""
        return cls(data["least"], float(data["familiar"]))


def least_probability(likely: Floats, target: Target, coverage: float = COVERAGE) -> float | None:
    """Return the probability from which on a label is in the set; None where the rows are too few for the coverage.

    The sets of new texts hold their true label with a probability of `coverage` at least, and of at most 1/(rows + 1)
    more where no two probabilities are equal.
    """
    given = np.sort((likely[target.known] * target.truth[target.known]).sum(1))
    outside = int(np.floor((len(given) + 1) * (1 - coverage) + 1e-9))  # how many may be left out
    return float(given[outside - 1]) if outside else None
