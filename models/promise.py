"""What a list may promise: "call these 86; at least 61 of them are detractors (90% guarantee)".

Each customer on the list is set against held-out texts of which the truth is known and of which the model was no surer.
How many of those were right bounds how many of the list are, exactly, as a prediction from one binomial sample to
another (Thatcher 1964): no model of the model is needed. It is true in `LEVEL` of nights, provided that

- tonight's texts are like the held-out ones, which is looked at: where the probabilities differ, nothing is promised;
- of two texts, the one of which the model is surer is at least as likely to be right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .schema import Schema
from .targets import Target

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
LEVEL = 0.9
FEWEST = 50  # held-out rows that carry the head
DRIFT = 0.05  # distance of the distributions (Kolmogorov-Smirnov) that is let pass, or what chance may do
BINS = 200


@dataclass(frozen=True)
class Promise:
    """At least `at_least` of `calls` customers are what the head says, or why nothing is promised (`reason`)."""

    head: str
    calls: int
    at_least: int | None = None
    reason: str = ""

    def __str__(self) -> str:
        what = self.head.replace("_", " ")
        if self.at_least is None:
            return f"no promise how many of these {self.calls} are {what}s: {self.reason}"
        return f"call these {self.calls}; at least {self.at_least} of them are {what}s ({LEVEL:.0%} guarantee)"

    def to_json(self) -> dict[str, Any]:
        """Return the promise as plain data."""
        return {"head": self.head, "calls": self.calls, "at_least": self.at_least, "reason": self.reason,
                "level": LEVEL, "said": str(self)}  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """Held-out rows of one yes-or-no head: how likely the model said that each holds, and whether it did."""

    head: str
    likely: Floats
    held: Bools

    @classmethod
    def of_schema(
        cls, schema: Schema, likely: Mapping[str, Floats], targets: Mapping[str, Target]
    ) -> dict[str, Evidence]:
        """Return the evidence of every binary head, for probabilities by maps that were not fitted on these rows."""
        return {
            head.name: cls(head.name, likely[head.name][known, 0], targets[head.name].truth[known, 0] > 0)
            for head in schema
            if head.kind == "binary" and (known := targets[head.name].known) is not None
        }

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as plain numbers."""
        return {"likely": [round(float(value), 5) for value in self.likely], "held": self.held.astype(int).tolist()}

    @classmethod
    def from_json(cls, head: str, data: Mapping[str, Any]) -> Evidence:
        """Return what `to_json` wrote."""
        return cls(head, np.array(data["likely"], np.float32), np.array(data["held"], bool))

    def promise(self, listed: Sequence[float], truths: Sequence[bool | None], tonight: NDArray[np.int64]) -> Promise:
        """Return what may be promised of a list.

        Parameters
        ----------
        listed
            What the model says of each customer on the list, 0..1.
        truths
            What is known of them anyhow; None where nothing is. What is known needs no promise, and counts as it is.
        tonight
            `histogram` of the probabilities of all of tonight's texts.
        """
        calls = len(listed)
        unknown = np.array([value for value, truth in zip(listed, truths, strict=True) if truth is None], np.float32)
        certain = sum(truth is True for truth in truths)
        if not calls:
            return Promise(self.head, 0, None, "nobody is on the list")
        if len(unknown) and len(self.likely) < FEWEST:
            return Promise(self.head, calls, None, f"only {len(self.likely)} held-out texts tell; it takes {FEWEST}")
        if len(unknown) and (why := drift(histogram(self.likely), tonight)):
            return Promise(self.head, calls, None, why)
        peers = _peers(unknown, self.likely)
        if len(peers) < len(unknown):
            return Promise(self.head, calls, None, "the list reaches below what held-out texts tell about")
        return Promise(self.head, calls, certain + lower_bound(int(self.held[peers].sum()), len(peers), len(unknown)))


def lower_bound(hits: int, rows: int, calls: int, level: float = LEVEL) -> int:
    """Return how many of `calls` new draws are hits at least, in `level` of cases, after `hits` of `rows` draws.

    The smallest number that, with the hits seen, would not be too uneven a split of all hits over both samples
    (hypergeometric).
    """
    from scipy.stats import hypergeom

    if not calls:
        return 0
    candidates = np.arange(calls + 1)
    as_many = hypergeom.sf(hits - 1, rows + calls, hits + candidates, rows)
    return int(candidates[np.argmax(as_many > 1 - level)])


def histogram(likely: Floats) -> NDArray[np.int64]:
    """Return how many probabilities are in each of `BINS` equal parts of 0..1; histograms of batches add up."""
    return np.bincount(np.clip((likely * BINS).astype(np.int64), 0, BINS - 1), minlength=BINS)


def drift(before: NDArray[np.int64], now: NDArray[np.int64]) -> str:
    """Return why two histograms are not of the same kind of texts; nothing where they may be."""
    counts = before.sum(), now.sum()
    if not all(counts):
        return "there is nothing to compare tonight's texts with"
    distance = float(np.abs(np.cumsum(before) / counts[0] - np.cumsum(now) / counts[1]).max())
    by_chance = 1.63 * float(np.sqrt(1 / counts[0] + 1 / counts[1]))  # exceeded in 1% of nights without drift
    if distance <= max(DRIFT, by_chance):
        return ""
    return f"tonight's texts are unlike the held-out ones (their distributions are {distance:.0%} apart)"


def _peers(listed: Floats, likely: Floats) -> NDArray[np.int64]:
    """Return a held-out row to set against each customer on the list, of which the model was no surer.

    The surest customer chooses first, the surest row that is left; no row is chosen twice. Several rows a customer
    promise less: they reach further down.
    """
    rows = np.argsort(-likely, kind="stable")
    chosen: list[int] = []
    at = 0
    for value in np.sort(listed)[::-1]:
        at += int(np.searchsorted(-likely[rows[at:]], -value, "left"))
        chosen += rows[at : at + 1].tolist()
        at += 1
    return np.array(chosen, np.int64)
