"""Scoring of single records, for the API: the same columns as the nightly job's, by the same functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from models.ranking import Ranking
from models.scoring import RECORD, score
from models.triage import TriageModel
from pipeline.config import Config
from pipeline.feedback.validation import validate_objects
from pipeline.registry import fetch

REQUEST = "request"


@dataclass(frozen=True)
class Scorer:
    """A loaded model that scores parsed JSON records."""

    model: TriageModel
    config: Config

    @classmethod
    def load(cls, model: str, config: Config) -> Scorer:
        """Return the scorer of the model that `model` names (an alias, a ``models:/`` URI or a folder)."""
        return cls(fetch(model, config), config)

    @property
    def ready(self) -> bool:
        """Whether records can be scored: always, once it exists."""
        return True

    @property
    def model_version(self) -> str:
        """The version of the model."""
        return self.model.version

    def score_objects(
        self, objects: list[object], *, customer_values: Sequence[float]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return one scored row per usable record, and ``{"record": n, "reason": code}`` per other, counted from 1."""
        batch = validate_objects(objects, source=REQUEST, ingest=self.config.ingest)
        rejects = [{"record": reject.record, "reason": reject.reason} for reject in batch.rejects]
        if not batch.rows.num_rows:
            return [], rejects
        records = {name: batch.rows.column(name).to_pylist() for name in RECORD}
        ranking = Ranking.from_settings(self.config.rank.model_dump())
        scored = score(self.model, records, ranking, datetime.now(UTC), customer_values)
        return scored.to_pylist(), rejects
