"""A model fitted on the whole starter corpus; by family `linear`, which takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from models.ranking import Ranking
from models.scoring import score
from models.triage import TriageModel
from pipeline.config import Config
from pipeline.learning.dataset import Dataset
from pipeline.learning.splits import split
from pipeline.learning.training import Trained, train


@pytest.fixture(scope="session")
def full(corpus: Dataset) -> Trained:
    config = Config.model_validate({"model": {"family": "linear"}, "evaluation": {"bootstrap": 50}})
    return train(corpus, split(corpus, config.data.split), config, None)


@pytest.fixture(scope="session")
def ranked(full: Trained) -> Callable[[list[str]], list[dict[str, Any]]]:
    """Return a function that scores texts by their words alone."""
    model: TriageModel = full.model

    def ranked_(texts: list[str]) -> list[dict[str, Any]]:
        ranking = Ranking.from_settings(Config().rank.model_dump())
        return score(model, {"text": texts}, ranking, datetime(2026, 11, 21, tzinfo=UTC)).to_pylist()

    return ranked_
