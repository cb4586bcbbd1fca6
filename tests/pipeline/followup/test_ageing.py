"""Ageing: under more work than a team can do, everybody is called in the end, and no later than a bound says."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.followup.clock import Clock
from pipeline.followup.policy import Policy

MONDAY, DAY, MINUTE = datetime(2026, 1, 5, tzinfo=UTC), timedelta(days=1), timedelta(minutes=1)
CALLS = 48  # in a working day: one every ten minutes from nine to five
LOAD = 1.5
BETWEEN = 7 * DAY / (5 * CALLS * LOAD)  # arrivals come day and night, also at the weekend
ARRIVING, WATCHED = 90 * DAY, 190 * DAY
# share of the cases, and the priorities that such a case has
KINDS = {"critical": (3, 75, 100), "high": (17, 50, 95), "normal": (50, 20, 75), "low": (30, 0, 45)}


@dataclass(frozen=True, order=True)
class Waiting:
    """A case; the one to be called first is the smallest."""

    place: float
    number: int
    urgency: str
    priority: float
    at: datetime
    due: datetime


@cache
def clock(pace: float) -> Clock:
    return Clock(Policy(ageing_points_per_day=pace))


def arrivals(pace: float) -> list[Waiting]:
    drawn, found = random.Random(2026), []
    kinds = drawn.choices(list(KINDS), [share for share, _, _ in KINDS.values()], k=int(WATCHED / BETWEEN))
    for number, urgency in enumerate(kinds):
        at, (_, low, high) = MONDAY + number * BETWEEN, KINDS[urgency]
        priority, due = drawn.uniform(low, high), clock(pace).due({"urgency": urgency}, at)
        found.append(Waiting(-clock(pace).standing(priority, due), number, urgency, priority, at, due))
    return found


@cache
def waits(pace: float) -> dict[Waiting, timedelta | None]:
    """Return how long each case of the first 90 days waited for its call; None where it waits after 190 days still.

    Cases go on arriving at the same pace all the while: there is no calm in which to catch up.
    """
    coming, queue = arrivals(pace), []
    waited: dict[Waiting, timedelta | None] = {case: None for case in coming if case.at < MONDAY + ARRIVING}
    position = 0
    for day in range(WATCHED // DAY):
        for slot in range(CALLS):
            now = MONDAY + day * DAY + timedelta(hours=9) + slot * 10 * MINUTE
            if not clock(pace).calendar.is_open(now):
                continue
            while position < len(coming) and coming[position].at <= now:
                heapq.heappush(queue, coming[position])
                position += 1
            if queue:
                called = heapq.heappop(queue)
                if called in waited:
                    waited[called] = now - called.at
    return waited


def longest(pace: float, case: Waiting, allowed: timedelta) -> timedelta:
    """Return the bound on the wait of a case.

    Before it are called, at most, those who came until `horizon`: whoever comes later is due after that, and no
    priority outweighs ``100 / pace`` days. They are called at the team's pace, which takes `LOAD` times as long as
    their coming did. The day is for the nights: work that begins at nine on Monday is never more than that behind.
    """
    horizon = case.at - MONDAY + allowed + 100 / pace * DAY
    return LOAD * horizon + DAY - (case.at - MONDAY)


@pytest.mark.parametrize("pace", [5.0, 10.0, 25.0])
def test_everybody_is_called_within_the_bound(pace: float) -> None:
    waited = waits(pace)
    assert len(waited) > 4_000
    allowed = max(case.due - case.at for case in waited)
    for case, wait in waited.items():
        assert wait is not None, f"nobody called case {case.number}"
        assert wait <= longest(pace, case, allowed)


def test_without_ageing_some_are_never_called() -> None:
    starved = [case for case, wait in waits(0.0).items() if wait is None]
    assert len(starved) > 500
    assert {case.urgency for case in starved} <= {"low", "normal"}
    assert max(case.priority for case in starved) < 50


def test_urgent_cases_are_called_before_others_all_the_same() -> None:
    waited = waits(10.0)

    def middle(urgency: str) -> timedelta:
        found = sorted(wait for case, wait in waited.items() if case.urgency == urgency and wait is not None)
        return found[len(found) // 2]

    assert middle("critical") < middle("high") < middle("normal") < middle("low")


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.5, 50), st.floats(0.001, 1_000))
def test_who_comes_a_hundred_points_later_stands_behind_whatever_their_priority(
    early: float, late: float, pace: float, later: float
) -> None:
    due = MONDAY + 3 * DAY
    after = due + (100 / pace + later) * DAY
    assert clock(pace).standing(late, after) < clock(pace).standing(early, due)


def test_a_case_gains_its_points_by_the_day_once_it_is_late() -> None:
    due = MONDAY
    assert clock(10.0).aged(due, due - DAY) == 0.0
    assert clock(10.0).aged(due, due + DAY / 2) == 5.0
    assert clock(0.0).aged(due, due + 9 * DAY) == 0.0
    assert clock(10.0).standing(50.0, due) - clock(10.0).standing(50.0, due + DAY) == pytest.approx(10.0)
    assert clock(0.0).standing(50.0, due) == clock(0.0).standing(50.0, due + 99 * DAY) == 50.0
