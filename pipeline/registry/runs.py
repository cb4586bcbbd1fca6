"""Runs: what a training or a search was, with everything to judge it by, and no text of a customer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import Config

from .artefacts import log_model
from .tracking import connect, experiment, name_of
from .versions import challenge, describe


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
    reports: Path,
    report: Mapping[str, Any],
    example: Mapping[str, Any],
) -> Registered:
    """Log a run with everything about a training, register its model as challenger, and return the version.

    Parameters
    ----------
    folder
        The saved model, logged with a copy of `models/` under a name made of its hash, so that it needs no repository.
    dataset
        ``name``, ``digest``, ``files`` (name to SHA-256) and ``rows`` of the training data; no text of it is logged.
    reports
        A folder of pages and plots without a text of a customer.
    example
        One invented record, from which the signature is inferred.
    report
        What the family found and chose while fitting; the points of a cascade's curve become metrics by their share.
    """
    import mlflow

    connect(config)
    with mlflow.start_run(experiment_id=experiment(config)) as run:
        mlflow.log_dict(config.public(), "config.yaml")
        mlflow.log_params(dict(params))
        mlflow.set_tags(dict(tags))
        mlflow.log_input(_meta_dataset(dataset), context="training")
        mlflow.log_dict(dict(dataset), "data.json")
        mlflow.log_metrics({name_of(name): value for name, value in metrics.items()})
        mlflow.log_artifacts(str(reports))
        _log_report(report)
        mlflow.log_artifact(str(folder / "card.md"))
        version = log_model(config, folder, example)
    challenge(config, version)
    describe(config, version, tags, folder)
    return Registered(config.tracking.model_name, version, "challenger", run.info.run_id)


def log_audit(config: Config, page: Path, dataset: Mapping[str, Any]) -> str:
    """Return the id of a run that holds the page of an audit, and which data it is of."""
    import mlflow

    connect(config)
    with mlflow.start_run(experiment_id=experiment(config), run_name="audit") as run:
        mlflow.log_input(_meta_dataset(dataset), context="audit")
        mlflow.log_dict(dict(dataset), "data.json")
        mlflow.log_artifact(str(page))
    return str(run.info.run_id)


def add_page(run_id: str, page: Path, metrics: Mapping[str, float]) -> None:
    """Add a page without a text of a customer, and `metrics`, to a run that has ended."""
    from mlflow import MlflowClient

    client = MlflowClient()
    client.log_artifact(run_id, str(page))
    for name, value in metrics.items():
        client.log_metric(run_id, name_of(name), value)


def _log_report(report: Mapping[str, Any]) -> None:
    import mlflow

    mlflow.log_dict(dict(report), "family.json")
    for point in report.get("curve", ()):
        step = round(100 * float(point["share"]))
        mlflow.log_metrics({f"cascade.{name_of(name)}": float(v) for name, v in point.items()}, step=step)
    if "share" in report:
        mlflow.log_metric("cascade.share_chosen", float(report["share"]))


def _is_there(run_id: str) -> bool:
    """Return whether the tracking store has a run: a search may go on in another store than it began in."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return MlflowClient().get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException:
        return False


class SearchRun:
    """A run that holds one nested run per trial of a search; it goes on where there is one already."""

    def __init__(self, config: Config, run_id: str | None) -> None:
        self._config, self._run_id = config, run_id

    def __enter__(self) -> SearchRun:
        import mlflow

        connect(self._config)
        known = self._run_id if self._run_id and _is_there(self._run_id) else None
        run = mlflow.start_run(known, None if known else experiment(self._config))
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


def _meta_dataset(dataset: Mapping[str, Any]) -> Any:
    """Return the data set as MLflow records it: name, digest and sizes, and never a text."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    source = CodeDatasetSource({"files": json.dumps(dataset["files"], sort_keys=True)})
    return MetaDataset(source, name=str(dataset["name"])[:500], digest=str(dataset["digest"])[:36])  # type: ignore[abstract]
