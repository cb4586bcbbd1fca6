"""Shares that are shown with one decimal and still add up to the shown whole."""

from __future__ import annotations

import math
from collections.abc import Sequence


def tenths(whole: float, parts: Sequence[float]) -> list[int]:
    """Return `parts` in tenths so that they add up to `whole` in tenths (largest remainder).

    Each differs from its true value by less than one tenth where the parts add up to the whole; where they do not,
    one more entry at the end holds the rest.
    """
    total = in_tenths(whole)
    rest = whole - math.fsum(parts)
    if abs(rest) > 0.05:
        parts = [*parts, rest]
    floors = [math.floor(part * 10) for part in parts]
    missing = total - sum(floors)
    by_remainder = sorted(range(len(parts)), key=lambda n: (floors[n] - parts[n] * 10, n))
    # What is missing is never more than one each, save for parts that miss the whole by a rounding error.
    for turn in range(abs(missing)) if parts else ():
        place = by_remainder[turn % len(parts)] if missing > 0 else by_remainder[-1 - turn % len(parts)]
        floors[place] += 1 if missing > 0 else -1
    return floors


def in_tenths(value: float) -> int:
    """Return `value` in tenths, rounded as it is shown."""
    return round(value * 10)
