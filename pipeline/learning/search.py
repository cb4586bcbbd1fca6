"""Search for settings: trials proposed by TPE (Bergstra et al. 2011), judged on held-out rows, the hopeless pruned.

The test side is never looked at. A search that was cut short goes on where it stopped: its trials lie in a journal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from models.calibration import log_loss
from models.triage import TriageModel
from pipeline.config import Config, ConfigError, resolve
from pipeline.registry import SearchRun

from .dataset import Dataset
from .splits import Splits

Space = dict[str, Callable[[Any, str], Any]]


@dataclass(frozen=True)
class Best:
    """The best trial of a search: its settings as ``--set`` takes them, its loss, and how many trials there were."""

    settings: dict[str, Any]
    loss: float
    trials: int


def search(config: Config, data: Dataset, splits: Splits, trials: int) -> Best:
    """Return the best of `trials` trials on `data`, each a nested run beside the others in MLflow.

    A trial's loss is the log loss on the calibration side, in units of the labels' entropy, mean over heads.

    Raises
    ------
    ConfigError
        `trials` is not positive, or the family has nothing to search for.
    """
    import optuna

    if trials < 1:
        raise ConfigError(f"--search takes a number of trials from 1 on; got {trials}")
    space = space_of(config.model.family)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    heads = hashlib.sha256(json.dumps(data.schema.to_json(), sort_keys=True).encode()).hexdigest()
    name = f"{config.digest()[:12]}-{data.digest()[:12]}-{heads[:6]}"
    study = optuna.create_study(
        study_name=name,
        storage=_journal(config, name),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        load_if_exists=True,
    )
    # A search that goes on must not propose its first settings again.
    study.sampler = optuna.samplers.TPESampler(seed=config.seed + len(study.trials))
    with SearchRun(config, study.user_attrs.get("run")) as run:
        study.set_user_attr("run", run.run_id)
        done = sum(trial.state.is_finished() for trial in study.trials)
        study.optimize(
            lambda trial: _loss(trial, space, config, data, splits),
            n_trials=max(trials - done, 0),
            callbacks=[lambda _, trial: run.log(trial.number, trial.params, trial.value, trial.state.name)],
        )
    return Best(study.best_params, study.best_value, len(study.trials))


def _journal(config: Config, name: str) -> Any:
    """Return where the trials are kept: beside the checkpoints; nowhere where there are none."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if not config.model.checkpoints:
        return None
    folder = resolve(config.model.checkpoints)
    folder.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(folder / f"search-{name}.journal")))


def space_of(family: str) -> Space:
    """Return what is searched for a family: a setting's full name, and how a trial proposes a value for it."""
    linear: Space = {
        "model.linear.learning_rate": lambda trial, name: trial.suggest_float(name, 5, 120, log=True),
        "model.linear.epochs": lambda trial, name: trial.suggest_int(name, 5, 40),
        "model.linear.class_weight": lambda trial, name: trial.suggest_float(name, 0, 1),
    }
    tuned: Space = {
        "model.fine_tune.learning_rate": lambda trial, name: trial.suggest_float(name, 2e-5, 2e-4, log=True),
        "model.fine_tune.epochs": lambda trial, name: trial.suggest_int(name, 1, 10),
        "model.fine_tune.dropout": lambda trial, name: trial.suggest_float(name, 0, 0.2),
        "model.fine_tune.class_weight": lambda trial, name: trial.suggest_float(name, 0, 1),
    }
    probe: Space = {"model.fine_tune.class_weight": tuned["model.fine_tune.class_weight"]}
    # The cascade's tiers are best searched one by one, but its second tier decides how good it can be.
    return {"linear": linear, "frozen": probe, "encoder": tuned, "cascade": tuned}[family]


def _loss(trial: Any, space: Space, config: Config, data: Dataset, splits: Splits) -> float:
    import optuna

    settings = config.model_settings() | {"checkpoints": "", "export": "none"}
    for name, propose in space.items():
        _, section, key = name.split(".")
        settings[section] = settings[section] | {key: propose(trial, name)}

    seen = count(1)  # epochs: trials of other lengths are compared epoch by epoch

    def watch(share: float, loss: float | None = None) -> None:
        if loss is not None:
            trial.report(loss, next(seen))
            if trial.should_prune():
                raise optuna.TrialPruned

    learnt, held_out = data.take(splits.train), data.take(splits.calibration)
    model = TriageModel.fit(data.schema, *learnt, settings, config.seed, watch, held_out)
    return log_loss(data.schema, model.logits(held_out[0]), held_out[1])
