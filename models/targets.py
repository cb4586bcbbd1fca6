"""Labels as arrays: what each head is to learn, and on which rows it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .schema import Head, Schema

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Target:
    """The labels of one head.

    Attributes
    ----------
    known
        Whether a row carries the head's label, shape (rows,).
    truth
        1 where a label holds, shape (rows, `Head.width`); zeros where unknown.
    weight
        How much a row counts in training, shape (rows,); None: all alike.
    """

    known: NDArray[np.bool_]
    truth: Floats
    weight: Floats | None = None

    def take(self, rows: NDArray[np.int64]) -> Target:
        """Return the labels of some `rows`."""
        return Target(self.known[rows], self.truth[rows], None if self.weight is None else self.weight[rows])


Targets = Mapping[str, Target]


def encode(head: Head, cells: Sequence[Sequence[str] | None]) -> Target:
    """Return the target of `head` for label lists as the readers give them (None: the row carries no label)."""
    position = {"yes": 0} if head.kind == "binary" else {label: i for i, label in enumerate(head.labels)}
    known = np.array([cell is not None and (head.kind == "multilabel" or len(cell) > 0) for cell in cells], bool)
    truth = np.zeros((len(cells), head.width), np.float32)
    for row, cell in enumerate(cells):
        for label in cell or ():
            if label in position:
                truth[row, position[label]] = 1
    return Target(known, truth)


def encode_all(schema: Schema, columns: Mapping[str, Sequence[Sequence[str] | None]]) -> dict[str, Target]:
    """Return the target of every head of `schema`; a head without a column is nowhere known."""
    rows = len(next(iter(columns.values())))
    return {head.name: encode(head, columns.get(head.name) or [None] * rows) for head in schema}


def rows_per_label(schema: Schema, targets: Targets) -> float:
    """Return how many rows a label has on average in the head that has fewest."""
    return min(float(targets[head.name].known.sum() / head.width) for head in schema)


def balance(head: Head, target: Target, power: float) -> Floats:
    """Return the loss weight of every label of every row, shape (rows, width); rare labels weigh more.

    `power` 0 weighs all alike, 1 gives every label the same total weight ("balanced"); what is unknown weighs 0.
    """
    rows = max(int(target.known.sum()), 1)
    held = target.truth[target.known].sum(0)
    if head.exclusive:
        of_label = (rows / (head.width * np.maximum(held, 1))) ** power
        weight = np.repeat(target.truth @ of_label.astype(np.float32)[:, None], head.width, axis=1)
    else:
        yes = (rows / (2 * np.maximum(held, 1))) ** power
        no = (rows / (2 * np.maximum(rows - held, 1))) ** power
        weight = np.where(target.truth > 0, yes, no)
    own = target.known if target.weight is None else target.known * target.weight
    return np.asarray(weight * own[:, None], np.float32)
