"""The model families: what turns prepared texts into the logits of every head. Add one: a class, an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..attribution import Attribution
from ..schema import Schema
from ..targets import Targets
from .linear import Linear

Progress = Callable[[float], None]


class Family(Protocol):
    """What every family can do; texts are raw, each family prepares them by `models.text` alone."""

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        targets: Targets,
        schema: Schema,
        settings: Mapping[str, Any],
        seed: int,
        progress: Progress = ...,
    ) -> Family:
        """Return a family fitted to the rows that carry each head's label."""
        ...  # fmt: skip

    def forward(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the logits of all heads side by side, shape (texts, sum of widths), and which texts are wordless.

        A wordless text holds no word that the family has learnt from: there is nothing to predict from.
        """
        ...

    def attribute(self, texts: Sequence[str], directions: NDArray[np.float32]) -> Attribution:
        """Return what each word of `texts` adds along every row of `directions` (in logits)."""
        ...

    def save(self, folder: Path) -> None:
        """Write the family into `folder`, as data."""
        ...

    @classmethod
    def load(cls, folder: Path, schema: Schema) -> Family:
        """Return the family that `save` wrote."""
        ...


FAMILIES: dict[str, type[Family]] = {"linear": Linear}
