"""Rows per CPU-second of family `linear`, all heads from raw text, against the usual recipe.

The usual recipe is one scikit-learn pipeline per head: TF-IDF of words 1-2 and characters-in-words 3-5, then logistic
regression. Both are trained on the starter corpus and score the same texts, on one core, in the same run:
python -m benchmarks.throughput
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.machine import record
from models.triage import TriageModel
from pipeline.config import load
from pipeline.learning.dataset import Dataset, load_dataset
from pipeline.learning.splits import split

ROWS = 20_000
ROUNDS = 5


def usual_recipe(data: Dataset, rows: np.ndarray) -> Callable[[Sequence[str]], None]:
    """Return what predicts every head, each with a pipeline of its own."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline, make_union

    pipelines = []
    texts, targets = data.take(rows)
    for head in data.schema:
        known = np.flatnonzero(targets[head.name].known)
        truth = targets[head.name].truth[known]
        labels = truth if head.kind == "multilabel" else truth[:, 0] if head.kind == "binary" else truth.argmax(1)
        features = make_union(
            TfidfVectorizer(ngram_range=(1, 2)), TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5))
        )
        learner = LogisticRegression(class_weight="balanced", max_iter=200)
        learner = OneVsRestClassifier(learner) if head.kind == "multilabel" else learner
        pipelines.append(make_pipeline(features, learner).fit([texts[row] for row in known], labels))

    def predict(batch: Sequence[str]) -> None:
        for pipeline in pipelines:
            pipeline.predict_proba(batch)

    return predict


def seconds(predict: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Return the CPU seconds that `predict` takes for `texts`."""
    start = time.process_time()
    predict(texts)
    return time.process_time() - start


def main() -> None:
    config = load(overrides=["model.family=linear"])
    data = load_dataset(config)
    train = split(data, config.data.split).train
    model = TriageModel.fit(data.schema, *data.take(train), config.model.model_dump(), config.seed)
    recipe = usual_recipe(data, train)
    texts = (data.texts * (ROWS // len(data) + 1))[:ROWS]
    short = texts[: ROWS // 10]
    seconds(model.predict, short)
    ours, theirs, ratios = [], [], []
    for _ in range(ROUNDS):
        ours.append(len(texts) / seconds(model.predict, texts))
        theirs.append(len(short) / seconds(recipe, short))
        ratios.append(ours[-1] / theirs[-1])
    record(
        "Family linear: throughput of all five heads from raw text, one core",
        [
            f"{ROWS:,} texts of the starter corpus (median {int(np.median([len(t) for t in texts]))} characters), "
            f"median of {ROUNDS} rounds in turn, range in brackets.",
            "",
            "| | rows per CPU-second |",
            "| --- | ---: |",
            f"| Amends `linear`, masking and folding included | {np.median(ours):,.0f} "
            f"[{min(ours):,.0f}, {max(ours):,.0f}] |",
            f"| scikit-learn, one TF-IDF + LR pipeline per head | {np.median(theirs):,.0f} "
            f"[{min(theirs):,.0f}, {max(theirs):,.0f}] |",
            f"| **ratio** | **{np.median(ratios):.1f}** [{min(ratios):.1f}, {max(ratios):.1f}] (target 10) |",
        ],
    )


if __name__ == "__main__":
    main()
