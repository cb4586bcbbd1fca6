"""Tiny real things that many tests share: a corpus, a trained model and its folder, settings of their own stores.

Tests must not change what a session fixture holds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from models.triage import TriageModel
from pipeline.config import ROOT, Config
from pipeline.learning.dataset import Dataset, load_dataset
from pipeline.learning.recipe import EXAMPLE, run
from pipeline.registry import Registered, log_training

# Two cores that others use as well: an example may take as long as it takes. The same examples on every machine.
settings.register_profile("amends", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("amends")

EPOCHS = 8
STORES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "AMENDS_STORE_URL")


def pytest_configure(config: pytest.Config) -> None:
    """Keep every test off the network and off the stores of the person who runs them."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Two workers share two cores: threads that wait for each other there are many times slower than one.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for variable in STORES:
        os.environ.pop(variable, None)


@pytest.fixture(autouse=True)
def _stores_of_one_test_alone() -> Iterator[None]:
    """MLflow writes the store that it was pointed at into the environment, where the next test would read it."""
    yield
    for variable in STORES:
        os.environ.pop(variable, None)


def tiny_encoder_folder(folder: Path) -> Path:
    """Return a real encoder of two small layers with random weights and MiniLM's tokeniser, written into `folder`."""
    import shutil

    import torch
    from transformers import BertConfig, BertModel

    from models.families.encoder.sources import packaged

    torch.manual_seed(1)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    encoder = BertModel(BertConfig(**shape, max_position_embeddings=64))
    encoder.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(packaged() / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny encoder that trains in a second."""
    return tiny_encoder_folder(tmp_path_factory.mktemp("encoder"))


def quick(encoder: Path, family: str) -> dict[str, Any]:
    """Return settings with which `family` learns the tests' toy texts in seconds, on a tiny encoder."""
    model = {
        "family": family,
        "encoder": str(encoder),
        "max_tokens": 32,
        "checkpoints": "",
        "linear": {"epochs": 12},
        "fine_tune": {"epochs": 12, "least_steps": 0, "patience": 12, "learning_rate": 5e-3, "head_pace": 4}
        | {"batch_size": 16, "start": "probe"},
    }
    return Config.model_validate({"model": model}).model_settings()


@pytest.fixture(scope="session")
def corpus() -> Dataset:
    """Return the starter corpus, as training reads it."""
    return load_dataset(Config())


@pytest.fixture(scope="session")
def unsaved(corpus: Dataset) -> TriageModel:
    """Return a model of all heads, fitted on 300 rows of the starter corpus and calibrated on 150 others."""
    settings_ = Config.model_validate({"model": {"family": "linear", "linear": {"epochs": EPOCHS}}}).model.model_dump()
    model = TriageModel.fit(corpus.schema, *corpus.take(np.arange(0, len(corpus), 11)), settings_, seed=7)
    model.calibrate(*corpus.take(np.arange(5, len(corpus), 22)))
    model.ranking = Config().rank.model_dump()
    model.lineage = {"training_data": "0" * 64, "rows": {"train": 300}}
    return model


@pytest.fixture(scope="session")
def model_folder(unsaved: TriageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder into which the model was saved."""
    folder = tmp_path_factory.mktemp("model") / "triage"
    unsaved.save(folder, card="# Model {version}\n")
    return folder


@pytest.fixture(scope="session")
def model(model_folder: Path) -> TriageModel:
    """Return the model as it comes back from its folder."""
    return TriageModel.load(model_folder)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the default settings, with every store in this test's own folder."""
    return Config.model_validate(
        {
            "tracking": {"uri": f"sqlite:///{tmp_path}/tracking/mlflow.db"},
            "store": {"url": f"sqlite:///{tmp_path}/amends.db"},
        }
    )


@pytest.fixture(scope="session")
def sample() -> Path:
    """Return the folder of the sample dump."""
    return ROOT / "data" / "sample"


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes records as JSON Lines into a file of the given name."""

    def write(name: str, records: list[dict[str, object]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        return path

    return write


@dataclass(frozen=True)
class Registry:
    """An MLflow store with two versions of one model: the champion, and its challenger."""

    config: Config
    folder: Path
    data: Path
    versions: list[Registered]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Registry:
    """Return a real store (SQLite, local artefacts): the recipe trained version 1, version 2 was logged after it."""
    folder = tmp_path_factory.mktemp("registry")
    data = folder / "feedback.jsonl"
    lines = [
        line
        for part in sorted((ROOT / "data" / "starter").glob("*.jsonl"))
        for line in part.read_text("utf-8").splitlines()
    ]
    data.write_text("\n".join(lines[::6]) + "\n", encoding="utf-8")
    config = Config.model_validate(
        {
            "data": {"sources": [{"path": str(data)}], "reports": str(folder / "pages")},
            "model": {"family": "linear", "linear": {"epochs": 4}},
            "evaluation": {"bootstrap": 50},
            "tracking": {"uri": f"sqlite:///{folder}/store/mlflow.db"},
            "store": {"url": f"sqlite:///{folder}/amends.db"},
        }
    )
    first, _ = run(config, wish="always")  # whatever is changed in the checkout
    (folder / "reports").mkdir()
    second = log(config, model_folder, folder / "reports")
    return Registry(config, folder, data, [first, second])


def log(config: Config, model_folder: Path, reports: Path) -> Registered:
    """Log a saved model as another version, as the recipe does."""
    return log_training(
        config,
        model_folder,
        metrics={"sentiment.accuracy": 0.5, "label with, odd: characters!": 1.0},
        params={"seed": 7},
        tags={"commit": "none"},
        dataset={"name": "few", "digest": "0" * 64, "files": {"few.jsonl": "0" * 64}, "rows": {"train": 1}},
        reports=reports,
        report={},
        example=EXAMPLE,
    )


@pytest.fixture(scope="session")
def log_version(registry: Registry, model_folder: Path) -> Callable[..., Registered]:
    """Return a function that logs another version, into the session's store under another model name."""

    def log_(config: Config) -> Registered:
        return log(config, model_folder, registry.folder / "reports")

    return log_
