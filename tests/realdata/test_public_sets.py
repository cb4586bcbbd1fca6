"""Floors of quality on public sets, which lie beside the checkout and are no part of it."""

from __future__ import annotations

import pytest

from pipeline.config import load, resolve
from pipeline.learning.dataset import load_dataset
from pipeline.learning.splits import split
from pipeline.learning.training import train

FLOORS = {
    "airline": {("sentiment", "macro_f1"): 0.71, ("complaint_type", "macro_f1"): 0.54},
    "banking77": {("intent", "accuracy"): 0.91},
    "womens_clothing": {("recommended", "roc_auc"): 0.93},
}


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("name", FLOORS)
def test_family_linear_reaches_its_published_figures(name: str) -> None:
    config = load(f"configs/{name}.yaml", ["model.family=linear"])
    if not resolve(config.data.sources[0].path).exists():
        pytest.skip("the public sets are not beside this checkout")
    data = load_dataset(config)
    sides = split(data, config.data.split)
    report = train(data, sides, config, None).report
    for (head, metric), floor in FLOORS[name].items():
        assert report[head].figures[metric].value >= floor, f"{name} {head} {metric}"
    for head, measured in report.items():
        if data.targets[head].known[sides.calibration].sum() >= 1_000:
            assert measured.figures["ece"].value <= 0.03, f"{name} {head} is not calibrated"
