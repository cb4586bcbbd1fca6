"""Search: trials on held-out rows, nested in one run, going on where they stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.families import FAMILIES
from pipeline.config import Config, ConfigError
from pipeline.learning.dataset import Dataset
from pipeline.learning.search import search, space_of
from pipeline.learning.splits import split
from pipeline.registry import connect


@pytest.fixture
def small(tmp_path: Path) -> Config:
    return Config.model_validate(
        {
            "model": {"family": "linear", "checkpoints": str(tmp_path / "checkpoints")},
            "tracking": {"uri": f"sqlite:///{tmp_path}/mlflow.db"},
        }
    )


def test_a_search_goes_on_where_it_stopped(small: Config, corpus: Dataset) -> None:
    import mlflow

    sides = split(corpus, small.data.split)
    sides = type(sides)(sides.train[:300], sides.calibration, sides.test, sides.group, {})
    connect(small)
    first = search(small, corpus, sides, 2)
    again = search(small, corpus, sides, 3)
    assert (first.trials, again.trials) == (2, 3)
    assert 0 < again.loss <= first.loss
    assert set(again.settings) == set(space_of("linear"))
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    trials = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert (len(parents), len(trials)) == (1, 3)
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parents[0].info.run_id}
    assert min(run.data.metrics["log_loss"] for run in trials) == pytest.approx(again.loss)


@pytest.mark.slow
def test_a_search_goes_on_in_another_store(small: Config, corpus: Dataset, tmp_path: Path) -> None:
    """Its trials lie beside the checkpoints; the run that held them may be in a store that is not in use now."""
    sides = split(corpus, small.data.split)
    sides = type(sides)(sides.train[:300], sides.calibration, sides.test, sides.group, {})
    search(small, corpus, sides, 1)
    tracking = small.tracking.model_copy(update={"uri": f"sqlite:///{tmp_path}/other/mlflow.db"})
    assert search(small.model_copy(update={"tracking": tracking}), corpus, sides, 2).trials == 2


def test_what_was_found_can_be_set(small: Config) -> None:
    assert small.overridden(["model.linear.epochs=7"]).model.linear.epochs == 7


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_something_to_search_for(family: str) -> None:
    settings = Config().model.model_dump()
    for name in space_of(family):
        _, section, key = name.split(".")
        assert key in settings[section]


def test_a_search_without_trials_is_refused(small: Config, corpus: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"^--search takes a number of trials from 1 on; got -1$"):
        search(small, corpus, split(corpus, small.data.split), -1)
