"""Floors of quality on public sets, which lie beside the checkout and are no part of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.targets import Target
from pipeline.config import Config, load, resolve
from pipeline.learning.audit.suspects import suspects
from pipeline.learning.dataset import Dataset, load_dataset
from pipeline.learning.splits import Splits, split
from pipeline.learning.training import train

FLOORS = {
    "airline": {("sentiment", "macro_f1"): 0.71, ("complaint_type", "macro_f1"): 0.54},
    "banking77": {("intent", "accuracy"): 0.91},
    "womens_clothing": {("recommended", "roc_auc"): 0.93},
}


def public(name: str) -> tuple[Config, Dataset, Splits]:
    """Return a public set and its splits; the test skips where it is not beside this checkout."""
    config = load(f"configs/{name}.yaml", ["model.family=linear"])
    if not resolve(config.data.sources[0].path or "").exists():
        pytest.skip("the public sets are not beside this checkout")
    data = load_dataset(config)
    return config, data, split(data, config.data.split)


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("name", FLOORS)
def test_family_linear_reaches_its_published_figures(name: str) -> None:
    config, data, sides = public(name)
    report = train(data, sides, config, None).report
    for (head, metric), floor in FLOORS[name].items():
        assert report[head].figures[metric].value >= floor, f"{name} {head} {metric}"
    for head, measured in report.items():
        if data.targets[head].known[sides.calibration].sum() >= 1_000:
            assert measured.figures["ece"].value <= 0.03, f"{name} {head} is not calibrated"


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("name", ["airline", "banking77"])
def test_planted_wrong_labels_are_in_the_first_part_of_the_audit(name: str) -> None:
    """Of 5% wrong labels, 60% are among the first 8% of the rows."""
    config, data, sides = public(name)
    head = data.schema.heads[0]
    target = data.targets[head.name]
    random = np.random.default_rng(11)
    wrong = random.permutation(np.flatnonzero(target.known))[: int(target.known.sum()) // 20]
    truth = target.truth.copy()
    for row in wrong:
        truth[row] = np.roll(truth[row], random.integers(1, head.width))
    planted = {**data.targets, head.name: Target(target.known, truth)}
    found = suspects(replace(data, targets=planted), sides.group, config)
    first = [one.row for one in found if one.head == head.name][: int(0.08 * target.known.sum())]
    assert np.isin(wrong, first).mean() >= 0.6
