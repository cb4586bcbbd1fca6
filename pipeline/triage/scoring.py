"""Scoring of single records, for the API: the same columns as the nightly job's, by the same functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from models.ranking import Ranking
from models.scoring import RECORD, score
from models.triage import TriageModel
from pipeline.config import Config
from pipeline.feedback.record import Batch
from pipeline.feedback.validation import validate_objects
from pipeline.registry import fetch

from .cases import CaseTexts, case_key, escalations

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
        return self._scored(batch, customer_values), _said(batch)

    def escalate_objects(
        self, objects: list[object], *, customer_values: Sequence[float]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], pa.Table]:
        """Return what `score_objects` returns, and all customers met, ranked, as a night lists them.

        A customer of whom there are only texts to review is listed as well, marked so: what comes in live is not
        silently left aside.
        """
        batch = validate_objects(objects, source=REQUEST, ingest=self.config.ingest)
        scored = self._scored(batch, customer_values)
        cases: dict[str, CaseTexts] = {}
        for row, outcome in zip(batch.rows.to_pylist(), scored, strict=True):
            key = case_key(row["customer_id"], row["id"], row["text"])
            cases.setdefault(key, CaseTexts()).add(row | outcome)
        ranked = sorted(cases, key=lambda key: -cases[key].led_by_any()["priority"])
        return scored, _said(batch), escalations({key: cases[key] for key in ranked}, self.model.schema)

    def _scored(self, batch: Batch, customer_values: Sequence[float]) -> list[dict[str, Any]]:
        if not batch.rows.num_rows:
            return []
        records = {name: batch.rows.column(name).to_pylist() for name in RECORD}
        ranking = Ranking.from_settings(self.config.rank.model_dump())
        scored: list[dict[str, Any]] = score(
            self.model, records, ranking, datetime.now(UTC), customer_values
        ).to_pylist()
        return scored


def _said(batch: Batch) -> list[dict[str, Any]]:
    return [{"record": reject.record, "reason": reject.reason} for reject in batch.rejects]
