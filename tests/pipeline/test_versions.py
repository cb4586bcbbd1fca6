"""Who serves: versions, aliases, going back, and what is kept of it, in a real MLflow store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from models.triage import ArtefactError
from pipeline import registry as ours
from pipeline.config import Config, ConfigError
from pipeline.registry import connect, fetch, history, located, promote, rollback


def test_the_first_version_is_champion_and_the_next_a_challenger(registry: Any) -> None:
    first, second = registry.versions
    assert (first.version, first.alias) == ("1", "champion")
    assert (second.version, second.alias) == ("2", "challenger")
    assert first.name == second.name == "amends-triage"
    assert fetch("champion", registry.config).version != fetch("challenger", registry.config).version


def test_who_served_when_is_kept_and_can_be_gone_back_to(registry: Any, log_version: Callable[..., Any]) -> None:
    tracking = registry.config.tracking.model_copy(update={"model_name": "amends-other"})
    config = registry.config.model_copy(update={"tracking": tracking})
    assert ours.champion(config) is None
    assert history(config) == []
    versions = [log_version(config).version for _ in range(3)]
    assert versions == ["1", "2", "3"]
    promote(config, "1", "the first version")
    promote(config, "3", "better")
    assert ours.champion(config) == "3"
    assert rollback(config).version == ours.champion(config) == "1"
    told = [(one.version, one.previous, one.why) for one in history(config)]
    assert told == [("1", "3", "rolled back from version 3"), ("3", "1", "better"), ("1", None, "the first version")]
    assert all(one.by and one.when.startswith("20") for one in history(config))
    client = mlflow.MlflowClient()
    card = client.get_model_version("amends-other", "1").description
    assert card.count("## Promotions") == 1
    assert card.rstrip().splitlines()[-2].endswith(": the first version")
    assert card.rstrip().splitlines()[-1].endswith(": rolled back from version 3")
    assert str(client.get_model_version_by_alias("amends-triage", "champion").version) == "1"  # nobody else's


def test_a_version_that_is_not_there_cannot_serve(registry: Any, log_version: Callable[..., Any]) -> None:
    tracking = registry.config.tracking.model_copy(update={"model_name": "amends-third"})
    config = registry.config.model_copy(update={"tracking": tracking})
    with pytest.raises(
        ConfigError,
        match=r"^no version served before the one that serves now, those apart that were rolled back from; python",
    ):
        rollback(config)
    log_version(config)
    with pytest.raises(ConfigError, match=r"^amends-third has no version '9'; there are 1"):
        promote(config, "9", "a slip")
    assert ours.champion(config) is None


def test_going_back_goes_back_by_what_served_last(registry: Any, log_version: Callable[..., Any]) -> None:
    tracking = registry.config.tracking.model_copy(update={"model_name": "amends-fourth"})
    config = registry.config.model_copy(update={"tracking": tracking})
    for _ in range(3):
        log_version(config)
    for version in ("1", "2", "1", "3"):
        promote(config, version, "a change")
    assert [rollback(config).version for _ in range(2)] == ["1", "2"]


def test_what_cannot_be_loaded_cannot_serve(registry: Any, log_version: Callable[..., Any]) -> None:
    tracking = registry.config.tracking.model_copy(update={"model_name": "amends-fifth"})
    config = registry.config.model_copy(update={"tracking": tracking})
    log_version(config)
    log_version(config)
    promote(config, "1", "the first version")
    shutil.rmtree(located("2", config))
    with pytest.raises((ConfigError, ArtefactError)):
        promote(config, "2", "a change")
    assert ours.champion(config) == "1"
    assert [one.version for one in history(config)] == ["1"]


def test_a_version_that_the_gate_refused_says_so_for_ever(registry: Any, log_version: Callable[..., Any]) -> None:
    tracking = registry.config.tracking.model_copy(update={"model_name": "amends-sixth"})
    config = registry.config.model_copy(update={"tracking": tracking})
    version = log_version(config).version
    ours.refuse(config, version, ["primary", "slow"])
    assert promote(config, version, "by --promote").why == "by --promote, against primary, slow"


def test_a_history_that_was_deleted_is_not_begun_anew(registry: Any, log_version: Callable[..., Any]) -> None:
    tracking = registry.config.tracking.model_copy(update={"experiment": "deleted", "model_name": "amends-seventh"})
    config = registry.config.model_copy(update={"tracking": tracking})
    for _ in range(2):
        log_version(config)
    promote(config, "1", "the first version")
    gone = mlflow.get_experiment_by_name("deleted-history")
    assert gone is not None
    mlflow.delete_experiment(gone.experiment_id)
    for act in (lambda: promote(config, "2", "a change"), lambda: history(config)):
        with pytest.raises(ConfigError, match=r"^the experiment deleted-history was deleted in MLflow; bring it back"):
            act()
    assert ours.champion(config) == "1"


def test_a_store_that_is_no_database_is_said(registry: Any, config: Config, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database at all, " * 400)
    tracking = config.tracking.model_copy(update={"uri": f"sqlite:///{tmp_path}/mlflow.db"})
    with pytest.raises(
        ConfigError, match=r"^the tracking store sqlite:///.*mlflow.db does not answer \(.*see tracking"
    ):
        history(config.model_copy(update={"tracking": tracking}))
    connect(registry.config)  # MLflow has one store for all
