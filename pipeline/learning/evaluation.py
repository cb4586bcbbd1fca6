"""How good the predictions of a head are, every figure with a 95% interval by bootstrap over groups.

A resample is a row of weights (how often each group was drawn), so that every metric is computed for all resamples at
once by matrix products. Customers, not texts, are resampled: texts of one customer are no independent evidence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.schema import Head, Schema
from models.targets import Target

Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]
Labels = Mapping[str, Rows]
BINS = 15  # equal mass; as in Guo et al. 2017
MIN_ROWS = 30  # of a slice: on fewer, an accuracy of 0.8 is not even known to within 0.15


@dataclass(frozen=True)
class Figure:
    """A metric on all rows, with the 2.5% and 97.5% points of its bootstrap distribution."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class HeadReport:
    """What was measured of one head: how many rows carried it, and each metric by its name."""

    rows: int
    figures: dict[str, Figure]


@dataclass(frozen=True)
class Slice:
    """The rows that share a value: how many they are, and a report of each head on them."""

    rows: int
    report: dict[str, HeadReport]


def evaluate(
    schema: Schema,
    probabilities: Mapping[str, NDArray[np.float32]],
    targets: Mapping[str, Target],
    groups: NDArray[np.int64],
    *,
    resamples: int,
    seed: int,
    capacity: int,
    labels: Labels | None = None,
) -> dict[str, HeadReport]:
    """Return a report for each head that any row carries.

    Parameters
    ----------
    labels
        The place of the label that each single-label head gives to each row; the likeliest one where they are missing.
    capacity
        Number of calls that ``precision_at_capacity`` looks at: how many of the surest rows really are what they seem.
    """
    reports = {}
    for head in schema:
        rows = np.flatnonzero(targets[head.name].known)
        if len(rows):
            weights = bootstrap_weights(groups[rows], resamples, seed)
            likely = probabilities[head.name][rows].astype(np.float64)
            truth = targets[head.name].truth[rows].astype(np.float64)
            said = labels[head.name][rows] if labels and head.exclusive else None
            drawn = measure(head, likely, truth, weights, capacity, said)
            figures = {name: (error_of if name == "ece" else figure_of)(values) for name, values in drawn.items()}
            reports[head.name] = HeadReport(len(rows), figures)
    return reports


def evaluate_sliced(
    schema: Schema,
    probabilities: Mapping[str, NDArray[np.float32]],
    targets: Mapping[str, Target],
    groups: NDArray[np.int64],
    values: Mapping[str, Sequence[str | None]],
    *,
    resamples: int,
    seed: int,
    capacity: int,
    labels: Labels | None = None,
) -> tuple[dict[str, HeadReport], dict[str, dict[str, Slice]]]:
    """Return the report of all rows; and, under each name in `values`, a slice for every value of `MIN_ROWS` rows.

    A slice reports a head where `MIN_ROWS` of its rows carry it, and not all alike: there would be nothing to tell
    apart. Slices are in the order of their size.
    """

    def report(heads: Schema, rows: NDArray[np.int64]) -> dict[str, HeadReport]:
        likely = {head.name: probabilities[head.name][rows] for head in heads}
        truth = {head.name: targets[head.name].take(rows) for head in heads}
        said = {name: given[rows] for name, given in labels.items()} if labels else None
        return evaluate(
            heads, likely, truth, groups[rows], resamples=resamples, seed=seed, capacity=capacity, labels=said
        )

    def part(rows: NDArray[np.int64]) -> Slice:
        told = Schema(tuple(head for head in schema if _measurable(targets[head.name].take(rows))))
        return Slice(len(rows), report(told, rows))

    return report(schema, np.arange(len(groups))), {
        name: {
            value: part(np.flatnonzero(np.array(of_row, object) == value))
            for value, count in Counter(value for value in of_row if value is not None).most_common()
            if count >= MIN_ROWS
        }
        for name, of_row in values.items()
    }


def frequent(values: Sequence[str | None]) -> tuple[str, ...]:
    """Return the values that `MIN_ROWS` rows have; the most frequent one where none has so many."""
    counts = Counter(value for value in values if value is not None).most_common()
    return tuple(value for place, (value, count) in enumerate(counts) if count >= MIN_ROWS or place == 0)


def _measurable(target: Target) -> bool:
    truth = target.truth[target.known]
    return len(truth) >= MIN_ROWS and bool((truth != truth[0]).any())


def bootstrap_weights(groups: NDArray[np.int64], resamples: int, seed: int) -> Doubles:
    """Return how often each row was drawn, shape (1 + resamples, rows); the first row of ones is the data itself."""
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.vstack([np.ones(len(groups)), drawn[:, group]]).astype(np.float64)


def measure(
    head: Head, likely: Doubles, truth: Doubles, weights: Doubles, capacity: int, said: Rows | None = None
) -> dict[str, Doubles]:
    """Return every metric of `head` for every resample, each of shape (resamples,)."""
    if head.exclusive:
        return _exclusive(head, likely, truth, weights, likely.argmax(1) if said is None else said)
    out: dict[str, Doubles] = {}
    names = head.labels or (head.name,)
    for place, name in enumerate(names):
        prefix = f"{name}." if head.kind == "multilabel" else ""
        for metric, values in _binary(likely[:, place], truth[:, place], weights, capacity).items():
            out[prefix + metric] = values
    if head.kind == "multilabel":
        for metric in ("f1", "brier", "ece", "average_precision"):
            out["macro_f1" if metric == "f1" else metric] = np.mean([out[f"{name}.{metric}"] for name in names], axis=0)
    return out


def _exclusive(head: Head, likely: Doubles, truth: Doubles, weights: Doubles, said: Rows) -> dict[str, Doubles]:
    held = truth.argmax(1)
    confusion = _confusion(held * head.width + said, weights, head.width)
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    precision = _ratio(hits, confusion.sum(1))
    recall = _ratio(hits, confusion.sum(2))
    f1 = _ratio(2 * hits, confusion.sum(1) + confusion.sum(2))
    total = weights.sum(1)
    out = {
        "accuracy": hits.sum(1) / total,
        # A label that no row carries and none is given has no F1 to speak of; scikit-learn would count it as 0.
        "macro_f1": _mean_where(f1, (confusion.sum(1) + confusion.sum(2)) > 0),
        "brier": weights @ ((likely - truth) ** 2).sum(1) / total,
        "ece": calibration_error(likely[np.arange(len(said)), said], (said == held).astype(np.float64), weights),
    }
    if head.kind == "ordinal":
        out |= {"quadratic_kappa": _quadratic_kappa(confusion), "recall_top": recall[:, -1]}
    for place, label in enumerate(head.labels):
        out |= {f"{label}.precision": precision[:, place], f"{label}.recall": recall[:, place]}
        out[f"{label}.f1"] = f1[:, place]
    return out


def _binary(likely: Doubles, truth: Doubles, weights: Doubles, capacity: int) -> dict[str, Doubles]:
    said = (likely >= 0.5).astype(np.float64)
    hits, positives, said_positives = weights @ (said * truth), weights @ truth, weights @ said
    total = weights.sum(1)
    area, precision_mean, at_capacity = ranking_metrics(likely, truth, weights, capacity)
    f1 = _ratio(2 * hits, positives + said_positives)
    negative_f1 = _ratio(2 * (weights @ ((1 - said) * (1 - truth))), (total - positives) + (total - said_positives))
    return {
        "accuracy": weights @ (said == truth).astype(np.float64) / total,
        "macro_f1": (f1 + negative_f1) / 2,
        "precision": _ratio(hits, said_positives),
        "recall": _ratio(hits, positives),
        "f1": f1,
        "brier": weights @ ((likely - truth) ** 2) / total,
        "ece": calibration_error(likely, truth, weights),
        "roc_auc": area,
        "average_precision": precision_mean,
        "precision_at_capacity": at_capacity,
    }


def ranking_metrics(
    likely: Doubles, truth: Doubles, weights: Doubles, capacity: int
) -> tuple[Doubles, Doubles, Doubles]:
    """Return ROC AUC, average precision and precision among the first `capacity` rows, for every resample.

    Equal probabilities are one step of the curve, as in scikit-learn.
    """
    order = np.argsort(-likely, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(likely[order]) != 0, True))
    drawn = weights[:, order]
    hits = np.cumsum(drawn * truth[order], axis=1)
    seen = np.cumsum(drawn, axis=1)
    step_hits, step_seen = hits[:, ends], seen[:, ends]
    positives, total = step_hits[:, -1], step_seen[:, -1]
    gained = np.diff(step_hits, axis=1, prepend=0)
    average = _ratio((gained * _ratio(step_hits, step_seen)).sum(1), positives)
    missed = step_seen - step_hits
    area = (np.diff(missed, axis=1, prepend=0) * (step_hits - gained / 2)).sum(1)
    room = np.minimum(capacity, total)
    first = np.minimum(drawn, np.maximum(room[:, None] - (seen - drawn), 0))
    return _ratio(area, positives * (total - positives)), average, _ratio((first * truth[order]).sum(1), room)


def calibration_error(likely: Doubles, truth: Doubles, weights: Doubles) -> Doubles:
    """Return the expected calibration error over `BINS` bins of equal mass, for every resample."""
    bins = np.array_split(np.argsort(likely, kind="stable"), min(BINS, len(likely)))
    gaps = [np.abs(weights[:, rows] @ (likely[rows] - truth[rows])) for rows in bins]
    return np.asarray(np.sum(gaps, axis=0) / weights.sum(1))


def _confusion(cell: NDArray[np.int64], weights: Doubles, width: int) -> Doubles:
    """Return how often each label (rows) was given each label (columns), for every resample."""
    out = np.zeros((len(weights), width * width))
    for place in np.unique(cell):
        out[:, place] = weights[:, cell == place].sum(1)
    return out.reshape(-1, width, width)


def _quadratic_kappa(confusion: Doubles) -> Doubles:
    """Return Cohen's kappa with quadratic weights (Cohen 1968), for every resample."""
    levels = np.arange(confusion.shape[1])
    distance = (levels[:, None] - levels[None, :]) ** 2
    total = confusion.sum((1, 2), keepdims=True)
    expected = confusion.sum(2)[:, :, None] * confusion.sum(1)[:, None, :] / total
    return 1 - _ratio((distance * confusion).sum((1, 2)), (distance * expected).sum((1, 2)))


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    return np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)


def _mean_where(values: Doubles, kept: NDArray[np.bool_]) -> Doubles:
    return _ratio((values * kept).sum(1), kept.sum(1).astype(np.float64))


def figure_of(values: Doubles) -> Figure:
    """Return the figure of a metric's values: on the rows themselves first, then on every resample."""
    resampled = values[1:] if len(values) > 1 else values
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Figure(float(values[0]), float(low), float(high))


def error_of(values: Doubles) -> Figure:
    """Return the figure of a calibration error, which every resample makes larger than it is.

    Its interval is the basic one (Efron and Tibshirani 1993, 13.4), which takes that off; it is approximate, and
    widened to hold the value.
    """
    plain = figure_of(values)
    low, high = 2 * plain.value - plain.high, 2 * plain.value - plain.low
    return Figure(plain.value, min(max(low, 0.0), plain.value), max(high, plain.value))
