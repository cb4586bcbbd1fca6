"""The few measures by which a family judges itself on held-out rows; reports are made by the pipeline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .calibration import of_heads
from .schema import Head, Schema
from .targets import Targets

Floats = NDArray[np.float32]


def macro_f1(head: Head, logits: Floats, truth: Floats, known: NDArray[np.bool_]) -> float:
    """Return the mean F1 over the labels that stand on any known row or are given to one.

    The likeliest label is given where labels are exclusive, else every label whose logit is above zero.
    """
    held = truth[known] > 0
    given = np.zeros_like(held)
    if head.exclusive:
        given[np.arange(len(held)), logits[known].argmax(1)] = True
    else:
        given = logits[known] >= 0
    if head.kind == "binary":
        held, given = np.hstack([held, ~held]), np.hstack([given, ~given])
    both, either = (held & given).sum(0), held.sum(0) + given.sum(0)
    there = either > 0
    return float((2 * both[there] / either[there]).mean()) if there.any() else 1.0


def macro_f1_of_heads(schema: Schema, logits: Floats, targets: Targets) -> dict[str, float]:
    """Return the macro-F1 of every head that any row carries."""
    return {
        head.name: macro_f1(head, part, targets[head.name].truth, targets[head.name].known)
        for head, part in zip(schema, of_heads(schema, logits), strict=True)
        if targets[head.name].known.any()
    }


def average_precision(likely: Floats, held: NDArray[np.bool_]) -> float:
    """Return the mean precision over the ranks of the rows that hold, surest first; 1 where none does."""
    order = np.argsort(-likely, kind="stable")
    hits = held[order]
    if not hits.any():
        return 1.0
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def precision_among(likely: Floats, held: NDArray[np.bool_], first: int) -> float:
    """Return the share of the `first` surest rows that hold."""
    order = np.argsort(-likely, kind="stable")[: max(first, 1)]
    return float(held[order].mean()) if len(order) else 1.0
