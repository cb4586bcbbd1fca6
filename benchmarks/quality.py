"""Quality of family `linear` on public sets against TF-IDF and balanced logistic regression, same splits, same run.

The sets lie beside the checkout (../shared/data) and are not part of the project: python -m benchmarks.quality
"""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline

from benchmarks.machine import record
from pipeline.config import load
from pipeline.learning.dataset import load_dataset
from pipeline.learning.splits import split
from pipeline.learning.training import train

TARGETS = {("airline", "sentiment"): "0.71", ("airline", "complaint_type"): "0.54", ("banking77", "intent"): "0.91"}
METRICS = {"airline": "macro_f1", "banking77": "accuracy", "womens_clothing": "macro_f1"}


def main() -> None:
    lines = [
        "Test side of each set's own split; the peer trains on our train and calibration sides together.",
        "",
        "| set, head | metric | Amends `linear` [95%] | TF-IDF 1-2, balanced LR | target | ECE (calibration rows) |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, metric in METRICS.items():
        config = load(f"configs/{name}.yaml", ["model.family=linear"])
        data = load_dataset(config)
        sides = split(data, config.data.split)
        trained = train(data, sides, config, None)
        for head in data.schema:
            figures = trained.report[head.name].figures
            known = data.targets[head.name].known
            held_out = int(known[sides.calibration].sum())
            truth = data.targets[head.name].truth
            labels = truth[:, 0] if head.kind == "binary" else truth.argmax(1)
            theirs = peer(data.texts, labels, known, sides, metric)
            target = TARGETS.get((name, head.name), "")
            lines.append(
                f"| {name}, {head.name} | {metric} | {figures[metric]} | {theirs:.3f} | {target} "
                f"| {figures['ece'].value:.3f} ({held_out}) |"
            )
    record("Family linear: quality on public sets", lines)


def peer(texts: list[str], labels: np.ndarray, known: np.ndarray, sides: object, metric: str) -> float:
    """Return the peer's figure on the test side."""
    learnt = np.concatenate([sides.train, sides.calibration])
    learnt, test = learnt[known[learnt]], sides.test[known[sides.test]]
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(class_weight="balanced", max_iter=300)
    ).fit([texts[row] for row in learnt], labels[learnt])
    said = model.predict([texts[row] for row in test])
    if metric == "accuracy":
        return float(accuracy_score(labels[test], said))
    return float(f1_score(labels[test], said, average="macro"))


if __name__ == "__main__":
    main()
