"""Due times against a walk through UTC that only reads the clock: every zone, every change of its clock 2024-2030."""

from __future__ import annotations

import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import ROOT, ConfigError
from pipeline.followup.calendar import MOST, WEEKDAYS, Allowance, Calendar
from pipeline.followup.policy import CalendarRules

ODD = ["Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "Antarctica/Troll",
       "Pacific/Chatham", "Atlantic/Azores", "Asia/Pyongyang", "America/Havana", "America/Santiago",
       "America/Nuuk", "America/Scoresbysund", "Asia/Gaza", "Asia/Beirut", "Europe/Berlin"]  # fmt: skip
EVERY = sorted(available_timezones())
ZONES = sorted({*EVERY[::3], *ODD})
DAILY = dict.fromkeys(WEEKDAYS, "00:00-24:00")
OFFICE = dict.fromkeys(WEEKDAYS[:5], "09:00-17:00")
WEEKS: list[dict[Any, str]] = [
    OFFICE,
    DAILY,
    dict.fromkeys(WEEKDAYS, "02:15-02:45"),  # within what most changes skip or repeat
    dict.fromkeys(WEEKDAYS, "00:30-23:15"),
    dict.fromkeys(WEEKDAYS, "00:00-01:30"),
    {"sat": "22:00-24:00", "sun": "00:00-02:30", "mon": "02:30-03:00", "wed": "23:00-23:30"},
]
STEP = 15


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def calendar(zone: str = "UTC", hours: dict[Any, str] = OFFICE, **rules: Any) -> Calendar:
    return Calendar.of(CalendarRules(zone=zone, hours=hours, **rules), today=date(2026, 1, 1))


def due(calendar: Calendar, start: datetime, allowance: str) -> datetime:
    return calendar.due(start, Allowance.parse(allowance))


# The oracle: no offsets, no folds, no instants of a local time; it walks through UTC and looks at the clock.


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """Return when the clock changes, 2024-2030; where it never does, any moment: the rest of a zone is tested too."""
    place, step = ZoneInfo(zone), timedelta(days=2)
    days = [utc("2024-01-01") + n * step for n in range(7 * 366 // 2)]
    pairs = [(day, day + step) for day in days if offset(day, place) != offset(day + step, place)]
    return tuple(change(*pair, place) for pair in pairs) or (utc("2026-06-07"),)


def offset(moment: datetime, place: ZoneInfo) -> timedelta | None:
    return moment.astimezone(place).utcoffset()


def change(before: datetime, after: datetime, place: ZoneInfo) -> datetime:
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before).total_seconds() // 2)
        before, after = (middle, after) if offset(middle, place) == offset(before, place) else (before, middle)
    return after


class Walk:
    """What the clock on the wall shows every few minutes, from three days before `change` to nine after it.

    The door goes by the `latest` time shown so far: an hour that the clock repeats neither closes nor opens it.
    """

    def __init__(self, zone: str, change: datetime, step: int = STEP) -> None:
        self.step, place = timedelta(minutes=step), ZoneInfo(zone)
        self.hour, self.change = 60 // step, 72 * 60 // step
        self.times = [change + n * self.step for n in range(-self.change, 3 * self.change)]
        self.shown = [moment.astimezone(place).replace(tzinfo=None) for moment in self.times]
        self.latest = list(accumulate(self.shown, max))
        self.dates = [latest.date() for latest in self.latest]
        self.texts = [latest.isoformat()[11:16] for latest in self.latest]

    def opened(self, week: dict[Any, str], holidays: list[date]) -> None:
        """Note at which steps the door is open, and which days' steps these are."""
        bounds = {day: week.get(WEEKDAYS[day.weekday()], "-").split("-") for day in set(self.dates)}
        bounds |= {day: ["", ""] for day in holidays}
        self.open = [
            step
            for step, (shown, day) in enumerate(zip(self.texts, self.dates, strict=True))
            if bounds[day][0] <= shown < bounds[day][1]
        ]
        self.day = [self.dates[step] for step in self.open]
        self.days = sorted(set(self.day))

    def hours_due(self, start: int, count: int) -> datetime:
        """Return when the door has been open for `count` steps since the step `start`."""
        return self.times[self.open[bisect_left(self.open, start) + count - 1]] + self.step

    def days_due(self, start: int, count: int) -> datetime:
        """Return when the clock shows, `count` working days on, what it showed when work began."""
        first = bisect_left(self.open, start)
        day = self.days[self.days.index(self.day[first]) + count]
        wanted = datetime.combine(day, self.shown[self.open[first]].time())
        opening, last = self.open[bisect_left(self.day, day)], self.open[bisect_right(self.day, day) - 1]
        return self.times[min(max(bisect_left(self.latest, wanted), opening), last + 1)]

    def local_day(self, at: int) -> tuple[datetime, datetime]:
        day = self.dates[at]
        return self.times[bisect_left(self.dates, day)], self.times[bisect_right(self.dates, day)]


def agrees(walk: Walk, zone: str, week: dict[Any, str], starts: range) -> int:
    """Compare each unit from each start, before and after the change; return how many due times were compared."""
    holidays = [walk.dates[walk.change] + timedelta(days=2)]
    walk.opened(week, holidays)
    made, compared = calendar(zone, week, holidays=holidays), 0
    for start in starts:
        begin, first = walk.times[start], bisect_left(walk.open, start)
        assert made.day_of(begin) == walk.local_day(start), (zone, begin)
        assert made.due(begin, Allowance(24, "h")) == walk.times[start + 24 * walk.hour], (zone, begin)
        if first == len(walk.open):
            continue
        assert made.next_open(begin) == walk.times[walk.open[first]], (zone, begin)
        assert made.is_open(begin) == (walk.open[first] == start), (zone, begin)
        left = len(walk.open) - first
        for count in {1, left // 3, left // 2, left} - {0}:
            hours = Allowance(count / walk.hour, "working hours")
            assert made.due(begin, hours) == walk.hours_due(start, count), (zone, begin, hours)
            compared += 1
        # The last day may go on behind the end of the walk.
        ahead = len(walk.days) - walk.days.index(walk.day[first]) - 2
        for count in {min(ahead, 1), ahead // 2, ahead} - {0, -1}:
            assert made.due(begin, Allowance(count, "working days")) == walk.days_due(start, count), (zone, begin)
            compared += 1
    return compared


def test_the_sample_of_zones_is_large() -> None:
    assert len(ZONES) >= 200
    assert sum(len(changes(zone)) for zone in ZONES) > 1_000


@pytest.mark.parametrize("zone", ZONES)
def test_due_times_agree_with_the_walk(zone: str) -> None:
    for nth, change in enumerate(changes(zone)):
        walk = Walk(zone, change)
        week = WEEKS[(nth + ZONES.index(zone)) % len(WEEKS)]
        # From 30 hours before the change to 12 after it.
        assert agrees(walk, zone, week, range(walk.change - 120 + nth % 7, walk.change + 48, 13)) > 30


@pytest.mark.slow
@pytest.mark.parametrize("zone", EVERY)
def test_every_due_time_of_every_zone_agrees_with_the_walk(zone: str) -> None:
    for change in changes(zone):
        walk = Walk(zone, change)
        for nth, week in enumerate(WEEKS):
            assert agrees(walk, zone, week, range(walk.change - 120 + nth, walk.change + 48, 7)) > 60


@pytest.mark.parametrize("week", WEEKS)
@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("America/St_Johns", "2010-03-14T03:31"),  # at one minute past midnight
        ("America/St_Johns", "2010-11-07T02:31"),  # at one minute past midnight, back to yesterday
        ("Pacific/Apia", "2011-12-30T10:00"),  # a day that never was
        ("Asia/Pyongyang", "2015-08-14T15:00"),
        ("Asia/Pyongyang", "2018-05-04T15:00"),
        ("America/Caracas", "2016-05-01T07:00"),
        ("Antarctica/Casey", "2018-03-10T17:00"),
        ("Europe/Dublin", "2026-10-25T01:00"),
    ],
)
def test_strange_changes_agree_with_a_walk_by_the_minute(zone: str, change: str, week: dict[Any, str]) -> None:
    walk = Walk(zone, utc(change), step=1)
    assert agrees(walk, zone, week, range(walk.change - 1_475, walk.change + 1_500, 125)) > 60


# Properties

minutes = st.integers(0, 1_440)
spans = st.tuples(minutes, minutes).filter(lambda span: span[0] < span[1])
opening = spans.map(lambda span: "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in span))
weeks = st.dictionaries(st.sampled_from(WEEKDAYS), opening, min_size=1)
working = st.sampled_from(["working hours", "working days"])


@st.composite
def calendars(draw: st.DrawFn, count: int = 1) -> tuple[Any, ...]:
    """Draw a calendar and moments in the days around a change of its clock."""
    zone = draw(st.sampled_from(ZONES))
    change = draw(st.sampled_from(changes(zone)))
    seconds = st.integers(-200_000, 200_000)
    moments = sorted(change + timedelta(seconds=draw(seconds)) for _ in range(count))
    free = draw(st.lists(st.integers(-3, 3).map(lambda ahead: change.date() + timedelta(days=ahead)), max_size=3))
    return calendar(zone, draw(weeks), holidays=free), *moments


@settings(max_examples=30)
@given(st.sampled_from(ZONES), st.data())
def test_any_hours_agree_with_a_walk_by_the_minute(zone: str, data: st.DataObject) -> None:
    walk = Walk(zone, data.draw(st.sampled_from(changes(zone))), step=1)
    week = data.draw(weeks)
    start = walk.change + data.draw(st.integers(-2_000, 200))
    agrees(walk, zone, week, range(start, start + 1))


@settings(max_examples=200)
@given(calendars(2), st.sampled_from(["h", "working hours"]), st.floats(0.001, 300))
def test_what_begins_later_is_not_due_earlier(drawn: Any, unit: Any, amount: float) -> None:
    made, sooner, later = drawn
    assert made.due(sooner, Allowance(amount, unit)) <= made.due(later, Allowance(amount, unit))


@settings(max_examples=200)
@given(calendars(), working, st.floats(0.001, 60))
def test_work_is_due_in_opening_hours_or_at_their_end(drawn: Any, unit: Any, amount: float) -> None:
    made, start = drawn
    found = made.due(start, Allowance(amount, unit))
    assert found >= start
    assert found.tzinfo is UTC
    assert made.is_open(found) or made.is_open(found - timedelta(microseconds=1))


@settings(max_examples=200)
@given(calendars(), st.sampled_from(["h", "working hours"]), st.integers(1, 200), st.integers(1, 200))
def test_time_adds_up(drawn: Any, unit: Any, one: int, other: int) -> None:
    made, start = drawn
    after_one = made.due(start, Allowance(one / 4, unit))
    assert made.due(after_one, Allowance(other / 4, unit)) == made.due(start, Allowance((one + other) / 4, unit))


@settings(max_examples=200)
@given(calendars(), working, st.floats(0.001, 60))
def test_the_zone_that_a_moment_is_given_in_does_not_matter(drawn: Any, unit: Any, amount: float) -> None:
    made, start = drawn
    elsewhere = start.astimezone(ZoneInfo("Asia/Kathmandu"))
    assert made.due(elsewhere, Allowance(amount, unit)) == made.due(start, Allowance(amount, unit))
    begins, ends = made.day_of(elsewhere)
    assert begins <= start < ends
    assert made.day_of(begins) == (begins, ends)
    assert made.day_of(ends)[0] == ends


# Examples


@pytest.mark.parametrize(
    ("start", "allowance", "expected"),
    [
        ("2026-03-04T16:30", "1 h", "2026-03-04T17:30"),
        ("2026-03-06T23:00", "8 h", "2026-03-07T07:00"),
        ("2026-03-04T10:00", "4 working hours", "2026-03-04T14:00"),
        ("2026-03-04T13:00", "4 working hours", "2026-03-04T17:00"),  # at closing, not at the next opening
        ("2026-03-04T17:00", "0.5 working hours", "2026-03-05T09:30"),
        ("2026-03-06T16:00", "4 working hours", "2026-03-09T12:00"),
        ("2026-03-04T10:15", "1 working day", "2026-03-05T10:15"),
        ("2026-03-06T10:15", "2 working days", "2026-03-10T10:15"),
        ("2026-03-06T10:15", "1.2 working days", "2026-03-10T10:15"),
        ("2026-03-07T12:00", "1 working day", "2026-03-10T09:00"),  # Saturday: begins on Monday
        ("2026-03-04T08:00", "1 working day", "2026-03-05T09:00"),
        ("2026-03-04T17:00", "1 working day", "2026-03-06T09:00"),  # closed: begins tomorrow
        ("2026-03-04T12:00", "10 working days", "2026-03-18T12:00"),
    ],
)
def test_due(start: str, allowance: str, expected: str) -> None:
    assert due(calendar(), utc(start), allowance) == utc(expected)


def test_a_due_time_keeps_to_the_shorter_hours_of_its_day() -> None:
    made = calendar(hours={"mon": "08:00-20:00", "tue": "09:00-17:00"})
    assert due(made, utc("2026-03-02T19:00"), "1 working day") == utc("2026-03-03T17:00")
    assert due(made, utc("2026-03-02T08:30"), "1 working day") == utc("2026-03-03T09:00")


@pytest.mark.parametrize(
    ("start", "allowance", "expected"),
    [
        ("2026-03-28T02:30", "1 working day", "2026-03-29T01:00"),  # skipped: the first instant after the gap
        ("2026-03-28T02:30:00.25", "1 working day", "2026-03-29T01:00"),
        ("2026-10-24T02:30", "1 working day", "2026-10-25T00:30"),  # repeated: the first of the two
        ("2026-03-29T00:00", "4 working hours", "2026-03-29T03:00"),
        ("2026-10-25T00:00", "4 working hours", "2026-10-25T02:00"),
    ],
)
def test_a_change_of_the_clock(start: str, allowance: str, expected: str) -> None:
    assert due(calendar("Europe/Berlin", DAILY), local(start, "Europe/Berlin"), allowance) == utc(expected)


def test_hours_that_a_change_of_the_clock_skips_are_none() -> None:
    made = calendar("Europe/Berlin", {"sun": "02:00-03:00"})
    assert made.next_open(utc("2026-03-28T12:00")) == local("2026-04-05T02:00", "Europe/Berlin")


def test_a_door_does_not_open_again_because_the_clock_is_turned_back() -> None:
    made = calendar("Europe/London", {"sun": "00:00-01:30"})
    assert made.is_open(local("2026-10-25T01:15", "Europe/London"))
    assert not made.is_open(local("2026-10-25T01:15", "Europe/London", fold=1))


def test_public_holidays_and_listed_ones_are_no_working_days() -> None:
    start = utc("2027-03-05T12:00")  # a Friday; Monday the 8th is a holiday in Berlin alone
    for country, day in ((None, "08"), ("DE", "08"), ("DE-BE", "09"), ("DE-Berlin", "09")):
        assert due(calendar(country=country), start, "1 working day") == utc(f"2027-03-{day}T12:00")
    made = calendar(country="DE-BE", holidays=[date(2027, 3, 9)])
    assert due(made, start, "1 working day") == utc("2027-03-10T12:00")


def test_every_country_of_the_library_makes_a_calendar() -> None:
    from holidays import list_supported_countries

    for country, parts in list_supported_countries().items():
        for code in (country, *(f"{country}-{part}" for part in parts[:1])):
            assert due(calendar(country=code), utc("2027-12-20T12:00"), "10 working days") > utc("2027-12-31T00:00")


def test_the_library_of_holidays_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys; from pipeline.followup.calendar import *; Calendar.of(CalendarRules())"
    subprocess.run([sys.executable, "-c", f"{code}; sys.exit('holidays' in sys.modules)"], cwd=ROOT, check=True)


def test_a_day_is_local_and_as_long_as_the_clock_makes_it() -> None:
    made = calendar("Europe/Berlin")
    assert made.day_of(utc("2026-03-29T12:00")) == (utc("2026-03-28T23:00"), utc("2026-03-29T22:00"))
    assert made.day_of(utc("2026-10-24T22:00")) == (utc("2026-10-24T22:00"), utc("2026-10-25T23:00"))
    assert calendar("Pacific/Apia").day_of(utc("2011-12-30T10:00"))[0] == utc("2011-12-30T10:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 h", (1, "h")),
        (" 1.5 h ", (1.5, "h")),
        ("4 working hours", (4, "working hours")),
        ("1 working hour", (1, "working hours")),
        ("2 working days", (2, "working days")),
        ("1 working day", (1, "working days")),
    ],
)
def test_an_allowance_is_read(text: str, expected: tuple[float, str]) -> None:
    assert Allowance.parse(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "8", "h", "0 h", "-1 h", "1e3 h", "nan h", "8 hours", "2 days", "8h",
                                  "10001 h", "9" * 400 + " h", "١ h", "1 h 2 h", "1. h", "2 Working days"])  # fmt: skip
def test_what_is_no_allowance_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Allowance.parse(text)
    assert str(refused.value) == (
        'how long something may take is written as "8 h", "4 working hours" or "2 working days", '
        f"with a number above 0 and at most {MOST}; got {text!r}"
    )


def refusals() -> Iterator[tuple[dict[str, Any], str]]:
    zone = "setting 'calendar.zone': a name of the IANA time zones was expected; got "
    for name, hint in (
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("utc", "did you mean 'UTC'?"),
        ("", "give one such as 'Europe/Berlin'"),
        ("../../etc/passwd", "give one such as 'Europe/Berlin'"),
        ("a\0b", "give one such as 'Europe/Berlin'"),
    ):
        yield {"zone": name}, f"{zone}{name!r}; {hint}"
    yield {"zone": "Europe"}, f"{zone}'Europe'; did you mean "
    for hours in ("", "9-17", "9:00-17:00", "09:00-09:00", "17:00-09:00", "09:00-24:01", "24:00-24:00", "09:60-17:00",
                  "09:00–17:00", "09:00-17:00\n"):  # fmt: skip
        yield (
            {"hours": {"tue": hours}},
            "setting 'calendar.hours.tue': opening hours such as \"09:00-17:00\" were expected, the end (24:00 at "
            f"most) after the start; got {hours!r}; leave out a weekday on which nobody works",
        )
    yield {"hours": {}}, "setting 'calendar.hours': opening hours of one weekday at least were expected; got none; "
    country = (
        "setting 'calendar.country': a country whose public holidays are known was expected, such as DE, or DE-BE for "
        "a part of it; got "
    )
    for code in ("XX", "de", "", "HolidayBase", "Germany", "NYSE", "__name__"):
        yield {"country": code}, f"{country}{code!r}; see ISO 3166"
    for code in ("DE-ZZ", "DE-"):
        yield {"country": code}, f"{country}{code!r}; known parts of DE are BB, BE, BW, "
    mondays = [date(2025, 12, 29) + n * timedelta(days=7) for n in range(106)]
    yield (
        {"hours": {"mon": "09:00-17:00"}, "holidays": mondays},
        "setting 'calendar.holidays': a working day in the two years from 2026-01-01 was expected; got none, "
        "with 106 holidays listed; take some out, or give further opening hours",
    )


@pytest.mark.parametrize(("rules", "message"), list(refusals()), ids=str)
def test_settings_that_make_no_calendar_are_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Calendar.of(CalendarRules(**rules), today=date(2026, 1, 1))
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("ask", ["due", "day_of", "is_open", "next_open"])
def test_a_moment_without_a_zone_is_refused(ask: str) -> None:
    moment = datetime.combine(date(2026, 3, 4), time(9))
    given = (moment, Allowance(1, "h")) if ask == "due" else (moment,)
    method = getattr(calendar(), ask)
    with pytest.raises(ValueError, match=r"^a moment with a zone was expected; got 2026-03-04T09:00:00; give it a "):
        method(*given)
