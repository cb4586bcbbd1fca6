"""The ledger as its page shows it: every number in the words of the visitor's language, small groups as counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

from pipeline.followup.figures import LEAST, Change, Contact, Rate
from pipeline.followup.ledger import DECIDED, Agent, Kind, Ledger, Week
from pipeline.web import charts
from pipeline.web.marking import visible
from pipeline.web.view import Viewing

TONES = {"resolved": "accent", "lost": "alarm", "not_detractor": "quiet", "open": "calm"}
NOTHING = "–"
# Up to which time, the unit that people would say it in.
_UNITS: tuple[tuple[timedelta, str, timedelta, str], ...] = (
    (timedelta(minutes=90), "minute", timedelta(minutes=1), "#,##0"),
    (timedelta(hours=48), "hour", timedelta(hours=1), "#,##0.#"),
    (timedelta.max, "day", timedelta(days=1), "#,##0.#"),
)
_MOST_KINDS = 12  # a chart of more is no longer looked at; the table has them all


class Share(NamedTuple):
    """A share with its interval, or, of a group too small for one, the counts alone (then `share` is empty)."""

    hits: str
    of: str
    share: str = ""
    low: str = ""
    high: str = ""
    rate: Rate = Rate(0, 0)


class Count(NamedTuple):
    """A name with how many, in numbers and in words, and its part of the whole."""

    name: str
    cases: int
    shown: str
    share: str
    tone: str = "accent"


def facts(ledger: Ledger, viewing: Viewing) -> dict[str, Any]:
    """Return what ``ledger.html`` needs, without the choice of the period."""
    shown = _Shown(viewing)
    number, worth = shown.number, ledger.worth
    flows = any(week.opened or week.closed for week in ledger.weeks)
    return {
        "draw": charts,
        "number": number,
        "least": LEAST,
        "since": viewing.language.date(ledger.since),
        "until": viewing.language.date(ledger.until - timedelta(microseconds=1)),
        "cases": ledger.cases,
        "flows": flows,
        "outcomes": shown.counts(ledger.outcomes, ledger.cases),
        "rescue": shown.share(ledger.rescue),
        "second": shown.share(ledger.second_failures),
        "contact": shown.contact(ledger.contact),
        "change": shown.change(ledger.change),
        "kept": number(worth.kept),
        "lost": number(worth.lost),
        "worth": worth,
        "spent": number(ledger.spent),
        "per_spent": number(ledger.kept_per_spent) if ledger.kept_per_spent is not None else "",
        "kinds": [shown.kind(kind) for kind in ledger.kinds],
        "rescued_kinds": [
            shown.rescued(kind) for kind in ledger.kinds if kind.rescue.of >= LEAST and kind.rescue.interval
        ][:_MOST_KINDS],
        "shifts": shown.shifts(ledger)[:_MOST_KINDS],
        "causes": shown.counts(dict(ledger.causes), sum(count for _, count in ledger.causes)),
        "weeks": [shown.week(week) for week in ledger.weeks],
        "most": number(max((max(week.opened, week.resolved) for week in ledger.weeks), default=0)),
        "agents": None if ledger.agents is None else [shown.agent(agent) for agent in ledger.agents],
    }


class _Shown:
    """Figures in the words and the numbers of one visitor."""

    def __init__(self, viewing: Viewing) -> None:
        self.viewing = viewing
        self.locale = viewing.language.code

    def number(self, value: float, places: int = 0) -> str:
        return self.viewing.language.number(value, places) if math.isfinite(value) else NOTHING

    def percent(self, share: float) -> str:
        return str(format_percent(share, locale=self.locale)) if math.isfinite(share) else NOTHING

    def signed(self, value: float) -> str:
        return str(format_decimal(value, format="+0.0;−0.0", locale=self.locale)) if math.isfinite(value) else NOTHING

    def word(self, key: str | None) -> str:
        return self.viewing.word("unknown") if key is None else visible(self.viewing.word(key))

    def span(self, taken: timedelta | None) -> str:
        """Return a time in the unit that people would say it in; nothing for None."""
        if taken is None:
            return ""
        _, unit, size, pattern = next(one for one in _UNITS if taken <= one[0])
        return str(format_unit(taken / size, unit, "long", format=pattern, locale=self.locale))

    def share(self, rate: Rate) -> Share:
        hits, of = self.number(rate.hits), self.number(rate.of)
        if rate.share is None or rate.interval is None:
            return Share(hits, of, rate=rate)
        low, high = rate.interval
        return Share(hits, of, self.percent(rate.share), self.percent(low), self.percent(high), rate)

    def counts(self, counts: Mapping[str, int], whole: int) -> list[Count]:
        """Return each name with its count; its share where the whole is large enough for one."""
        return [
            Count(self.word(name), cases, self.number(cases), self.percent(cases / whole) if whole >= LEAST else "",
                  TONES.get(name, "accent"))
            for name, cases in counts.items()
        ]  # fmt: skip

    def contact(self, contact: Contact) -> dict[str, Any]:
        return {
            "median": self.span(contact.median), "p90": self.span(contact.p90),
            "day": self.share(contact.within_day), "two_days": self.share(contact.within_two_days),
            "never": contact.never, "waiting": contact.waiting, "fresh": contact.fresh,
        }  # fmt: skip

    def change(self, change: Change) -> dict[str, Any]:
        told = {"persons": change.persons, "up": self.share(change.up), "same": self.share(change.same),
                "down": self.share(change.down), "told": change.change is not None}  # fmt: skip
        if change.change is None or change.interval is None or change.before is None or change.after is None:
            return told
        return told | {
            "before": self.number(change.before, 1), "after": self.number(change.after, 1),
            "change": self.signed(change.change), "low": self.signed(change.interval[0]),
            "high": self.signed(change.interval[1]), "net_before": self.number(change.net_before or 0.0),
            "net_after": self.number(change.net_after or 0.0),
        }  # fmt: skip

    def shifts(self, ledger: Ledger) -> list[charts.Shift]:
        """Return the answers before and after: of everybody, and of each type that enough persons answered for."""
        named = [(self.viewing.language.say("Everybody"), ledger.change)]
        named += [(self.word(kind.label), kind.change) for kind in ledger.kinds]
        return [
            charts.Shift(name, one.before, one.after, f"{self.number(one.before, 1)} → {self.number(one.after, 1)}")
            for name, one in named
            if one.before is not None and one.after is not None
        ]

    def kind(self, kind: Kind) -> dict[str, Any]:
        return {
            "name": self.word(kind.label), "cases": self.number(kind.cases),
            "outcomes": [self.number(kind.outcomes[outcome]) for outcome in kind.outcomes],
            "rescue": self.share(kind.rescue), "kept": self.number(kind.worth.kept),
            "lost": self.number(kind.worth.lost), "change": self.change(kind.change),
        }  # fmt: skip

    def rescued(self, kind: Kind) -> charts.Row:
        share, (low, high) = kind.rescue.share or 0.0, kind.rescue.interval or (0.0, 0.0)
        said = self.share(kind.rescue)
        return charts.Row(self.word(kind.label), share, f"{said.share} ({said.low} – {said.high})", "accent", low, high)

    def week(self, week: Week) -> dict[str, Any]:
        rate = Rate(week.resolved, week.closed)
        return {
            "begins": self.viewing.language.date(week.begins, year=False), "opened": week.opened, "closed": week.closed,
            "resolved": week.resolved, "share": self.percent(rate.share) if rate.share is not None else "",
        }  # fmt: skip

    def agent(self, agent: Agent) -> dict[str, Any]:
        return {"name": visible(agent.name), "closed": self.number(sum(agent.outcomes.values())),
                "outcomes": [self.number(agent.outcomes[one]) for one in DECIDED],
                "rescue": self.share(agent.rescue)}  # fmt: skip
