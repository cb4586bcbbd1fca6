"""Whether stated doubt is honest: calibration error, coverage of prediction sets, and promises kept, over re-splits.

    python -m benchmarks.honesty                      family linear on three public sets, 200 re-splits of held-out rows

A model is fitted once on the train side. The held-out rows, calibration and test side together, are then divided anew
200 times: on one part the model is calibrated, on the other it is judged. Groups (customers, same texts) stay whole.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from benchmarks.machine import record
from benchmarks.sets import Task, public
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
    parser.add_argument("--resplits", type=int, default=RESPLITS, help="(default: %(default)s)")
    options = parser.parse_args()
    lines = [
        "| set, head | calibration rows | method | ECE (target 0.02 from 2,000 rows) | coverage of 90% sets (target "
        "88.5-91.5%) | labels in a set | promise kept (target 90%) | promised of true |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in options.sets.split(","):
        lines += judged(name, options.resplits)
    record("Honest doubt: family linear", [f"{options.resplits} re-splits, {CALLS} calls.", "", *lines])


def judged(name: str, resplits: int) -> list[str]:
    """Return a line for every head of a set."""
    # A time split tells about drift, not about calibration: its held-out rows are cut from the train side by hash.
    task = public(name, "model.family=linear", "data.split.calibration=0.4", *EXTRA.get(name, ()))(7)
    random_test = not task.sides.excluded
    rows = np.concatenate([task.sides.calibration, task.sides.test]) if random_test else task.sides.calibration
    settings = task.config.model_settings() | {"family": "linear"}
    model = TriageModel.fit(task.data.schema, *task.data.take(task.sides.train), settings, 7)
    texts, targets = task.data.take(rows)
    logits = model.logits(texts)
    return [
        line(task, f"{name}, {head.name}", head, part, targets[head.name], task.sides.group[rows], resplits)
        for head, part in zip(task.data.schema, of_heads(task.data.schema, logits), strict=True)
        if head.kind != "multilabel"
    ]


def line(task: Task, title: str, head, logits, target, group, resplits: int) -> str:  # noqa: ANN001
    """Return what one head's held-out rows say over all re-splits."""
    known = np.flatnonzero(target.known)
    logits, target, group = logits[known], target.take(known), group[known]
    methods: Counter[str] = Counter()
    errors, covered, sizes, kept, promised = [], [], [], [], []
    counts = []
    for seed in range(resplits):
        numbers = np.unique(group)
        ours = np.random.default_rng(seed).random(numbers.max() + 1) < 0.5
        one, two = np.flatnonzero(ours[group]), np.flatnonzero(~ours[group])
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
