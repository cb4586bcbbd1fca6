"""Readouts fitted to fixed vectors: one logistic regression per head, on just the rows that carry its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...schema import Head, Schema
from ...targets import Target, Targets, balance
from .readout import Readout

Floats = NDArray[np.float32]
STRENGTH = 10.0  # inverse strength of the L2 penalty on vectors of length 1


def fit_readout(vectors: Floats, targets: Targets, schema: Schema, tuning: Mapping[str, Any]) -> Readout:
    """Return the readouts that fit `vectors`, shape (rows, size), by the class weights of `tuning`."""
    scale = float(np.linalg.norm(vectors, axis=1).mean()) or 1.0
    weights, biases = [], []
    for head in schema:
        target = targets[head.name]
        weight, bias = _fit(
            head, vectors[target.known] / scale, target.take(np.flatnonzero(target.known)), class_weight(head, tuning)
        )
        weights.append(weight / scale)
        biases.append(bias)
    return Readout(schema, np.vstack(weights).astype(np.float32), np.concatenate(biases).astype(np.float32))


def class_weight(head: Head, tuning: Mapping[str, Any]) -> float:
    """Return how far the labels of `head` are balanced: as it asks for itself, else as all heads are."""
    own = tuning["heads"].get(head.name, {}).get("class_weight")
    return float(tuning["class_weight"] if own is None else own)


def _fit(head: Head, vectors: Floats, target: Target, power: float) -> tuple[Floats, Floats]:
    weight = balance(head, target, power)
    if head.kind == "nominal":
        return _nominal(vectors, target.truth, weight[:, 0])
    if head.kind == "ordinal":
        return _ordinal(vectors, target.truth.argmax(1), weight[:, 0], head.width)
    columns = [_yes_or_no(vectors, target.truth[:, i] > 0, weight[:, i]) for i in range(head.width)]
    return np.vstack([weight for weight, _ in columns]), np.array([bias for _, bias in columns], np.float32)


def _nominal(vectors: Floats, truth: Floats, weight: Floats) -> tuple[Floats, Floats]:
    labels = truth.argmax(1)
    fitted = _regression().fit(vectors, labels, weight)
    width = truth.shape[1]
    if width == 2:  # scikit-learn has one row of coefficients for two labels
        pairs = np.vstack([-fitted.coef_ / 2, fitted.coef_ / 2]), np.array([-0.5, 0.5]) * fitted.intercept_[0]
        return np.asarray(pairs[0], np.float32), np.asarray(pairs[1], np.float32)
    return np.asarray(fitted.coef_, np.float32), np.asarray(fitted.intercept_, np.float32)


def _ordinal(vectors: Floats, level: NDArray[np.int64], weight: Floats, width: int) -> tuple[Floats, Floats]:
    """Return a readout per step: beyond this label, among the rows that reach it."""
    steps = []
    for step in range(width - 1):
        reached = level >= step
        steps.append(_yes_or_no(vectors[reached], level[reached] > step, weight[reached]))
    return np.vstack([weight for weight, _ in steps]), np.array([bias for _, bias in steps], np.float32)


def _yes_or_no(vectors: Floats, holds: NDArray[np.bool_], weight: Floats) -> tuple[Floats, float]:
    if not 0 < holds.sum() < len(holds):
        return np.zeros((1, vectors.shape[1]), np.float32), 4.0 if holds.any() else -4.0
    fitted = _regression().fit(vectors, holds, weight)
    return np.asarray(fitted.coef_, np.float32), float(fitted.intercept_[0])


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=STRENGTH, max_iter=300)
