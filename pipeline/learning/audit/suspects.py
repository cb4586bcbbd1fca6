"""Labels that are probably wrong: those of which a model that never saw the row is surest that they do not hold.

Out-of-fold probabilities by family `linear`, calibrated out of fold as well, ranked by cleanlab (Northcutt, Jiang and
Chuang 2021, confident learning).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.calibrating import out_of_fold
from models.calibration import fit, of_heads
from models.families.linear import Linear
from models.schema import Head
from models.targets import Target
from models.text import prepare_all
from pipeline.config import Config

from ..dataset import Dataset

Doubles = NDArray[np.float64]
FOLDS = 5


@dataclass(frozen=True)
class Suspect:
    """One label that is probably wrong."""

    head: str
    row: int
    given: str
    likely: str
    confidence: float  # of the likely label
    quality: float  # probability of the given label, 0..1: the list is in its order
    recognised: float  # mean probability of that label over the rows that carry it: where it is low, doubt says little


def suspects(
    data: Dataset, group: NDArray[np.int64], config: Config, progress: Callable[[float], None] = lambda _: None
) -> list[Suspect]:
    """Return the labels of all heads that are probably wrong, the surest first."""
    found = []
    logits = _out_of_fold(data, group, config, progress)
    for head, part in zip(data.schema, of_heads(data.schema, logits), strict=True):
        target = data.targets[head.name]
        if target.known.sum() >= FOLDS:
            likely = out_of_fold(head, part, target, fit)
            found += list(
                _of_exclusive(head, likely, target) if head.exclusive else _of_yes_or_no(head, likely, target)
            )
    return sorted(found, key=lambda one: (one.quality, one.row))


def _out_of_fold(
    data: Dataset, group: NDArray[np.int64], config: Config, progress: Callable[[float], None]
) -> NDArray[np.float32]:
    """Return the logits of every row by models that saw none of its group."""
    prepared = prepare_all(data.texts)
    fold = (group * 2_654_435_761 % 1_000_003) % FOLDS
    logits = np.zeros((len(data), sum(head.width for head in data.schema)), np.float32)
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if not len(inside) or not len(outside):
            continue
        targets = {name: target.take(outside) for name, target in data.targets.items()}
        learnt = [prepared[row] for row in outside.tolist()]
        model = Linear.fit(learnt, targets, data.schema, config.model_settings(), config.seed)
        logits[inside] = model.forward([prepared[row] for row in inside.tolist()]).logits
        progress((number + 1) / FOLDS)
    return logits


def _of_exclusive(head: Head, likely: NDArray[np.float32], target: Target) -> Iterator[Suspect]:
    rows = np.flatnonzero(target.known)
    yield from _ranked(head, rows, likely[rows], target.truth[rows].argmax(1), head.labels)


def _of_yes_or_no(head: Head, likely: NDArray[np.float32], target: Target) -> Iterator[Suspect]:
    rows = np.flatnonzero(target.known)
    for place in range(head.width):
        name = head.labels[place] if head.labels else "yes"
        both = np.column_stack([1 - likely[rows, place], likely[rows, place]])
        yield from _ranked(head, rows, both, target.truth[rows, place].astype(np.int64), (f"not {name}", name))


def _ranked(
    head: Head, rows: NDArray[np.int64], likely: NDArray[np.float32], given: NDArray[np.int64], names: tuple[str, ...]
) -> Iterator[Suspect]:
    from cleanlab.rank import get_label_quality_scores

    stated = likely.astype(np.float64)
    stated /= stated.sum(1, keepdims=True)
    quality = get_label_quality_scores(given, stated, method="self_confidence", adjust_pred_probs=False)
    best = stated.argmax(1)
    recognised = [float(stated[given == place, place].mean()) if (given == place).any() else 0.0
                  for place in range(len(names))]  # fmt: skip
    for place in np.flatnonzero(best != given).tolist():
        confidence = float(stated[place, best[place]])
        named = names[given[place]], names[best[place]]
        sure = confidence, float(quality[place]), recognised[given[place]]
        yield Suspect(head.name, int(rows[place]), *named, *sure)
