"""Whether heads learn better together: one recipe, joint against one model per head, on the same labels.

    python -m benchmarks.sharing                      airline and the starter corpus, three seeds, all labels
    python -m benchmarks.sharing --kept 0.4           the same after 60% of the labels of every head are taken away

The peer is our own recipe with a single head: anything else would compare recipes. Test side; means over seeds, and the
range of the differences between equal seeds.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.machine import record
from benchmarks.peers import balances, figures_of
from benchmarks.sets import SETS, Task
from models.schema import Head, Schema
from models.scoring import given_labels
from models.targets import Target
from models.triage import TriageModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="airline,starter_0", help="which sets (default: %(default)s)")
    parser.add_argument("--family", default="encoder", help="which family (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each (default: %(default)s)")
    parser.add_argument(
        "--kept", type=float, default=1.0, help="share of every head's labels kept (default: %(default)s)"
    )
    options = parser.parse_args()
    lines = [
        "| set, head | metric | one model per head | joint | difference [range] |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name in options.sets.split(","):
        joint, single = [], []
        for seed in range(7, 7 + options.seeds):
            task = SETS[name](seed)
            targets = thinned(task, options.kept, seed)
            joint.append(trained(task, targets, task.data.schema.heads, options.family, seed))
            single.append({})
            for head in task.data.schema:
                single[-1] |= trained(task, targets, (head,), options.family, seed)
        for key in joint[0]:
            differences = [one[key] - other[key] for one, other in zip(joint, single, strict=True)]
            lines.append(
                f"| {name}, {key.replace(' ', ' | ')} | {np.mean([run[key] for run in single]):.3f} "
                f"| {np.mean([run[key] for run in joint]):.3f} "
                f"| {np.mean(differences):+.3f} [{min(differences):+.3f}, {max(differences):+.3f}] |"
            )
    kept = "all labels" if options.kept == 1 else f"{options.kept:.0%} of the labels kept"
    record(f"Joint against single heads: family {options.family}, {kept}", [f"{options.seeds} seeds.", "", *lines])


def thinned(task: Task, kept: float, seed: int) -> dict[str, Target]:
    """Return the labels with a random share of every head's taken away, of each head independently."""
    random = np.random.default_rng(seed)
    return {
        name: Target(target.known & (random.random(len(target.known)) < kept), target.truth)
        for name, target in task.data.targets.items()
    }


def trained(
    task: Task, targets: dict[str, Target], heads: tuple[Head, ...], family: str, seed: int
) -> dict[str, float]:
    """Return the test figures of one model of some heads, trained on the labels given, judged on all labels."""
    schema, texts = Schema(heads), task.data.texts
    sides = []
    for rows in (task.sides.train, task.sides.calibration):
        rows = rows[np.logical_or.reduce([targets[head.name].known[rows] for head in heads])]
        sides.append(
            ([texts[row] for row in rows.tolist()], {head.name: targets[head.name].take(rows) for head in heads})
        )
    settings = task.config.model_settings() | {"family": family, "checkpoints": "", "export": "none"}
    model = TriageModel.fit(schema, *sides[0], settings, seed, held_out=sides[1])
    model.calibrate(*sides[1], balances(task))
    likely = model.predict(task.test_texts).probabilities
    return figures_of(task, schema, likely, given_labels(model, likely))


if __name__ == "__main__":
    main()
