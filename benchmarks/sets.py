"""The sets of the comparison, each as texts and labels of its own train and test sides.

The public sets lie beside the checkout (../shared/data) and are not part of the project.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.config import Config, load
from pipeline.learning.dataset import Dataset, load_dataset
from pipeline.learning.splits import Splits, split

METRICS = {"nominal": ("macro_f1", "accuracy"), "ordinal": ("macro_f1", "recall_top"), "binary": ("roc_auc",
           "average_precision"), "multilabel": ("average_precision",)}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A data set, its sides, and the settings of ours."""

    config: Config
    data: Dataset
    sides: Splits

    @property
    def learnt(self) -> np.ndarray:
        """Rows that a peer may learn from: our train and calibration sides together."""
        return np.concatenate([self.sides.train, self.sides.calibration])

    @property
    def test_texts(self) -> list[str]:
        texts = self.data.texts
        return [texts[row] for row in self.sides.test.tolist()]


def public(name: str, *overrides: str) -> Callable[[int], Task]:
    """Return what makes the task of a set with a configuration of its own."""

    def task(seed: int) -> Task:
        config = load(f"configs/{name}.yaml", [*overrides, f"seed={seed}"])
        data = load_dataset(config)
        return Task(config, data, split(data, config.data.split))

    return task


def industries(fold: int) -> Callable[[int], Task]:
    """Return what makes one of five folds of the starter corpus, each leaving whole industries out."""

    def task(seed: int) -> Task:
        config = load("configs/default.yaml", [f"seed={seed}"])
        data = load_dataset(config)
        names = sorted({(name or "").strip().lower() for name in data.columns["industry"]})
        place = {name: number % 5 for number, name in enumerate(names)}
        out = np.array([place[(name or "").strip().lower()] == fold for name in data.columns["industry"]])
        group = split(data, config.data.split).group
        out |= np.isin(group, group[out])  # near duplicates of a text left out are left out with it
        held_out = ~out & (group * 40_503 % 997 % 10 == 0)
        rows = np.arange(len(data))
        sides = Splits(rows[~out & ~held_out], rows[held_out], rows[out], group, {})
        return Task(config, data, sides)

    return task


SETS: dict[str, Callable[[int], Task]] = {
    "airline": public("airline"),
    "banking77": public("banking77"),
    "nhs_fft": public("nhs_fft"),
    "womens_clothing": public("womens_clothing"),
    **{f"starter_{fold}": industries(fold) for fold in range(5)},
}
