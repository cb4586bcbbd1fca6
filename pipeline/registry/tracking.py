"""Where runs and models are kept: the tracking store, reached before any work is done."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from pipeline.config import Config, ConfigError, resolve

_SQLITE = "sqlite:///"
RETRIES = "3"  # MLflow's own default tries a dead server for several minutes before it says so
_NOT_A_NAME = re.compile(r"[^\w\-./ :]")


def connect(config: Config) -> None:
    """Reach the tracking store, so that one that is down stops a run before any work.

    Raises
    ------
    ConfigError
        It does not answer.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
    import mlflow

    _quieten()
    mlflow.set_tracking_uri(_tracking_uri(config))
    mlflow.set_registry_uri(_tracking_uri(config))
    try:
        mlflow.get_experiment_by_name(config.tracking.experiment)
    except Exception as error:  # a file that is no database raises whatever its driver does
        where, why = config.public()["tracking"]["uri"], " ".join(str(error).split())[:300]
        raise ConfigError(f"the tracking store {where} does not answer ({why}); see tracking.uri") from error


def experiment(config: Config, suffix: str = "") -> str:
    """Return the id of the experiment of `config`, or of one beside it, made where it is not there."""
    import mlflow

    found = mlflow.get_experiment_by_name(config.tracking.experiment + suffix)
    if found is not None and found.lifecycle_stage != "active":
        restore = f"mlflow experiments restore --experiment-id {found.experiment_id}"
        raise ConfigError(f"the experiment {found.name} was deleted in MLflow; bring it back with: {restore}")
    if found is not None:
        return str(found.experiment_id)
    uri = _tracking_uri(config)
    beside = Path(uri.removeprefix(_SQLITE)).parent / "mlartifacts"
    location = beside.as_uri() if uri.startswith(_SQLITE) else None  # a server has its own place for artefacts
    return str(mlflow.create_experiment(config.tracking.experiment + suffix, artifact_location=location))


def name_of(metric: str) -> str:
    """Return a name as MLflow allows it: a label may hold any character."""
    return _NOT_A_NAME.sub("_", metric)


def _tracking_uri(config: Config) -> str:
    """Return the URI with a relative SQLite path made absolute, and its folder made."""
    uri = config.tracking.uri
    if not uri.startswith(_SQLITE):
        return uri
    path = resolve(uri.removeprefix(_SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"{_SQLITE}{path}"


def _quieten() -> None:
    """Keep MLflow's start-up chatter (database migrations, telemetry) out of people's terminals."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
