"""A night over the sample dump, and a function that runs others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.triage import TriageModel
from pipeline.config import Config, load
from pipeline.feedback.sources import discover
from pipeline.triage.nightly import run

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Night:
    """What a night left in its folder."""

    folder: Path
    manifest: dict[str, Any]

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / f"{name}.parquet")

    def rows(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.table(name).to_pylist()
        return rows

    def priorities(self) -> dict[str, float]:
        """Return the priority of each row by its id."""
        return {row["id"]: row["priority"] for row in self.rows("scored")}


def night(folder: Path, model: TriageModel, inputs: list[Any], *overrides: str, config: Config | None = None) -> Night:
    """Run a night over `inputs` into `folder`."""
    config = config or load(overrides=overrides)
    config = config.model_copy(update={"nights": str(folder.parent.parent / "nights.jsonl")})
    manifest = run(discover([str(item) for item in inputs]), folder, model, config, NOW).manifest
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8")) == manifest
    return Night(folder, manifest)


@pytest.fixture(scope="session")
def sampled(tmp_path_factory: pytest.TempPathFactory, model: TriageModel, sample: Path) -> Night:
    """Return the night over data/sample with the default settings."""
    return night(tmp_path_factory.mktemp("sampled") / "night", model, [sample])


@pytest.fixture
def run_night(tmp_path: Path, model: TriageModel) -> Callable[..., Night]:
    """Return a function that runs a night into a new folder of this test."""
    count = iter(range(100))

    def run_(
        *inputs: Any, overrides: list[str] | None = None, into: Path | None = None, by: TriageModel = model
    ) -> Night:
        return night(into or tmp_path / f"night{next(count)}", by, list(inputs), *(overrides or []))

    return run_
