"""Texts that come again: the same, nearly the same, on both sides of a split, and with labels that contradict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from models.text import prepare_all

from ..dataset import Dataset
from ..splits import SIDES, Splits, near_duplicates, normalise
from .findings import Finding


def duplicates(data: Dataset, splits: Splits) -> Iterator[Finding]:
    """Yield what is found of texts that come again."""
    plain = [normalise(text) for text in prepare_all(data.texts)]
    yield _same(plain)
    yield _near(plain, splits)
    yield from (_contradictions(data, plain, head.name) for head in data.schema)


def _same(plain: list[str]) -> Finding:
    counts = Counter(plain)
    again = len(plain) - len(counts)
    most = max(counts.values())
    said = f"{again:,} rows repeat the words of an earlier one; the most frequent text comes {most:,} times."
    table = [{"times": times, "texts": texts} for times, texts in sorted(Counter(counts.values()).items()) if times > 1]
    return Finding("same texts", "look" if again > 0.05 * len(plain) else "good", said, table[:20])


def _near(plain: list[str], splits: Splits) -> Finding:
    """Return how many texts are nearly the same (MinHash), and that none is on two sides."""
    different = sorted(set(plain))
    pairs = near_duplicates(different)
    side = np.full(len(plain), -1)
    for number, name in enumerate(SIDES):
        side[getattr(splits, name)] = number
    sides_of: dict[str, set[int]] = {}
    for text, place in zip(plain, side.tolist(), strict=True):
        sides_of.setdefault(text, set()).add(place)
    across = sum(
        1
        for one, other in pairs
        if len((sides_of[different[one]] | sides_of[different[other]]) - {-1}) > 1
    )  # fmt: skip
    across += sum(len(places - {-1}) > 1 for places in sides_of.values())
    said = f"{len(pairs):,} pairs of texts are nearly the same; {across:,} are on two sides of the split."
    return Finding("near duplicates", "bad" if across else "good", said)


def _contradictions(data: Dataset, plain: list[str], name: str) -> Finding:
    """Return how many rows carry another label of a head than an earlier row of the same words."""
    target = data.targets[name]
    labels: dict[str, Counter[bytes]] = {}
    for row in np.flatnonzero(target.known).tolist():
        labels.setdefault(plain[row], Counter())[target.truth[row].tobytes()] += 1
    wrong = sum(sum(counts.values()) - max(counts.values()) for counts in labels.values())
    again = sum(sum(counts.values()) - 1 for counts in labels.values())
    said = (
        f"Of {again:,} rows that repeat an earlier text, {wrong:,} carry another label of {name} than most of the same."
    )
    return Finding(f"contradictions in {name}", "look" if wrong > max(0.02 * again, 3) else "good", said)
