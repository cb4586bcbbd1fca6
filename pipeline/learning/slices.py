"""Where a model is worse than elsewhere: slices of the test side against the rest of it, corrected for many looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from models.languages import detect
from models.schema import Schema
from models.targets import Target

from .comparison import HEADLINE, Said
from .dataset import Dataset
from .evaluation import MIN_ROWS, Figure, bootstrap_weights, error_of, figure_of, measure
from .presentable import presentable

Rows = NDArray[np.int64]
Doubles = NDArray[np.float64]
FEWER = 100
MOST = 20  # values of a column that are looked at, the most frequent first
LENGTHS = ((0, "under 60 characters"), (60, "60 to 300 characters"), (300, "over 300 characters"))


@dataclass(frozen=True)
class SliceFigure:
    """The headline figure of a head on a slice, and on the rest.

    Attributes
    ----------
    ece
        The expected calibration error on the slice.
    p
        How likely a gap as wide is by chance, corrected over all slices and heads by Holm (1979). The gap is that in
        the mean error of a row (a wrong label, or the squared error of yes and no), which unlike macro-F1 does not
        depend on how many rows a slice has.
    """

    column: str
    value: str
    head: str
    rows: int
    here: Figure
    rest: Figure
    ece: Figure
    p: float
    gap: float

    @property
    def worse(self) -> bool:
        """Whether the head surely errs more here than elsewhere."""
        return self.p < 0.05 and self.gap > 0


def slice_figures(
    data: Dataset, test: Rows, said: Said, targets: Mapping[str, Target], groups: Rows, columns: Sequence[str],
    *, resamples: int, seed: int,
) -> list[SliceFigure]:  # fmt: skip
    """Return the figures of every value of `columns` that `MIN_ROWS` rows of the test side have, the worst first."""
    weights = bootstrap_weights(groups, resamples, seed)
    found = [
        (column, value, head, rows, here, rest, error, gap)
        for column, values in _columns(data, test, columns).items()
        for value, rows in _of_value(values)
        for head, here, rest, error, gap in _pairs(data.schema, rows, said, targets, weights)
    ]
    adjusted = holm([_by_chance(gap) for *_, gap in found])
    figures = [
        SliceFigure(column, value, head, len(rows), figure_of(here), figure_of(rest), error_of(error), p, float(gap[0]))
        for (column, value, head, rows, here, rest, error, gap), p in zip(found, adjusted, strict=True)
    ]
    return sorted(figures, key=lambda one: (one.p, -one.gap))


def holm(chances: Sequence[float]) -> list[float]:
    """Return p-values corrected for as many looks (Holm 1979), in the order given."""
    out = [1.0] * len(chances)
    highest = 0.0
    for place, number in enumerate(np.argsort(chances, kind="stable").tolist()):
        highest = max(highest, min(1.0, chances[number] * (len(chances) - place)))
        out[number] = highest
    return out


def _columns(data: Dataset, test: Rows, columns: Sequence[str]) -> dict[str, list[str | None]]:
    texts = [data.texts[row] for row in test.tolist()]
    out: dict[str, list[str | None]] = {}
    for name in columns:
        values = [data.columns[name][row] for row in test.tolist()] if name in data.columns else [None] * len(test)
        if name == "length":
            out[name] = [next(said for least, said in reversed(LENGTHS) if len(text) >= least) for text in texts]
        elif name == "customer_value":
            out[name] = _fifths(values)
        elif name == "lang":
            out[name] = detect(texts, presentable(values))
        else:
            out[name] = presentable([PurePath(value).name if value and name == "source" else value for value in values])
    return out


def _fifths(values: Sequence[str | None]) -> list[str | None]:
    """Return in which fifth of the known values each lies."""
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    known = ~np.isnan(numbers)
    edges = np.quantile(numbers[known], [0.2, 0.4, 0.6, 0.8]) if known.any() else np.zeros(4)
    names = ("lowest fifth", "second fifth", "middle fifth", "fourth fifth", "highest fifth")
    return [
        names[int(np.searchsorted(edges, value, "right"))] if there else None
        for value, there in zip(numbers, known, strict=True)
    ]


def _of_value(values: Sequence[str | None]) -> Iterator[tuple[str, Rows]]:
    column = np.array(values, object)
    for value, count in Counter(value for value in values if value is not None).most_common(MOST):
        if MIN_ROWS <= count <= len(values) - MIN_ROWS:
            yield value, np.flatnonzero(column == value)


def _pairs(
    schema: Schema, rows: Rows, said: Said, targets: Mapping[str, Target], weights: Doubles
) -> Iterator[tuple[str, Doubles, Doubles, Doubles, Doubles]]:
    """Yield by head its headline figure on the rows and on the others, its calibration error, and the gap in errors.

    Each in `FEWER` resamples: many slices are looked at.
    """
    inside = np.zeros(weights.shape[1], bool)
    inside[rows] = True
    for head in schema:
        known = targets[head.name].known
        sides = [np.flatnonzero(known & where) for where in (inside, ~inside)]
        if min(map(len, sides)) < MIN_ROWS:
            continue
        both, errors = [], []
        for side in sides:
            labels = said.labels[head.name][side] if head.exclusive else None
            likely = said.probabilities[head.name][side].astype(np.float64)
            truth = targets[head.name].truth[side].astype(np.float64)
            both.append(measure(head, likely, truth, weights[: 1 + FEWER, side], 1, labels))
            wrong = ((likely - truth) ** 2).mean(1) if labels is None else (labels != truth.argmax(1)).astype(float)
            drawn = weights[: 1 + FEWER, side]
            errors.append(drawn @ wrong / np.maximum(drawn.sum(1), 1))
        here, rest = (found[HEADLINE[head.kind]] for found in both)
        yield head.name, here, rest, both[0]["ece"], errors[0] - errors[1]


def _by_chance(gaps: Doubles) -> float:
    """Return how likely a gap as wide is by chance: two-sided, as many standard errors of the bootstrap as it has."""
    error = float(gaps[1:].std())
    return 1.0 if error == 0 else erfc(abs(float(gaps[0])) / error / sqrt(2))
