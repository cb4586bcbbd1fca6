"""Two models on the same rows: how much each figure differs, with an interval by the paired bootstrap.

Both are drawn alike in every resample, so that what makes a draw easy for one makes it easy for the other (Efron and
Tibshirani 1993; Berg-Kirkpatrick, Burkett and Klein 2012).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.schema import Schema
from models.scoring import given_labels
from models.targets import Target
from models.triage import TriageModel

from .evaluation import Figure, Labels, bootstrap_weights, figure_of, measure

Rows = NDArray[np.int64]
HEADLINE = {
    "nominal": "macro_f1",
    "ordinal": "macro_f1",
    "binary": "average_precision",
    "multilabel": "average_precision",
}
MEAN = "mean"


@dataclass(frozen=True)
class Said:
    """What a model says of some rows: probabilities of every head, and labels of the single-label ones."""

    probabilities: Mapping[str, NDArray[np.float32]]
    labels: Labels

    @classmethod
    def by(cls, model: TriageModel, texts: list[str]) -> Said:
        """Return what `model` says of `texts`."""
        likely = model.predict(texts).probabilities
        return cls(likely, given_labels(model, likely))

    def take(self, rows: Rows) -> Said:
        """Return what is said of some rows."""
        labels = {name: given[rows] for name, given in self.labels.items()}
        return Said({name: likely[rows] for name, likely in self.probabilities.items()}, labels)


def better(metric: str, gain: Figure) -> Figure:
    """Return how much better a figure is that is so much higher: of an error, less is more."""
    if metric.rpartition(".")[2] not in ("ece", "brier"):
        return gain
    return Figure(-gain.value, -gain.high, -gain.low)


def compare(
    schema: Schema, targets: Mapping[str, Target], groups: Rows, before: Said, after: Said,
    *, resamples: int, seed: int, capacity: int,
) -> dict[str, dict[str, Figure]]:  # fmt: skip
    """Return by head and metric how much higher `after` is than `before`, each with its 95% interval.

    Under `MEAN` is ``headline``: the mean over heads of their headline figures (`HEADLINE`).
    """
    weights = bootstrap_weights(groups, resamples, seed)
    out: dict[str, dict[str, Figure]] = {}
    headlines = []
    for head in schema:
        rows = np.flatnonzero(targets[head.name].known)
        if not len(rows):
            continue
        truth = targets[head.name].truth[rows].astype(np.float64)
        drawn = [
            measure(
                head, said.probabilities[head.name][rows].astype(np.float64), truth, weights[:, rows], capacity,
                said.labels[head.name][rows] if head.exclusive else None,
            )
            for said in (before, after)
        ]  # fmt: skip
        differences = {name: drawn[1][name] - drawn[0][name] for name in drawn[0]}
        out[head.name] = {name: figure_of(values) for name, values in differences.items()}
        headlines.append(differences[HEADLINE[head.kind]])
    if headlines:
        out[MEAN] = {"headline": figure_of(np.mean(headlines, axis=0))}
    return out
