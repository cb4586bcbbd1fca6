"""The calls that were promised, as a calendar that an agent's own calendar subscribes to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from icalendar import Alarm, Calendar, Event

from pipeline.followup.case import Case
from pipeline.web.marking import visible

_LENGTH, _NOTICE, _REFRESH = timedelta(minutes=15), timedelta(minutes=-5), timedelta(minutes=15)
_LONGEST_NAME = 80


def as_ical(cases: Iterable[Case], base: str, now: datetime) -> bytes:
    """Return an iCalendar feed with one event for each case that has a next call.

    It names the customer and the case, and holds nothing that the customer wrote: calendars leave the house. `base` is
    the address of the desk, to which each event leads back; `now` is when the feed is made.
    """
    calendar = Calendar.new(name="Amends call-backs", prodid="-//Amends//Call-backs//EN", uid="call-backs@amends")
    calendar.add("METHOD", "PUBLISH")
    # RFC 7986 knows no value type for this property but the one that is said, and the library does not say it.
    calendar.add("REFRESH-INTERVAL", _REFRESH, parameters={"VALUE": "DURATION"})
    for case in cases:
        if case.next_at is not None:
            calendar.add_component(_event(case, case.next_at.astimezone(UTC), base.rstrip("/"), now))
    return bytes(calendar.to_ical())


def _event(case: Case, start: datetime, base: str, now: datetime) -> Event:
    summary = f"Call {_name(case)}"
    return Event.new(
        uid=f"case-{case.id}@amends",
        sequence=case.version,
        stamp=now.astimezone(UTC),
        start=start,
        end=start + _LENGTH,
        summary=summary,
        url=f"{base}/cases/{case.id}",
        subcomponents=[Alarm.new_display(summary, _NOTICE)],
    )


def _name(case: Case) -> str:
    """Return the customer's id on one line, cut where it is no id any more."""
    name = " ".join(visible(case.customer_id or "").split())
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 1]}…"
    return name or f"the customer of case {case.id}"
