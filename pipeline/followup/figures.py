"""Figures about cases, with what is not known of them: shares, times to a first contact, answers before and after.

A figure of fewer than `LEAST` cases is not told: it would be noise, and speak of single people.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from scipy.special import stdtrit

LEAST = 5
DAY = 24 * 60  # in minutes
_Z = 1.959963984540054  # 95% of a normal distribution lie within so many standard deviations
_PROMOTER, _DETRACTOR = 9, 6


@dataclass(frozen=True)
class Rate:
    """`hits` of `of` cases; the share and its 95% interval are None where there are fewer than `LEAST` cases."""

    hits: int
    of: int

    @property
    def share(self) -> float | None:
        """The share, 0 to 1."""
        return self.hits / self.of if self.of >= LEAST else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of the share (Wilson 1927, "Probable inference, the law of succession")."""
        if self.of < LEAST:
            return None
        share, weight = self.hits / self.of, _Z * _Z / self.of
        middle = (share + weight / 2) / (1 + weight)
        reach = _Z / (1 + weight) * math.sqrt(share * (1 - share) / self.of + weight / self.of / 4)
        return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True)
class Contact:
    """How soon customers heard from a person, in minutes rounded up; who never did counts as later than everybody.

    `median` and `p90` are None where the time lies beyond those who were contacted, or there are too few cases.
    Of those `never` contacted, `waiting` are still open, and `fresh` of these for less than a day.
    """

    median: timedelta | None
    p90: timedelta | None
    within_day: Rate
    within_two_days: Rate
    never: int
    waiting: int
    fresh: int


@dataclass(frozen=True)
class Change:
    """What the same persons answered before the call and after it, 0 to 10 each, one pair per person.

    `net_before` and `net_after` are the share of promoters less that of detractors, -100 to 100. `interval` is the 95%
    interval of the mean change. All but the counts are None for fewer than `LEAST` persons.
    """

    persons: int
    up: Rate
    same: Rate
    down: Rate
    before: float | None = None
    after: float | None = None
    change: float | None = None
    interval: tuple[float, float] | None = None
    net_before: float | None = None
    net_after: float | None = None


@dataclass(frozen=True)
class Worth:
    """What customers who were kept are worth, and those lost; each counts once, by their latest case so decided.

    `kept_unknown` and `lost_unknown` count the customers whose value nobody knows; they add nothing.
    """

    kept: float
    lost: float
    kept_unknown: int
    lost_unknown: int


def contact(minutes: Mapping[int, int], cases: int, waiting: int, fresh: int) -> Contact:
    """Return how soon `cases` were contacted, of which `minutes` has, per time that it took, how many took so long."""
    ordered = sorted(minutes.items())

    def within(most: int) -> Rate:
        return Rate(sum(count for minute, count in ordered if minute <= most), cases)

    def quantile(share: float) -> timedelta | None:
        # The smallest time that at least this share did not exceed (Hyndman and Fan 1996, "Sample quantiles", type 1):
        # a time that was really taken, and the only kind that needs not know the later ones.
        left = math.ceil(share * cases - 1e-9)
        for minute, count in ordered if cases >= LEAST else ():
            left -= count
            if left <= 0:
                return timedelta(minutes=minute)
        return None

    never = cases - sum(minutes.values())
    return Contact(quantile(0.5), quantile(0.9), within(DAY), within(2 * DAY), never, waiting, fresh)


def change(pairs: Mapping[tuple[float, float], int]) -> Change:
    """Return what became of the answers of persons, of which `pairs` has, per answer before and after, how many."""
    persons = sum(pairs.values())
    up, same, down = (
        Rate(sum(count for (before, after), count in pairs.items() if sign(before, after)), persons)
        for sign in (operator.lt, operator.eq, operator.gt)
    )
    if persons < LEAST:
        return Change(persons, up, same, down)
    before = sum(pair[0] * count for pair, count in pairs.items()) / persons
    after = sum(pair[1] * count for pair, count in pairs.items()) / persons
    mean = after - before
    squares = sum((pair[1] - pair[0] - mean) ** 2 * count for pair, count in pairs.items())
    # Paired differences (Student 1908, "The probable error of a mean").
    reach = float(stdtrit(persons - 1, 0.975)) * math.sqrt(squares / (persons - 1) / persons)
    return Change(
        persons, up, same, down, before, after, mean, (mean - reach, mean + reach), _net(pairs, 0), _net(pairs, 1)
    )


def _net(pairs: Mapping[tuple[float, float], int], side: int) -> float:
    promoters = sum(count for pair, count in pairs.items() if pair[side] >= _PROMOTER)
    detractors = sum(count for pair, count in pairs.items() if pair[side] <= _DETRACTOR)
    return 100 * (promoters - detractors) / sum(pairs.values())
