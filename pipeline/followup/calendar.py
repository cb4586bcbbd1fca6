"""The time at which something is due, by the calendar of a team, and the days that budgets are kept by.

A time of the day is a point in time: the first at which the clock on the wall shows that time or a later one. So a time
that a change of the clock skips is the first instant after the gap, one that is repeated is the first of the two, and a
door that has opened does not close because the clock is turned back.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pipeline.config import ConfigError
from pipeline.followup.policy import CalendarRules, Weekday

Unit = Literal["h", "working hours", "working days"]
# Since midnight by the clock on the wall: opening, closing.
Hours = tuple[timedelta, timedelta]
# In UTC: the first instant, and the first that is no longer in it.
Span = tuple[datetime, datetime]

WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
# Working hours: more than three years. What is longer is a slip of the keyboard, and would run past the last year.
MOST = 10_000
_UNITS: dict[str, Unit] = {
    "h": "h",
    "working hour": "working hours",
    "working hours": "working hours",
    "working day": "working days",
    "working days": "working days",
}
_ALLOWANCE = re.compile(rf"(\d+(?:\.\d+)?) +({'|'.join(_UNITS)})", re.ASCII)
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)
_DAY = timedelta(days=1)
_LOOKED_AHEAD = 2 * 365 + 1


class Allowance(NamedTuple):
    """How long something may take: an amount above 0, of hours of the clock, of working hours or of working days."""

    amount: float
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Allowance:
        """Return what a setting such as ``"8 h"``, ``"4 working hours"`` or ``"2 working days"`` allows.

        Raises
        ------
        ConfigError
            The text is of another form, or the amount is 0 or above `MOST`.
        """
        found = _ALLOWANCE.fullmatch(text.strip())
        if found is None or not 0 < float(found[1]) <= MOST:
            raise ConfigError(
                'how long something may take is written as "8 h", "4 working hours" or "2 working days", '
                f"with a number above 0 and at most {MOST}; got {text!r}"
            )
        return cls(float(found[1]), _UNITS[found[2]])


@dataclass(frozen=True)
class Calendar:
    """When a team works: `Calendar.of` makes one of the settings.

    `hours` holds those of Monday to Sunday, None for a day without any. A local day is a working day if it has opening
    hours, is no holiday, and its opening hours are not skipped by a change of the clock.
    """

    zone: ZoneInfo
    hours: tuple[Hours | None, ...]
    holidays: frozenset[date] = frozenset()
    country: str | None = None
    # What was worked out before, by day: a due time ten working days ahead looks at fifteen days.
    _spans: dict[date, Span | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, rules: CalendarRules, *, today: date | None = None) -> Calendar:
        """Return the calendar that the settings describe, with a working day in the two years from `today`.

        Raises
        ------
        ConfigError
            The zone or the country is unknown, opening hours are malformed, or no working day is left.
        """
        calendar = cls(_zone(rules.zone), _week(rules.hours), frozenset(rules.holidays), _country(rules.country))
        first = today or datetime.now(calendar.zone).date()
        if not any(calendar._span(first + ahead * _DAY) for ahead in range(_LOOKED_AHEAD)):
            raise ConfigError(
                f"setting 'calendar.holidays': a working day in the two years from {first} was expected; "
                f"got none, with {len(rules.holidays)} holidays listed; take some out, or give further opening hours"
            )
        return calendar

    def due(self, start: datetime, allowance: Allowance) -> datetime:
        """Return in UTC when what began at `start` and may take `allowance` is due.

        Working hours are the time that passes while the team works, so a due time may be that of closing. Working days
        end at the local time of the day at which they began, or as near to it as that day's opening hours come; what
        begins while the team does not work begins when it next does, and a part of a day counts as a whole one.

        Raises
        ------
        ValueError
            `start` has no zone.
        """
        start = _utc(start)
        if allowance.unit == "working days":
            return self._days_later(start, math.ceil(allowance.amount))
        time_allowed = timedelta(hours=allowance.amount)
        return start + time_allowed if allowance.unit == "h" else self._hours_later(start, time_allowed)

    def day_of(self, moment: datetime) -> Span:
        """Return in UTC when the local day that holds `moment` begins, and when the next one does.

        Raises
        ------
        ValueError
            `moment` has no zone.
        """
        moment = _utc(moment)
        midnight = datetime.combine(moment.astimezone(self.zone).date(), time())
        begins, ends = _instant(self.zone, midnight), _instant(self.zone, midnight + _DAY)
        while ends <= moment:  # a clock that is turned back past midnight shows yesterday's date again, today
            midnight += _DAY
            begins, ends = ends, _instant(self.zone, midnight + _DAY)
        return begins, ends

    def is_open(self, moment: datetime) -> bool:
        """Return whether the team works at `moment`; at the instant of closing it does not.

        Raises
        ------
        ValueError
            `moment` has no zone.
        """
        moment = _utc(moment)
        return self.next_open(moment) == moment

    def next_open(self, moment: datetime) -> datetime:
        """Return in UTC the first instant, `moment` or later, at which the team works.

        Raises
        ------
        ValueError
            `moment` has no zone.
        """
        moment = _utc(moment)
        _, opens, _ = next(self._working_days(moment))
        return max(opens, moment)

    def _hours_later(self, start: datetime, left: timedelta) -> datetime:
        days = self._working_days(start)
        _, opens, closes = next(days)
        begins = max(opens, start)
        while left > closes - begins:
            left -= closes - begins
            _, begins, closes = next(days)
        return begins + left

    def _days_later(self, start: datetime, count: int) -> datetime:
        days = self._working_days(start)
        _, opens, _ = next(days)
        clock = max(opens, start).astimezone(self.zone).time()
        day, opens, closes = next(itertools.islice(days, count - 1, None))
        return min(max(_instant(self.zone, datetime.combine(day, clock)), opens), closes)

    def _working_days(self, moment: datetime) -> Iterator[tuple[date, datetime, datetime]]:
        """Yield the working days that end after `moment`, in order: the day, its opening and its closing in UTC."""
        day = moment.astimezone(self.zone).date()
        while True:  # holidays that are listed come to an end, and no country has one on every day
            span = self._span(day)
            if span is not None and span[1] > moment:
                yield day, *span
            day += _DAY

    def _span(self, day: date) -> Span | None:
        if day not in self._spans:
            self._spans[day] = self._worked_out(day)
        return self._spans[day]

    def _worked_out(self, day: date) -> Span | None:
        hours = self.hours[day.weekday()]
        if hours is None or day in self.holidays:
            return None
        if self.country is not None and day in _public_holidays(self.country, day.year):
            return None
        midnight = datetime.combine(day, time())
        opens, closes = (_instant(self.zone, midnight + since) for since in hours)
        return (opens, closes) if opens < closes else None


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"a moment with a zone was expected; got {moment.isoformat()}; give it a tzinfo, such as UTC")
    return moment.astimezone(UTC)


def _instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """Return in UTC the first instant at which the clock of `zone` shows `wall` or later."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return first
    # Within a gap the two readings (PEP 495) lie on either side of the change, which is at a whole second.
    before = second.replace(microsecond=0)
    offset = before.astimezone(zone).utcoffset()
    return before + timedelta(
        seconds=bisect_left(
            range(math.ceil((first - before).total_seconds())),
            True,
            key=lambda later: (before + timedelta(seconds=later)).astimezone(zone).utcoffset() != offset,
        )
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, such as Europe, is an OSError
        known = {one.casefold(): one for one in sorted(available_timezones())}
        near = difflib.get_close_matches(name.casefold(), known, 1)
        hint = f"did you mean {known[near[0]]!r}?" if near else "give one such as 'Europe/Berlin'"
        raise ConfigError(
            f"setting 'calendar.zone': a name of the IANA time zones was expected; got {name!r}; {hint}"
        ) from None


def _week(hours: Mapping[Weekday, str]) -> tuple[Hours | None, ...]:
    if not hours:
        raise ConfigError(
            "setting 'calendar.hours': opening hours of one weekday at least were expected; got none; "
            'give some such as {mon: "09:00-17:00"}'
        )
    return tuple(_hours(day, hours[day]) if day in hours else None for day in WEEKDAYS)


def _hours(day: Weekday, text: str) -> Hours:
    found = _HOURS.fullmatch(text)
    if found is not None:
        opens, closes = (
            timedelta(hours=int(hour), minutes=int(minute))
            for hour, minute in ((found[1], found[2]), (found[3] or 24, found[4] or 0))
        )
        if opens < closes:
            return opens, closes
    raise ConfigError(
        f"setting 'calendar.hours.{day}': opening hours such as \"09:00-17:00\" were expected, the end (24:00 at most) "
        f"after the start; got {text!r}; leave out a weekday on which nobody works"
    )


def _country(code: str | None) -> str | None:
    if code is None:
        return None
    from holidays import list_supported_countries  # 0.2 s, and most desks name no country

    country, dash, part = code.partition("-")
    parts = list_supported_countries().get(country)
    try:
        if parts is not None and (part or not dash):
            _public_holidays(code, date.today().year)
            return code
    except NotImplementedError:  # the library's word for a part that it does not know
        pass
    known = f"known parts of {country} are {', '.join(parts) or 'none'}" if parts is not None else "see ISO 3166"
    raise ConfigError(
        "setting 'calendar.country': a country whose public holidays are known was expected, such as DE, or DE-BE for "
        f"a part of it; got {code!r}; {known}"
    )


@lru_cache(maxsize=256)
def _public_holidays(code: str, year: int) -> frozenset[date]:
    """Return the public holidays of a year.

    The library's own object takes up further years as it is asked for them, which two threads cannot do at a time.
    """
    from holidays import country_holidays

    country, _, part = code.partition("-")
    return frozenset(country_holidays(country, subdiv=part or None, years=year))
