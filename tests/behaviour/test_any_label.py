"""Whatever labels a set has are enough to learn from: a score alone, or each head on a share of the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.targets import Target
from models.triage import TriageModel
from pipeline.config import ROOT, Config
from pipeline.learning.dataset import Dataset, load_dataset
from pipeline.learning.splits import split
from pipeline.learning.training import train

DETRACTOR = {"heads": {"detractor": {"kind": "binary", "derive": "nps <= 6"}}}


@pytest.mark.parametrize("score", ["nps", "rating"])
def test_a_score_alone_trains_a_detractor_head(score: str, write_lines: Callable[..., Path]) -> None:
    rows = []
    for part in sorted((ROOT / "data" / "starter").glob("*.jsonl")):
        for line in part.read_text("utf-8").splitlines():
            row = json.loads(line)
            if row.get("nps") is not None:
                value = row["nps"] if score == "nps" else 1 + round(row["nps"] * 0.4)
                rows.append({"id": str(len(rows)), "text": row["text"], score: value})
    config = Config.model_validate(
        {
            "data": {"sources": [{"path": str(write_lines("scores.jsonl", rows))}]},
            "labels": DETRACTOR,
            "model": {"family": "linear"},
            "evaluation": {"bootstrap": 50},
        }
    )
    data = load_dataset(config)
    report = train(data, split(data, config.data.split), config, None).report
    assert list(report) == ["detractor"]
    assert report["detractor"].figures["roc_auc"].value > 0.72


def test_every_head_still_learns_after_most_of_its_labels_are_gone(corpus: Dataset) -> None:
    """Of each head 60% of the labels go, at random: hardly a row is left that carries them all."""
    random = np.random.default_rng(5)
    config = Config.model_validate({"model": {"family": "linear"}})
    sides = split(corpus, config.data.split)
    texts, targets = corpus.take(sides.train)
    thinned = {
        name: Target(target.known & (random.random(len(texts)) < 0.4), target.truth) for name, target in targets.items()
    }
    everything = np.logical_and.reduce([target.known for target in thinned.values()])
    assert everything.mean() < 0.1
    model = TriageModel.fit(corpus.schema, texts, thinned, config.model_settings(), 7)
    fresh, truth = corpus.take(sides.test)
    likely = model.predict(fresh).probabilities
    for head in corpus.schema:
        if head.exclusive:
            known = truth[head.name].known
            said, held = likely[head.name][known].argmax(1), truth[head.name].truth[known].argmax(1)
            assert (said == held).mean() > np.bincount(held).max() / len(held) + 0.05
