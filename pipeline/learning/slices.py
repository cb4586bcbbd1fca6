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
from .evaluation import MIN_ROWS, Figure, bootstrap_weights, figure_of, measure
from .presentable import presentable

Rows = NDArray[np.int64]
COLUMNS = ("lang", "channel", "industry", "source", "length")
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
        How likely a gap as wide is by chance, corrected over all slices and heads by Holm (1979).
    """

    column: str
    value: str
    head: str
    rows: int
    here: Figure
    rest: Figure
    ece: Figure
    p: float

    @property
    def worse(self) -> bool:
        """Whether the head surely is worse here than elsewhere."""
        return self.p < 0.05 and self.here.value < self.rest.value


def slice_figures(
    data: Dataset, test: Rows, said: Said, targets: Mapping[str, Target], groups: Rows, *, resamples: int, seed: int
) -> list[SliceFigure]:
    """Return the figures of every value of `COLUMNS` that `MIN_ROWS` rows of the test side have, the worst first."""
    weights = bootstrap_weights(groups, resamples, seed)
    found = [
        (column, value, head, rows, here, rest, error)
        for column, values in _columns(data, test).items()
        for value, rows in _of_value(values)
        for head, here, rest, error in _pairs(data.schema, rows, said, targets, weights)
    ]
    adjusted = holm([_by_chance(here - rest) for *_, here, rest, _ in found])
    figures = [
        SliceFigure(column, value, head, len(rows), figure_of(here), figure_of(rest), figure_of(error), p)
        for (column, value, head, rows, here, rest, error), p in zip(found, adjusted, strict=True)
    ]
    return sorted(figures, key=lambda one: (one.p, one.here.value - one.rest.value))


def holm(chances: Sequence[float]) -> list[float]:
    """Return p-values corrected for as many looks (Holm 1979), in the order given."""
    out = [1.0] * len(chances)
    highest = 0.0
    for place, number in enumerate(np.argsort(chances, kind="stable").tolist()):
        highest = max(highest, min(1.0, chances[number] * (len(chances) - place)))
        out[number] = highest
    return out


def _columns(data: Dataset, test: Rows) -> dict[str, list[str | None]]:
    texts = data.texts
    lengths: list[str | None] = [
        next(name for least, name in reversed(LENGTHS) if len(texts[row]) >= least) for row in test.tolist()
    ]
    out = {name: [data.columns[name][row] for row in test.tolist()] for name in COLUMNS if name in data.columns}
    out["source"] = [PurePath(value).name if value else None for value in out["source"]]
    out = {name: presentable(values) for name, values in out.items()}
    out["lang"] = detect([texts[row] for row in test.tolist()], out["lang"])
    return out | {"length": lengths}


def _of_value(values: Sequence[str | None]) -> Iterator[tuple[str, Rows]]:
    column = np.array(values, object)
    for value, count in Counter(value for value in values if value is not None).most_common(MOST):
        if MIN_ROWS <= count <= len(values) - MIN_ROWS:
            yield value, np.flatnonzero(column == value)


def _pairs(
    schema: Schema, rows: Rows, said: Said, targets: Mapping[str, Target], weights: NDArray[np.float64]
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Yield by head its headline figure on the rows and on the others, and its calibration error on the rows.

    Each in `FEWER` resamples: many slices are looked at.
    """
    inside = np.zeros(weights.shape[1], bool)
    inside[rows] = True
    for head in schema:
        known = targets[head.name].known
        sides = [np.flatnonzero(known & where) for where in (inside, ~inside)]
        if min(map(len, sides)) < MIN_ROWS:
            continue
        both = []
        for side in sides:
            labels = said.labels[head.name][side] if head.exclusive else None
            likely = said.probabilities[head.name][side].astype(np.float64)
            truth = targets[head.name].truth[side].astype(np.float64)
            both.append(measure(head, likely, truth, weights[: 1 + FEWER, side], 1, labels))
        here, rest = (found[HEADLINE[head.kind]] for found in both)
        yield head.name, here, rest, both[0]["ece"]


def _by_chance(gaps: NDArray[np.float64]) -> float:
    """Return how likely a gap as wide is by chance: two-sided, as many standard errors of the bootstrap as it has."""
    error = float(gaps[1:].std())
    return 1.0 if error == 0 else erfc(abs(float(gaps[0])) / error / sqrt(2))
