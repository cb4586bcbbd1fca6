"""Moments as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_STEPS = (
    (timedelta(hours=1), timedelta(minutes=1), "min"),
    (timedelta(days=2), timedelta(hours=1), "h"),
    (timedelta(days=21), timedelta(days=1), "days"),
    (timedelta(days=84), timedelta(days=7), "weeks"),
    (timedelta(days=731), timedelta(days=30.44), "months"),  # 730 days are not yet two years of 365.25
    (timedelta.max, timedelta(days=365.25), "years"),
)


class When(NamedTuple):
    """A moment for a page: for machines, in full, and how long ago it was."""

    iso: str
    exact: str
    ago: str


def when(moment: datetime, now: datetime) -> When:
    """Return `moment` as a page shows it at `now`."""
    utc = moment.astimezone(UTC)
    exact = f"{utc.day} {utc:%b} {utc.year}, {utc:%H:%M} UTC"
    return When(utc.isoformat(timespec="seconds"), exact, _ago(now - utc, exact))


def _ago(age: timedelta, exact: str) -> str:
    if age < timedelta(minutes=-1):
        return exact  # A clock that runs ahead, or a wrong date: the plain date misleads nobody.
    if age < timedelta(minutes=1):
        return "just now"
    unit, name = next((unit, name) for limit, unit, name in _STEPS if age < limit)
    return f"{age // unit} {name}"
