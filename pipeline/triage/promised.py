"""What tonight's list promises, gathered while the rows stream by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.promise import BINS, Promise, histogram
from models.schema import DERIVABLE
from models.triage import Predictions, TriageModel


class Promised:
    """The promise about one yes-or-no head; none where the model has no such head, or no held-out rows for it."""

    def __init__(self, model: TriageModel, head: str) -> None:
        # An artefact that answers with code of before there were promises has no evidence.
        self._evidence = getattr(model, "evidence", {}).get(head)
        self._derive = model.schema[head].derive if self._evidence else None
        self._head = head
        self._tonight = np.zeros(BINS, np.int64)

    def counted(self, predictions: Predictions) -> NDArray[np.int64]:
        """Return how the probabilities of some rows are spread."""
        if self._evidence is None:
            return np.zeros(BINS, np.int64)
        counts: NDArray[np.int64] = histogram(predictions.probabilities[self._head][:, 0])
        return counts

    def add(self, counts: NDArray[np.int64]) -> None:
        """Take in what `counted` returned of the next rows."""
        self._tonight += counts

    def of(self, leads: Sequence[Mapping[str, Any]]) -> Promise | None:
        """Return what may be promised of the customers whose leading texts are given, as scored rows."""
        if self._evidence is None:
            return None
        listed = [float(row[f"p_{self._head}"]) for row in leads]
        promise: Promise = self._evidence.promise(listed, [self._truth(row) for row in leads], self._tonight)
        return promise

    def _truth(self, row: Mapping[str, Any]) -> bool | None:
        """Return what the customer said of it in numbers; None where there are none."""
        if self._derive is None or self._derive.column not in DERIVABLE or row.get(self._derive.column) is None:
            return None
        return bool(self._derive(row[self._derive.column]))
