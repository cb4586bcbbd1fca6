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
from .cascade import Cascade
from .encoder import Encoder, Frozen
from .forward import Forward
from .linear import Linear

Progress = Callable[..., None]  # the share done, 0..1; and the loss on held-out rows where it was just measured


class Family(Protocol):
    """What every family can do; all its texts were prepared by `models.text.prepare_all`.

    `report` holds what was found and chosen while fitting, as plain data.
    """

    report: dict[str, Any]

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        targets: Targets,
        schema: Schema,
        settings: Mapping[str, Any],
        seed: int,
        progress: Progress = ...,
        held_out: tuple[Sequence[str], Targets] | None = None,
    ) -> Family:
        """Return a family fitted to the rows that carry each head's label.

        `held_out` rows may decide when to stop, which export to take and what to leave out; nothing is fitted to them
        but a handful of numbers.
        """
        ...  # fmt: skip

    def forward(self, texts: Sequence[str]) -> Forward:
        """Return the logits of `texts`, and how far each could be read."""
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


FAMILIES: dict[str, type[Family]] = {"linear": Linear, "frozen": Frozen, "encoder": Encoder, "cascade": Cascade}
