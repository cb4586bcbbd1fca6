"""Model versions: fetched by name, and who serves."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from models.triage import TriageModel
from pipeline.artefact import open_artefact
from pipeline.config import Config, ConfigError

from .tracking import connect, experiment

_HISTORY = "-history"  # behind the name of the experiment, the one that holds who served when
_REFUSED = "refused_by_the_gate"
_DESCRIBED = 4_000  # characters of a card that servers keep beside a version; the whole card lies with the run
_PROMOTIONS = "## Promotions"
_ROLLED_BACK = "rolled back from version"
_SHAPES = {"run_id": r"[0-9a-f]{32}", "tags.model_version": r"[a-z]+-[0-9a-f]{12}"}
_NO_CHAMPION = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # no such model; no such alias


def fetch(model: str, config: Config) -> TriageModel:
    """Return the model that `model` names: a registry alias, a ``models:/`` URI, or a folder.

    The artefact answers with the code it carries, under its own package name; a bare folder with ours. Raises what
    `located` and `open_artefact` raise.
    """
    return open_artefact(located(model, config))


def located(model: str, config: Config) -> Path:
    """Return the folder of the artefact that `model` names.

    Raises
    ------
    ConfigError
        Nothing by that name.
    """
    path = Path(model).expanduser()
    if not model.startswith("models:/") and (os.sep in model or (path / "model.json").is_file()):
        return path
    if model.isdecimal():
        model = f"models:/{config.tracking.model_name}/{model}"
    return _download(model if model.startswith("models:/") else f"models:/{config.tracking.model_name}@{model}", config)


def _download(uri: str, config: Config) -> Path:
    import mlflow
    from mlflow.exceptions import MlflowException

    connect(config)
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except (MlflowException, OSError) as error:
        where, why = config.public()["tracking"]["uri"], " ".join(str(error).split())
        raise ConfigError(f"no model {uri} in {where} ({why}); train one with: python train.py") from error


@dataclass(frozen=True)
class Promotion:
    """One change of who serves: which version took over from which, when, why, and by whom."""

    version: str
    previous: str | None
    when: str
    why: str
    by: str


def champion(config: Config) -> str | None:
    """Return the version that serves; None where there is none yet."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    connect(config)
    try:
        return str(MlflowClient().get_model_version_by_alias(config.tracking.model_name, "champion").version)
    except MlflowException as error:
        if error.error_code not in _NO_CHAMPION:
            raise  # a server that fails must not make a champion of whatever comes
        return None


def challenge(config: Config, version: str) -> None:
    """Let `version` be the challenger."""
    from mlflow import MlflowClient

    MlflowClient().set_registered_model_alias(config.tracking.model_name, "challenger", version)


def promote(config: Config, version: str, why: str) -> Promotion:
    """Let `version` serve from now on, and write down that it does; MLflow itself forgets who served before.

    Raises
    ------
    ConfigError
        There is no such version.
    """
    import mlflow
    from mlflow import MlflowClient

    previous, client, name = champion(config), MlflowClient(), config.tracking.model_name
    if previous == version:
        raise ConfigError(f"{name} version {version} serves already")
    found = _known_version(version, config)
    fetch(version, config)  # what does not load cannot serve
    card, refused = found.description or "", found.tags.get(_REFUSED)
    why = f"{why}, against {refused}" if refused and refused not in why else why
    change = Promotion(version, previous, datetime.now(UTC).isoformat(timespec="seconds"), why, _whoever())
    tags = {key: str(value) for key, value in asdict(change).items() if value is not None}
    # Noted first: a note too many is seen by `history`, a change that nobody noted cannot be gone back from.
    with mlflow.start_run(experiment_id=experiment(config, _HISTORY), run_name=f"{name} {version}"):
        mlflow.set_tags({**tags, "model": name})
    client.set_registered_model_alias(name, "champion", version)
    said = f"- {change.when}, by {change.by}: {why}"
    title = "" if _PROMOTIONS in card else f"\n{_PROMOTIONS}\n"
    client.update_model_version(name, version, description=f"{card.rstrip()}\n{title}{said}\n")
    return change


def refuse(config: Config, version: str, checks: Sequence[str]) -> None:
    """Mark a version with the checks of the gate that it does not hold."""
    from mlflow import MlflowClient

    MlflowClient().set_model_version_tag(config.tracking.model_name, version, _REFUSED, ", ".join(checks))


def _known_version(version: str, config: Config) -> Any:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client, name = MlflowClient(), config.tracking.model_name
    try:
        return client.get_model_version(name, version)
    except MlflowException as error:
        if error.error_code not in _NO_CHAMPION:
            raise
        known = sorted((str(one.version) for one in client.search_model_versions(f"name = '{name}'")), key=int)
        listed = f"there are {', '.join(known[-12:])}" if known else "there is none yet"
        raise ConfigError(f"{name} has no version {version!r}; {listed}") from error


def rollback(config: Config) -> Promotion:
    """Let the version serve again that served before the one that serves now.

    Versions that were rolled back from are passed over: the next one goes further back.

    Raises
    ------
    ConfigError
        None did.
    """
    served: list[str] = []
    for change in reversed(history(config)):
        if change.why.startswith(_ROLLED_BACK) and change.version in served:
            del served[len(served) - served[::-1].index(change.version) :]
        else:
            served.append(change.version)
    now = champion(config)
    before = [version for version in served if version != now]
    if not before:
        raise ConfigError(
            "no version served before the one that serves now, those apart that were rolled back from; "
            "python train.py --history lists them all, --promote VERSION lets any serve"
        )
    return promote(config, before[-1], f"{_ROLLED_BACK} {now}")


def history(config: Config) -> list[Promotion]:
    """Return every change of who served, the latest first."""
    from mlflow import MlflowClient

    connect(config)
    client, name = MlflowClient(), config.tracking.model_name
    runs = client.search_runs(
        [experiment(config, _HISTORY)], filter_string=f"tags.model = '{name}'", order_by=["attributes.start_time DESC"]
    )
    return [
        Promotion(
            str(run.data.tags["version"]), run.data.tags.get("previous"), str(run.data.tags["when"]),
            str(run.data.tags["why"]), str(run.data.tags["by"]),
        )
        for run in runs
    ]  # fmt: skip


def version_of(name: str, config: Config) -> str:
    """Return the version that an alias, a run, a number, or what a prediction names as its `model_version` stands for.

    Raises
    ------
    ConfigError
        There is none.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    connect(config)
    client, model = MlflowClient(), config.tracking.model_name
    try:
        if name.isdecimal():
            return str(client.get_model_version(model, name).version)
        kind = next((kind for kind, shape in _SHAPES.items() if re.fullmatch(shape, name)), None)
        if kind:
            for found in client.search_model_versions(f"name = '{model}' and {kind} = '{name}'"):
                return str(found.version)
        return str(client.get_model_version_by_alias(model, name).version)
    except MlflowException as error:
        raise ConfigError(f"{model} has no version, run or alias {name!r}; see python train.py --history") from error


def lineage(name: str, config: Config) -> dict[str, str]:
    """Return what made the version that `name` stands for: version, run, data, configuration, commit and more."""
    from mlflow import MlflowClient

    version = version_of(name, config)
    found = MlflowClient().get_model_version(config.tracking.model_name, version)
    return {"version": str(found.version), "run": str(found.run_id), **found.tags}


def settings_of(version: str, config: Config) -> dict[str, Any]:
    """Return the settings that a version was trained by, secrets left out."""
    import mlflow
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    run_id = MlflowClient().get_model_version(config.tracking.model_name, version).run_id
    try:
        found: dict[str, Any] = yaml.safe_load(mlflow.artifacts.load_text(f"runs:/{run_id}/config.yaml"))
    except (MlflowException, OSError, yaml.YAMLError) as error:
        raise ConfigError(f"the settings of version {version} are gone from its run {run_id}: {error}") from error
    return found


def _whoever() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return f"uid {os.getuid()}"


def size_and_signature(config: Config, version: str) -> tuple[int, bool]:
    """Return the bytes of a version's model files, and whether it has a signature."""
    import mlflow

    folder = _download(f"models:/{config.tracking.model_name}/{version}", config)
    signature = mlflow.models.get_model_info(f"models:/{config.tracking.model_name}/{version}").signature
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()), signature is not None


def describe(config: Config, version: str, tags: Mapping[str, str], folder: Path) -> None:
    """Put the card of the model in `folder`, and `tags`, to its version."""
    from mlflow import MlflowClient

    client, name = MlflowClient(), config.tracking.model_name
    card = (folder / "card.md").read_text(encoding="utf-8")
    shown = card if len(card) <= _DESCRIBED else f"{card[:_DESCRIBED]}\n\n(the whole card: card.md of the run)\n"
    client.update_model_version(name, version, description=shown)
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
