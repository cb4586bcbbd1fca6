"""Whether stated doubt is honest: calibration error, coverage of prediction sets, and promises kept, over re-splits.

    python -m benchmarks.honesty                      family linear on three public sets, 200 re-splits of held-out rows
    python -m benchmarks.honesty --family cascade --sets nhs_fft

A model is fitted once on the train side. The held-out rows, calibration and test side together, are then divided anew
200 times: on one part the model is calibrated, on the other it is judged. Groups (customers, same texts) stay whole.
A family that is fitted with held-out rows at hand, to stop and to choose, gets a fixed half of them, as in training;
each time it is calibrated on a half of that half and judged on a half of the other.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from benchmarks.machine import record
from benchmarks.sets import public
from models.calibrating import BALANCE, choose, lifted
from models.calibration import of_heads
from models.doubt import least_probability
from models.promise import Evidence, histogram
from models.triage import TriageModel
from pipeline.learning.evaluation import calibration_error

SETS = ("airline", "womens_clothing", "nhs_fft")
# The answer to "how was your experience" stands in for a score from 0 to 10, as in ingest.
EXTRA = {"nhs_fft": ("labels.heads.detractor.kind=binary", "labels.heads.detractor.derive=nps <= 6")}
RESPLITS, CALLS = 200, 86


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS), help="which sets (default: %(default)s)")
    parser.add_argument("--family", default="linear", help="which family (default: %(default)s)")
    parser.add_argument("--resplits", type=int, default=RESPLITS, help="(default: %(default)s)")
    options = parser.parse_args()
    lines = [
        "| set, head | calibration rows | method | ECE (target 0.02 from 2,000 rows) | coverage of 90% sets (target "
        "88.5-91.5%) | labels in a set | promise kept (target 90%) | promised of true |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in options.sets.split(","):
        lines += judged(name, options.family, options.resplits)
    record(f"Honest doubt: family {options.family}", [f"{options.resplits} re-splits, {CALLS} calls.", "", *lines])


def judged(name: str, family: str, resplits: int) -> list[str]:
    """Return a line for every head of a set."""
    # A time split tells about drift, not about calibration: its held-out rows are cut from the train side by hash.
    task = public(name, f"model.family={family}", "data.split.calibration=0.4", *EXTRA.get(name, ()))(7)
    random_test = not task.sides.excluded
    rows = np.concatenate([task.sides.calibration, task.sides.test]) if random_test else task.sides.calibration
    group = task.sides.group[rows]
    seen = np.random.default_rng(0).random(group.max() + 1)[group] < 0.5
    if family == "linear":
        seen[:] = True
    settings = task.config.model_settings() | {"family": family, "checkpoints": ""}
    train, held_out = task.data.take(task.sides.train), task.data.take(rows[seen])
    model = TriageModel.fit(task.data.schema, *train, settings, 7, held_out=held_out)
    fresh = np.ones(len(rows), bool) if family == "linear" else ~seen
    texts, targets = task.data.take(rows)
    logits = model.logits(texts)
    return [
        line(f"{name}, {head.name}", head, part, targets[head.name], (group, seen, fresh), resplits)
        for head, part in zip(task.data.schema, of_heads(task.data.schema, logits), strict=True)
        if head.kind != "multilabel"
    ]


def line(title: str, head, logits, target, sides, resplits: int) -> str:  # noqa: ANN001
    """Return what one head's held-out rows say over all re-splits.

    `sides` are the group of every row, and whether it may be calibrated on, and judged on.
    """
    known = np.flatnonzero(target.known)
    logits, target = logits[known], target.take(known)
    group, seen, fresh = (part[known] for part in sides)
    methods: Counter[str] = Counter()
    errors, covered, sizes, kept, promised = [], [], [], [], []
    counts = []
    for seed in range(resplits):
        numbers = np.unique(group)
        ours = np.random.default_rng(seed).random(numbers.max() + 1) < 0.5
        one, two = np.flatnonzero(ours[group] & seen), np.flatnonzero(~ours[group] & fresh)
        fitted, out = choose(head, logits[one], target.take(one))
        fitted = lifted(fitted, head, out, BALANCE)
        methods[fitted.method] += 1
        likely, truth = fitted(head, logits[two]), target.truth[two]
        counts.append(len(one))
        if head.exclusive:
            said = fitted.label(likely)
            stated, right = likely[np.arange(len(two)), said], said == truth.argmax(1)
            least = least_probability(out, target.take(one))
            covered.append(float(((likely * truth).sum(1) >= least).mean()))
            sizes.append(float((likely >= least).sum(1).mean()))
        else:
            stated, right = likely[:, 0], truth[:, 0] > 0
            first = np.argsort(-likely[:, 0])[:CALLS]
            evidence = Evidence(head.name, out[:, 0], target.truth[one][:, 0] > 0)
            made = evidence.promise(likely[first, 0].tolist(), [None] * CALLS, histogram(likely[:, 0]))
            if made.at_least is not None:
                kept.append(made.at_least <= truth[first, 0].sum())
                promised.append(made.at_least / truth[first, 0].sum())
        ones = np.ones((1, len(two)))
        errors.append(float(calibration_error(stated.astype(np.float64), right.astype(np.float64), ones)[0]))
    cells = [
        title, f"{np.mean(counts):,.0f}", ", ".join(methods), f"{np.mean(errors):.3f}",
        f"{np.mean(covered):.1%}" if covered else "", f"{np.mean(sizes):.2f}" if sizes else "",
        f"{np.mean(kept):.1%} of {len(kept)}" if kept else "", f"{np.mean(promised):.0%}" if promised else "",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
