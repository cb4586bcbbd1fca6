"""MLflow: runs, the model registry, and models fetched from it. The only file that knows MLflow."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.ranking import Ranking
from models.scoring import score
from models.triage import TriageModel
from pipeline.artefact import open_artefact, self_contained
from pipeline.config import Config, ConfigError, resolve

_SQLITE = "sqlite:///"
_NO_CHAMPION = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # no such model; no such alias
_NOT_A_NAME = re.compile(r"[^\w\-./ :]")
REQUIREMENTS = (
    "lingua-language-detector", "mlflow", "numpy", "pandas", "phonenumbers", "pyarrow", "python-stdnum", "safetensors",
    "scipy", "openvino", "tokenizers",
)  # fmt: skip


@dataclass(frozen=True)
class Registered:
    """A model version in the registry."""

    name: str
    version: str
    alias: str
    run_id: str


def log_training(
    config: Config,
    folder: Path,
    *,
    metrics: Mapping[str, float],
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    dataset: Mapping[str, Any],
    plots: Path,
    report: Mapping[str, Any],
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
    report
        What the family found and chose while fitting; the points of a cascade's curve become metrics by their share.
    promote
        Whether the version becomes champion even where there is one already.
    """
    import mlflow

    connect(config)
    with mlflow.start_run(experiment_id=_experiment(config)) as run:
        mlflow.log_dict(config.public(), "config.yaml")
        mlflow.log_params(dict(params))
        mlflow.set_tags(dict(tags))
        mlflow.log_input(_meta_dataset(dataset), context="training")
        mlflow.log_dict(dict(dataset), "data.json")
        # A label may hold characters that MLflow allows in no name.
        mlflow.log_metrics({_NOT_A_NAME.sub("_", name): value for name, value in metrics.items()})
        mlflow.log_artifacts(str(plots), "plots")
        _log_report(report)
        mlflow.log_artifact(str(folder / "card.md"))
        version = _log_model(config, folder, example)
    alias = _alias(config, version, promote)
    _describe(config, version, tags, folder)
    return Registered(config.tracking.model_name, version, alias, run.info.run_id)


def _log_report(report: Mapping[str, Any]) -> None:
    import mlflow

    mlflow.log_dict(dict(report), "family.json")
    for point in report.get("curve", ()):
        step = round(100 * float(point["share"]))
        mlflow.log_metrics({f"cascade.{_NOT_A_NAME.sub('_', name)}": float(v) for name, v in point.items()}, step=step)
    if "share" in report:
        mlflow.log_metric("cascade.share_chosen", float(report["share"]))


class SearchRun:
    """A run that holds one nested run per trial of a search; it goes on where there is one already."""

    def __init__(self, config: Config, run_id: str | None) -> None:
        self._config, self._run_id = config, run_id

    def __enter__(self) -> SearchRun:
        import mlflow

        connect(self._config)
        run = mlflow.start_run(self._run_id, None if self._run_id else _experiment(self._config))
        self.run_id = str(run.info.run_id)
        mlflow.log_dict(self._config.public(), "config.yaml")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        import mlflow

        mlflow.end_run("FINISHED" if kind is None else "KILLED")

    def log(self, number: int, settings: Mapping[str, Any], loss: float | None, state: str) -> None:
        """Log one trial: its settings, how it ended, and its loss where it was not pruned."""
        import mlflow

        with mlflow.start_run(run_name=f"trial {number}", nested=True):
            mlflow.log_params(dict(settings))
            mlflow.set_tag("state", state)
            if loss is not None:
                mlflow.log_metric("log_loss", loss)


RETRIES = "3"  # MLflow's own default tries a dead server for several minutes before it says so


def connect(config: Config) -> None:
    """Reach the tracking store, so that one that is down stops a run before any work.

    Raises
    ------
    ConfigError
        It does not answer.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
    import mlflow
    from mlflow.exceptions import MlflowException

    _quieten()
    mlflow.set_tracking_uri(_tracking_uri(config))
    mlflow.set_registry_uri(_tracking_uri(config))
    try:
        mlflow.get_experiment_by_name(config.tracking.experiment)
    except (MlflowException, OSError) as error:
        where, why = config.public()["tracking"]["uri"], " ".join(str(error).split())[:300]
        raise ConfigError(f"the tracking store {where} does not answer ({why}); see tracking.uri") from error


def fetch(model: str, config: Config) -> TriageModel:
    """Return the model that `model` names: a registry alias, a ``models:/`` URI, or a folder.

    The artefact answers with the code it carries, under its own package name; a bare folder with ours.

    Raises
    ------
    ArtefactError, ConfigError
        Nothing by that name, or a folder that is no model.
    """
    path = Path(model).expanduser()
    if not model.startswith("models:/") and (os.sep in model or (path / "model.json").is_file()):
        return open_artefact(path)
    if model.isdecimal():
        model = f"models:/{config.tracking.model_name}/{model}"
    return open_artefact(
        _download(model if model.startswith("models:/") else f"models:/{config.tracking.model_name}@{model}", config)
    )


def _download(uri: str, config: Config) -> Path:
    import mlflow
    from mlflow.exceptions import MlflowException

    connect(config)
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except (MlflowException, OSError) as error:
        where, why = config.public()["tracking"]["uri"], " ".join(str(error).split())
        raise ConfigError(f"no model {uri} in {where} ({why}); train one with: python train.py") from error


def _log_model(config: Config, folder: Path, example: Mapping[str, Any]) -> str:
    import mlflow
    import pandas as pd

    model = TriageModel.load(folder)
    columns = {name: [value] for name, value in example.items()}
    scored = score(model, columns, Ranking.from_settings(model.ranking), datetime.now(UTC))
    runs_torch = model.family.report.get("encoder", model.family.report).get("precision") == "torch"
    required = (*REQUIREMENTS, *(("torch", "transformers") if runs_torch else ()))
    with self_contained() as package:
        info = mlflow.pyfunc.log_model(
            name="model",
            loader_module=f"{package.name}.pyfunc",
            data_path=str(folder),
            code_paths=[str(package)],
            signature=_signature(example, scored.schema),
            input_example=pd.DataFrame(columns),
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in required],
            registered_model_name=config.tracking.model_name,
        )
    return str(info.registered_model_version)


def _signature(example: Mapping[str, Any], scored: pa.Schema) -> Any:
    """Return the signature of the model: of the input, only ``text`` is required."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    # Any type for the others: a table may hold its ids as whole numbers and its times as times.
    kinds = {name: "string" if name == "text" else AnyType() for name in example}  # type: ignore[no-untyped-call]
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


def _alias(config: Config, version: str, promote: bool) -> str:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client, name = MlflowClient(), config.tracking.model_name
    try:
        client.get_model_version_by_alias(name, "champion")
        alias = "champion" if promote else "challenger"
    except MlflowException as error:
        if error.error_code not in _NO_CHAMPION:
            raise  # a server that fails must not make a champion of whatever comes
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
