"""What a model has to beat: the most frequent label, a word list, TF-IDF with logistic regression, and the rating.

And what hardly any can: the ceiling that wrong labels set (`ceiling`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.schema import Head
from pipeline.config import Config

from .audit import Audit
from .audit.audit import sure
from .comparison import HEADLINE
from .dataset import Dataset
from .evaluation import Figure, evaluate
from .splits import Splits

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
_WORD = re.compile(r"[^\W\d_]+")
# Some of the most frequent words of either mood; a list of the size that people write by hand.
GOOD = frozenset(_WORD.findall(
    "good great thanks thank love lovely excellent perfect happy friendly helpful quick easy fast nice best amazing "
    "awesome recommend kind smooth fantastic pleased wonderful clean fine polite brilliant solved super"
))  # fmt: skip
BAD = frozenset(_WORD.findall(
    "bad worst terrible awful horrible rude late broken never nobody cancel cancelled refund wrong slow disappointed "
    "poor waiting again still problem unacceptable useless ignored lost damaged delayed charged error not no"
))  # fmt: skip


def baselines(data: Dataset, splits: Splits, config: Config) -> dict[str, dict[str, Figure]]:
    """Return by baseline and head the headline figure on the test side."""
    texts, targets = data.take(splits.test)
    rated = [data.columns["nps"][row] for row in splits.test]
    said: dict[str, dict[str, Floats]] = {"most frequent label": _frequent(data, splits), "TF-IDF and regression":
        _regressed(data, splits)}  # fmt: skip
    for name, guess in (("word list", _by_words(texts)), ("rating", _by_rating(rated))):
        guessed = {head.name: _read(head, guess, rating=name == "rating") for head in data.schema}
        told = {head: likely for head, likely in guessed.items() if likely is not None}
        if told and not np.isnan(guess).all():
            said[name] = told
    out = {}
    for name, likely in said.items():
        heads = type(data.schema)(tuple(head for head in data.schema if head.name in likely))
        reports = evaluate(
            heads, likely, targets, splits.group[splits.test], resamples=100, seed=config.seed,
            capacity=config.rank.capacity,
        )  # fmt: skip
        out[name] = {head: report.figures[HEADLINE[data.schema[head].kind]] for head, report in reports.items()}
    return out


def _frequent(data: Dataset, splits: Splits) -> dict[str, Floats]:
    """Return the share of every label on the train side, for every row."""
    out = {}
    for head in data.schema:
        target = data.targets[head.name].take(splits.train)
        share = target.truth[target.known].mean(0)
        out[head.name] = np.tile(share, (len(splits.test), 1)).astype(np.float32)
    return out


def _regressed(data: Dataset, splits: Splits) -> dict[str, Floats]:
    """Return what one TF-IDF and balanced logistic regression per head says."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    (learnt, targets), (fresh, _) = data.take(splits.train), data.take(splits.test)
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=200_000)
    inputs, tested = vectors.fit_transform(learnt), vectors.transform(fresh)
    out = {}
    for head in data.schema:
        known = targets[head.name].known
        truth = targets[head.name].truth[known]
        out[head.name] = np.tile(truth.mean(0) if len(truth) else np.zeros(head.width), (len(fresh), 1)).astype("f4")
        if head.exclusive:
            labels = truth.argmax(1)
            if len(np.unique(labels)) > 1:
                model = _regression().fit(inputs[known], labels)
                out[head.name][:] = 0
                out[head.name][:, model.classes_] = model.predict_proba(tested)
            continue
        for place in np.flatnonzero(truth.any(0) & ~truth.all(0)):
            model = _regression().fit(inputs[known], truth[:, place] > 0)
            out[head.name][:, place] = model.predict_proba(tested)[:, 1]
    return out


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(class_weight="balanced", max_iter=300)


def _by_words(texts: Sequence[str]) -> Doubles:
    """Return the mood of each text by counting words, from -1 to 1."""
    told = GOOD | BAD
    found = [[word in GOOD for word in _WORD.findall(text.lower()) if word in told] for text in texts]
    return np.array([2 * float(np.mean(good)) - 1 if good else 0.0 for good in found])


def _by_rating(rated: Sequence[object]) -> Doubles:
    """Return the mood that each customer's own rating states, from -1 to 1; NaN without one."""
    return np.array([np.nan if value is None else (float(str(value)) - 7.5) / 2.5 for value in rated]).clip(-1, 1)


def _read(head: Head, mood: Doubles, *, rating: bool) -> Floats | None:
    """Return the probabilities of a head that a mood stands for; None for heads about something else.

    A head that is derived from the rating is no test of it.
    """
    known = np.nan_to_num(mood)
    if head.kind == "binary" and head.name == "detractor" and not (rating and head.derive):
        return (0.5 - known[:, None] / 2).astype(np.float32)
    if set(head.labels) != {"negative", "neutral", "positive"}:
        return None
    like = {"negative": known < -0.2, "neutral": np.abs(known) <= 0.2, "positive": known > 0.2}
    return np.column_stack([like[label] for label in head.labels]).astype(np.float32)


def ceiling(data: Dataset, audited: Audit) -> dict[str, float]:
    """Return by head the share of labels that are surely not wrong: what a flawless model could score at most."""
    out = {}
    for head in data.schema:
        known = int(data.targets[head.name].known.sum()) * (head.width if head.kind == "multilabel" else 1)
        wrong = len(sure(audited.suspects, head.name))
        out[head.name] = 1 - wrong / max(known, 1)
    return out
