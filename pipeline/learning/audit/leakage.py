"""Leakage: what must not know the labels, and whether it does.

A model of identifiers alone, one of lengths alone, and one that learnt from shuffled labels are trained on the train
side and judged on the test side, against what chance gives there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import of_heads
from models.families.linear import Linear
from models.schema import Head
from models.targets import Target
from models.text import prepare_all
from pipeline.config import Config

from ..dataset import Dataset
from ..splits import Splits
from .findings import Finding, Verdict

Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]
SHUFFLES = 500  # of the test side's labels, for what chance gives
RUNS = 3  # trainings on shuffled labels
ALPHA = 0.001  # one false alarm in a thousand looks
FEWEST = 30  # rows of either side that carry the head


def leakage(data: Dataset, splits: Splits, config: Config) -> Iterator[Finding]:
    """Yield what a model of each kind knows of every head that it should not."""
    ids = [f"{one} {other or ''}" for one, other in zip(data.columns["id"], data.columns["customer_id"], strict=True)]
    heads = [
        head
        for head in data.schema
        if head.kind != "multilabel"
        and min(map(len, _sides(data, splits, head))) >= FEWEST
        and all(len(np.unique(data.targets[head.name].truth[rows], axis=0)) > 1 for rows in _sides(data, splits, head))
    ]
    shuffled = _of_shuffled(data, splits, config) if heads else []
    for head in heads:
        train, test = _sides(data, splits, head)
        target = data.targets[head.name].take(test)
        known = data.targets[head.name].known[splits.test]
        yield _finding("identifiers alone", head, [_of_ids(ids, data, head, train, test)], target, 0.05, "bad")
        yield _finding("lengths alone", head, [_of_lengths(data, head, train, test)], target, 0.15, "look")
        yield _finding("shuffled labels", head, [run[head.name][known] for run in shuffled], target, 0.05, "bad")


def _sides(data: Dataset, splits: Splits, head: Head) -> list[Rows]:
    """Return the rows of the train side and of the test side that carry a head."""
    known = data.targets[head.name].known
    return [rows[known[rows]] for rows in (splits.train, splits.test)]


def _finding(what: str, head: Head, runs: list[Doubles], target: Target, most: float, verdict: Verdict) -> Finding:
    """Return whether the scores of the test side tell more than chance, and more than `most` above it, in every run.

    In every one, because what a single shuffle teaches may go with a label by accident.
    """
    truth = target.truth.argmax(1) if head.exclusive else (target.truth[:, 0] > 0).astype(np.int64)
    said = min((scores.argmax(1) for scores in runs), key=lambda one: _recall(truth, one))
    found, chance = _recall(truth, said), 1 / len(np.unique(truth))
    random = np.random.default_rng(0)
    by_chance = np.quantile([_recall(random.permutation(truth), said) for _ in range(SHUFFLES)], 1 - ALPHA)
    leaks = found > by_chance and found - chance > most
    meaning = "that is more than chance: look for what gives the label away" if leaks else "no more than it may"
    topic = f"leakage into {head.name}: {what}"
    return Finding(topic, verdict if leaks else "good", f"Mean recall {found:.2f}, by chance {chance:.2f}: {meaning}.")


def _recall(truth: Rows, said: Rows) -> float:
    """Return the mean recall of the labels."""
    return float(np.mean([(said[truth == label] == label).mean() for label in np.unique(truth)]))


def _of_ids(ids: list[str], data: Dataset, head: Head, train: Rows, test: Rows) -> Doubles:
    from scipy.sparse import csr_array, hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    counts = HashingVectorizer(analyzer="char", ngram_range=(1, 4), n_features=2**14).transform(ids)
    place = csr_array(np.linspace(-1, 1, len(ids))[:, None])  # a set sorted by its labels gives them away
    return _regressed(csr_array(hstack([counts, place])), data, head, train, test)


def _of_lengths(data: Dataset, head: Head, train: Rows, test: Rows) -> Doubles:
    from sklearn.preprocessing import StandardScaler

    lengths = np.array([[len(text), len(text.split())] for text in data.texts], np.float64)
    return _regressed(StandardScaler().fit_transform(np.log1p(lengths)), data, head, train, test)


def _regressed(inputs: Any, data: Dataset, head: Head, train: Rows, test: Rows) -> Doubles:
    from sklearn.linear_model import LogisticRegression

    truth = data.targets[head.name].truth[train]
    labels = truth.argmax(1) if head.exclusive else (truth[:, 0] > 0).astype(np.int64)
    model = LogisticRegression(class_weight="balanced", max_iter=500).fit(inputs[train], labels)
    out = np.zeros((len(test), max(head.width, 2)))
    out[:, model.classes_] = model.predict_proba(inputs[test])
    return out


def _of_shuffled(data: Dataset, splits: Splits, config: Config) -> list[dict[str, Doubles]]:
    """Return by run the scores of the test side for every head, by a model of texts that learnt others' labels."""
    (learnt, targets), (fresh, _) = data.take(splits.train), data.take(splits.test)
    texts, tested = prepare_all(learnt), prepare_all(fresh)
    settings = config.model_settings() | {"linear": config.model.linear.model_dump() | {"epochs": 4}}
    runs = []
    for run in range(RUNS):
        order = np.random.default_rng(config.seed + run).permutation(len(texts))
        others = {name: target.take(order) for name, target in targets.items()}
        logits = Linear.fit(texts, others, data.schema, settings, config.seed).forward(tested).logits
        parts = zip(data.schema, of_heads(data.schema, logits.astype(np.float32)), strict=True)
        runs.append({head.name: part if head.exclusive else np.column_stack([-part[:, 0], part[:, 0]])
                     for head, part in parts})  # fmt: skip
    return [{name: scores.astype(np.float64) for name, scores in run.items()} for run in runs]
