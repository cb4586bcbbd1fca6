"""Model versions: fetched by name, and who serves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from models.triage import TriageModel
from pipeline.artefact import open_artefact
from pipeline.config import Config, ConfigError

from .tracking import connect

_NO_CHAMPION = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # no such model; no such alias


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


def give_alias(config: Config, version: str, promote: bool) -> str:
    """Return the alias that a new version now has: champion where there was none or it is promoted, else challenger."""
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


def describe(config: Config, version: str, tags: Mapping[str, str], folder: Path) -> None:
    """Put the card of the model in `folder`, and `tags`, to its version."""
    from mlflow import MlflowClient

    client, name = MlflowClient(), config.tracking.model_name
    client.update_model_version(name, version, description=(folder / "card.md").read_text(encoding="utf-8"))
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
