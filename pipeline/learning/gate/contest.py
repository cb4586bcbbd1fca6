"""Candidate and champion on the same frozen test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.languages import detect
from models.schema import Schema
from models.targets import Target
from models.triage import TriageModel
from pipeline.config import Config

from ..behaviour import Outcome, behave
from ..comparison import Said, compare
from ..dataset import Dataset
from ..evaluation import Figure
from ..presentable import presentable
from ..splits import Splits, fingerprints

Rows = NDArray[np.int64]
LEAST = 50  # rows that carry a head, below which one label that flips is too much
SLICE_ROWS = 100  # of the test side: on fewer, the bounds are so wide that every retraining would be refused


@dataclass
class Contest:
    """What the gate looks at.

    Attributes
    ----------
    candidate
        The new model as it comes back from the registry, which is what would serve.
    fitted
        What the model said of the test side in memory, when it was evaluated.
    champion
        The model in service; None where there is none.
    signed
        Whether the registered artefact has a signature.
    sizes
        Bytes of the candidate's files and of the champion's.
    """

    config: Config
    data: Dataset
    splits: Splits
    candidate: TriageModel
    fitted: Said
    champion: TriageModel | None
    signed: bool
    sizes: tuple[int, int]

    @cached_property
    def tested(self) -> Rows:
        """The fingerprints of the texts of the test side."""
        return fingerprints(self.data.take(self.splits.test)[0])

    @cached_property
    def places(self) -> Rows:
        """Which rows of the test side the champion has not learnt from; the split may have changed since."""
        known = getattr(self.champion, "learnt", np.zeros(0, np.int64))
        return np.flatnonzero(~np.isin(self.tested, known))

    @property
    def rows(self) -> Rows:
        """The rows of the data set that both models are judged on."""
        return self.splits.test[self.places]

    @cached_property
    def texts(self) -> list[str]:
        """The texts that both are judged on."""
        return self.data.take(self.rows)[0]

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        """The labels of those texts."""
        return self.data.take(self.rows)[1]

    @property
    def evaluated(self) -> Said:
        """What the model said of those texts in memory."""
        return self.fitted.take(self.places)

    @cached_property
    def new(self) -> Said:
        """What the candidate says of the texts."""
        return Said.by(self.candidate, self.texts)

    @cached_property
    def old(self) -> Said:
        """What the champion says of the texts."""
        if self.champion is None:
            raise ValueError("there is no champion to compare with")
        return Said.by(self.champion, self.texts)

    @cached_property
    def gains(self) -> dict[str, dict[str, Figure]]:
        """How much higher every figure of the candidate is, by head and metric."""
        return self.gains_on(np.arange(len(self.texts)))

    @cached_property
    def thin_gains(self) -> dict[str, dict[str, Figure]]:
        """The same of the heads that fewer than `LEAST` rows carry: too few for an interval, not for a look."""
        return self._gains(np.arange(len(self.texts)), 1, LEAST)

    def gains_on(self, rows: Rows) -> dict[str, dict[str, Figure]]:
        """Return the same on some rows of the test side, of the heads that `LEAST` of them carry."""
        return self._gains(rows, LEAST)

    def _gains(self, rows: Rows, least: int, below: float = np.inf) -> dict[str, dict[str, Figure]]:
        targets = {name: target.take(rows) for name, target in self.targets.items()}
        told = Schema(tuple(head for head in self.shared if least <= targets[head.name].known.sum() < below))
        return compare(
            told, targets,
            self.splits.group[self.rows][rows], self.old.take(rows), self.new.take(rows),
            resamples=self.config.evaluation.bootstrap, seed=self.config.seed, capacity=self.config.rank.capacity,
        )  # fmt: skip

    @property
    def shared(self) -> Schema:
        """The heads that both models have; a new one has nothing to be compared with."""
        known = set(self.champion.schema.names) if self.champion else set()
        return Schema(tuple(head for head in self.data.schema if head.name in known))

    def slices(self) -> dict[str, Rows]:
        """Return the rows of every value of a protected column that enough rows of the test side have."""
        out = {}
        for column in self.config.gate.protected:
            values = [self.data.columns[column][row] for row in self.rows]
            values = presentable(detect(self.texts, values) if column == "lang" else values)
            shown = np.array(values, object)
            for value in sorted({value for value in values if value is not None}):
                rows = np.flatnonzero(shown == value)
                if len(rows) >= SLICE_ROWS:
                    out[f"{column} {value}"] = rows
        return out

    @cached_property
    def behaviours(self) -> tuple[list[Outcome], list[Outcome]]:
        """How the behaviour tests ended, for the candidate and for the champion."""
        before = behave(self.champion, self.config) if self.champion else []
        return behave(self.candidate, self.config), before
