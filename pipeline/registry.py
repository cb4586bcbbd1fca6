"""MLflow: runs, the model registry, and models fetched from it. The only file that knows MLflow."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from models.ranking import Ranking
from models.scoring import score
from models.triage import ArtefactError, TriageModel
from pipeline.config import ROOT, Config, ConfigError, resolve

MODELS = ROOT / "models"
DATA = "triage"  # folder of the model's data inside the artefact
PREFIX = "triage_model_"
_SQLITE = "sqlite:///"
_NOT_A_NAME = re.compile(r"[^\w\-./ :]")
REQUIREMENTS = ("mlflow", "numpy", "pandas", "phonenumbers", "pyarrow", "python-stdnum", "safetensors", "scipy")


@dataclass(frozen=True)
class Registered:
    """A model version in the registry."""

    name: str
    version: str
    alias: str
    run_id: str


def source_hash() -> str:
    """Return 12 hexadecimal digits that change with any line of `models/`."""
    digest = hashlib.sha256()
    for path in sorted(MODELS.rglob("*.py")):
        digest.update(f"{path.relative_to(MODELS)}\0".encode())
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def log_training(
    config: Config,
    folder: Path,
    *,
    metrics: Mapping[str, float],
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    dataset: Mapping[str, Any],
    plots: Path,
    example: Mapping[str, Any],
    promote: bool,
) -> Registered:
    """Log a run with everything about a training, register its model, and return the version.

    Parameters
    ----------
    folder
        The saved model, logged with a copy of `models/` under a name made of its hash, so that it needs no repository.
    dataset
        ``name``, ``digest``, ``files`` (name to SHA-256) and ``rows`` of the training data; no text of it is logged.
    example
        One invented record, from which the signature is inferred.
    promote
        Whether the version becomes champion even where there is one already.
    """
    import mlflow

    _quieten()
    mlflow.set_tracking_uri(_tracking_uri(config))
    mlflow.set_registry_uri(_tracking_uri(config))
    with mlflow.start_run(experiment_id=_experiment(config)) as run:
        mlflow.log_dict(config.model_dump(), "config.yaml")
        mlflow.log_params(dict(params))
        mlflow.set_tags(dict(tags))
        mlflow.log_input(_meta_dataset(dataset), context="training")
        mlflow.log_dict(dict(dataset), "data.json")
        # A label may hold characters that MLflow allows in no name.
        mlflow.log_metrics({_NOT_A_NAME.sub("_", name): value for name, value in metrics.items()})
        mlflow.log_artifacts(str(plots), "plots")
        mlflow.log_artifact(str(folder / "card.md"))
        version = _log_model(config, folder, example)
    alias = _alias(config, version, promote)
    _describe(config, version, tags, folder)
    return Registered(config.tracking.model_name, version, alias, run.info.run_id)


def fetch(model: str, config: Config) -> TriageModel:
    """Return the model that `model` names: a registry alias, a ``models:/`` URI, or a folder.

    The artefact answers with the code it carries, under its own package name; a bare folder with ours.

    Raises
    ------
    ArtefactError, ConfigError
        Nothing by that name, or a folder that is no model.
    """
    path = Path(model).expanduser()
    if not model.startswith("models:/") and (path.is_dir() or os.sep in model):
        return _open(path)
    return _open(
        _download(model if model.startswith("models:/") else f"models:/{config.tracking.model_name}@{model}", config)
    )


def _open(folder: Path) -> TriageModel:
    if not (folder / "MLmodel").is_file():
        return TriageModel.load(folder)
    try:
        flavour = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))["flavors"]["python_function"]
        package = str(flavour["loader_module"]).split(".", maxsplit=1)[0]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ArtefactError(f"{folder / 'MLmodel'} is damaged ({error!r}); fetch the model again") from error
    if not package.startswith(PREFIX):
        raise ArtefactError(f"{folder} was not logged by Amends: its loader is {package!r}; give a model of ours")
    loaded = _package(package, folder / str(flavour.get("code", "code")) / package)
    model: TriageModel = sys.modules[f"{loaded.__name__}.triage"].TriageModel.load(folder / str(flavour["data"]))
    return model


def _package(name: str, folder: Path) -> types.ModuleType:
    """Import the package in `folder` as `name`, without touching `sys.path`."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None or not (folder / "__init__.py").is_file():
            raise ArtefactError(f"{folder} is missing from the artefact; fetch the model again")
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        spec.loader.exec_module(package)
        importlib.import_module(f"{name}.triage")
    return sys.modules[name]


def _download(uri: str, config: Config) -> Path:
    import mlflow
    from mlflow.exceptions import MlflowException

    _quieten()
    mlflow.set_tracking_uri(_tracking_uri(config))
    mlflow.set_registry_uri(_tracking_uri(config))
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except (MlflowException, OSError) as error:
        raise ConfigError(
            f"no model {uri} in {config.tracking.uri} ({' '.join(str(error).split())}); train one with: python train.py"
        ) from error


def _log_model(config: Config, folder: Path, example: Mapping[str, Any]) -> str:
    import mlflow
    import pandas as pd

    model = TriageModel.load(folder)
    columns = {name: [value] for name, value in example.items()}
    scored = score(model, columns, Ranking.from_settings(model.ranking), datetime.now(UTC))
    with _self_contained() as package:
        info = mlflow.pyfunc.log_model(
            name="model",
            loader_module=f"{package.name}.pyfunc",
            data_path=str(folder),
            code_paths=[str(package)],
            signature=_signature(example, scored.schema),
            input_example=pd.DataFrame(columns),
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS],
            registered_model_name=config.tracking.model_name,
        )
    return str(info.registered_model_version)


def _signature(example: Mapping[str, Any], scored: pa.Schema) -> Any:
    """Return the signature of the model: of the input, only ``text`` is required."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    kinds = {name: "string" if isinstance(value, str) else "double" for name, value in example.items()}
    return ModelSignature(
        inputs=Schema([ColSpec(kind, name, name == "text") for name, kind in kinds.items()]),
        outputs=Schema([ColSpec(_kind(column.type), column.name, False) for column in scored]),
        params=ParamSchema([ParamSpec("as_of", "string", "")]),
    )


def _kind(arrow: pa.DataType) -> Any:
    """Return the MLflow type of an Arrow one."""
    from mlflow.types.schema import Array, Object, Property

    if pa.types.is_list(arrow):
        return Array(_kind(arrow.value_type))
    if pa.types.is_struct(arrow):
        return Object([Property(field.name, _kind(field.type)) for field in arrow])
    return {pa.float32(): "float", pa.float64(): "double", pa.bool_(): "boolean"}.get(arrow, "string")


@contextmanager
def _self_contained() -> Iterator[Path]:
    """Yield a copy of `models/` in a package named by its hash, importable while the block runs."""
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch) / f"{PREFIX}{source_hash()}"
        shutil.copytree(MODELS, package, ignore=shutil.ignore_patterns("__pycache__"))
        sys.path.insert(0, scratch)
        try:
            yield package
        finally:
            sys.path.remove(scratch)


def _alias(config: Config, version: str, promote: bool) -> str:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client, name = MlflowClient(), config.tracking.model_name
    try:
        client.get_model_version_by_alias(name, "champion")
        alias = "champion" if promote else "challenger"
    except MlflowException:
        alias = "champion"
    client.set_registered_model_alias(name, alias, version)
    return alias


def _describe(config: Config, version: str, tags: Mapping[str, str], folder: Path) -> None:
    from mlflow import MlflowClient

    client, name = MlflowClient(), config.tracking.model_name
    client.update_model_version(name, version, description=(folder / "card.md").read_text(encoding="utf-8"))
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)


def _experiment(config: Config) -> str:
    import mlflow

    found = mlflow.get_experiment_by_name(config.tracking.experiment)
    if found is not None:
        return str(found.experiment_id)
    uri = _tracking_uri(config)
    beside = Path(uri.removeprefix(_SQLITE)).parent / "mlartifacts"
    location = beside.as_uri() if uri.startswith(_SQLITE) else None  # a server has its own place for artefacts
    return str(mlflow.create_experiment(config.tracking.experiment, artifact_location=location))


def _tracking_uri(config: Config) -> str:
    """Return the URI with a relative SQLite path made absolute, and its folder made."""
    uri = config.tracking.uri
    if not uri.startswith(_SQLITE):
        return uri
    path = resolve(uri.removeprefix(_SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"{_SQLITE}{path}"


def _meta_dataset(dataset: Mapping[str, Any]) -> Any:
    """Return the data set as MLflow records it: name, digest and sizes, and never a text."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    source = CodeDatasetSource({"files": json.dumps(dataset["files"], sort_keys=True)})
    return MetaDataset(source, name=str(dataset["name"])[:500], digest=str(dataset["digest"])[:36])  # type: ignore[abstract]


def _quieten() -> None:
    """Keep MLflow's start-up chatter (database migrations, telemetry) out of people's terminals."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
