"""What a few labels are worth: banking77 with 10 and 16 labels a class, and one's own few hundred beside the starter.

    python -m benchmarks.few_labels
    python -m benchmarks.few_labels --family linear --own-only       without banking77, quickly

Peers in the same run: frozen MiniLM with logistic regression on the same labels; either source of labels alone.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from benchmarks.machine import record
from benchmarks.peers import figures_of
from benchmarks.sets import SETS, Task
from models.scoring import given_labels
from models.triage import TriageModel

SEEDS = (7, 8, 9)
OWN = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="encoder", help="which family (default: %(default)s)")
    parser.add_argument("--own-only", action="store_true", help="leave out banking77")
    options = parser.parse_args()
    own = own_beside_starter(options.family)
    record(
        f"One's own labels beside the starter corpus: family {options.family}", ["Three folds of industries.", "", *own]
    )
    if options.own_only:
        return
    lines = [
        "| what is learnt from | metric | frozen MiniLM + LR | Amends `encoder` | target |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for shots, target in ((10, "0.85"), (16, "")):
        runs = [few_shot(SETS["banking77"](seed), shots, seed) for seed in SEEDS]
        means = {family: float(np.mean([run[family] for run in runs])) for family in runs[0]}
        lines.append(
            f"| banking77, {shots} labels a class | accuracy | {means['frozen']:.3f} | {means['encoder']:.3f} "
            f"| {target} |"
        )
    record(
        "Few labels",
        [f"Test side, mean of {len(SEEDS)} draws.", "", *lines],
    )


def few_shot(task: Task, shots: int, seed: int) -> dict[str, float]:
    """Return the accuracy by family of what learns from `shots` labels a class, and nothing else."""
    random = np.random.default_rng(seed)
    truth = task.data.targets["intent"].truth.argmax(1)
    rows = task.learnt
    chosen = np.concatenate([random.permutation(rows[truth[rows] == label])[:shots] for label in np.unique(truth)])
    return {family: fitted(task, chosen, family, seed)["intent accuracy"] for family in ("frozen", "encoder")}


def fitted(task: Task, rows: np.ndarray, family: str, seed: int) -> dict[str, float]:
    settings = task.config.model_settings() | {"family": family, "checkpoints": "", "export": "none"}
    model = TriageModel.fit(task.data.schema, *task.data.take(rows), settings, seed)
    likely = model.predict(task.test_texts).probabilities
    return figures_of(task, task.data.schema, likely, given_labels(model, likely))


def own_beside_starter(family: str) -> list[str]:
    """Return lines: the starter corpus alone, `OWN` labels of the industries left out alone, and both together."""
    rows: dict[str, list[dict[str, float]]] = {"starter alone": [], "own alone": [], "both": []}
    for fold in range(3):
        task = SETS[f"starter_{fold}"](7)
        test = np.random.default_rng(7).permutation(task.sides.test)
        own, rest = test[:OWN], test[OWN:]
        kept = Task(task.config, task.data, replace(task.sides, test=rest))
        for name, chosen in (("starter alone", task.learnt), ("own alone", own), ("both", np.append(task.learnt, own))):
            rows[name].append(fitted(kept, chosen, family, 7))
    keys = list(rows["both"][0])
    lines = [f"| {OWN} labels of new industries and the starter corpus | " + " | ".join(keys) + " |",
             "| --- |" + " ---: |" * len(keys)]  # fmt: skip
    return lines + [
        f"| {name} | " + " | ".join(f"{np.mean([run[key] for run in runs]):.3f}" for key in keys) + " |"
        for name, runs in rows.items()
    ]


if __name__ == "__main__":
    main()
