"""What the desk needs of a scorer, and one that is still on its way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pyarrow as pa

LOG = logging.getLogger(__name__)


class Scorer(Protocol):
    """What scores records for the API (`pipeline.triage.scoring.Scorer`)."""

    @property
    def ready(self) -> bool:
        """Whether records can be scored now."""

    @property
    def model_version(self) -> str:
        """The version of the model that scores."""

    def score_objects(
        self, objects: list[object], *, customer_values: Sequence[float]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return one result per usable record, and ``{"record": n, "reason": code}`` per other."""

    def escalate_objects(
        self, objects: list[object], *, customer_values: Sequence[float]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], pa.Table]:
        """Return what `score_objects` returns, and the customers met as a night lists them."""


class Loading:
    """A scorer that is loaded in the background, so that the desk opens at once; the queue needs no model."""

    def __init__(self, load: Callable[[], Scorer]) -> None:
        self._load = load
        self._scorer: Scorer | None = None
        self.problem = "the model is still being loaded"

    def start(self) -> None:
        """Begin to load."""
        threading.Thread(target=self._run, name="model loader", daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether the model is there."""
        return self._scorer is not None and self._scorer.ready

    @property
    def model_version(self) -> str:
        """The version of the model; empty until it is there."""
        return self._scorer.model_version if self._scorer else ""

    def score_objects(
        self, objects: list[object], *, customer_values: Sequence[float]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return what the loaded scorer returns.

        Raises
        ------
        RuntimeError
            The model is not there yet.
        """
        if self._scorer is None:
            raise RuntimeError(self.problem)
        return self._scorer.score_objects(objects, customer_values=customer_values)

    def escalate_objects(
        self, objects: list[object], *, customer_values: Sequence[float]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], pa.Table]:
        """Return what the loaded scorer returns.

        Raises
        ------
        RuntimeError
            The model is not there yet.
        """
        if self._scorer is None:
            raise RuntimeError(self.problem)
        return self._scorer.escalate_objects(objects, customer_values=customer_values)

    def _run(self) -> None:
        try:
            self._scorer = self._load()
        except Exception as error:
            self.problem = f"the model could not be loaded: {' '.join(str(error).split()) or type(error).__name__}"
            LOG.error(self.problem)
