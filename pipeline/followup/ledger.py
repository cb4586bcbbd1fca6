"""The ledger: what became of the cases that came in during a period, how soon, and what that was worth.

It tells of the cases opened in the period, as they stand now. The weeks alone count a flow: what was closed in a week,
whenever it was opened.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    Double,
    Row,
    bindparam,
    cast,
    extract,
    func,
    literal_column,
    select,
)

from pipeline.followup import figures
from pipeline.followup.case import OUTCOMES
from pipeline.followup.figures import Change, Contact, Rate, Worth
from pipeline.followup.store import Store
from pipeline.followup.tables import AUDIT, CASES

OPEN = "open"
DECIDED = ("resolved", "lost")
_Name = TypeVar("_Name", bound=Hashable)
_C = CASES.c


@dataclass(frozen=True)
class Kind:
    """The cases of one type of complaint; `label` is None for those whose type is not known."""

    label: str | None
    cases: int
    outcomes: Mapping[str, int]
    rescue: Rate
    worth: Worth
    change: Change


@dataclass(frozen=True)
class Week:
    """A week: when it begins in the team's zone, how many cases were opened, closed, and resolved of those closed."""

    begins: datetime
    opened: int
    closed: int
    resolved: int


@dataclass(frozen=True)
class Agent:
    """How the cases ended that one person closed."""

    name: str
    outcomes: Mapping[str, int]
    rescue: Rate


@dataclass(frozen=True)
class Ledger:
    """What became of the cases opened from `since` until before `until`; `agents` is None unless asked for.

    `outcomes` has every outcome and ``open``. `rescue` is the share resolved of those resolved or lost. `spent` is what
    was given, in all cases. `kinds` and `causes` come with the most frequent first. The first and the last of `weeks`
    are cut where the period ends.
    """

    since: datetime
    until: datetime
    cases: int
    outcomes: Mapping[str, int]
    rescue: Rate
    second_failures: Rate
    contact: Contact
    change: Change
    worth: Worth
    spent: float
    kinds: tuple[Kind, ...]
    causes: tuple[tuple[str, int], ...]
    weeks: tuple[Week, ...]
    agents: tuple[Agent, ...] | None = None

    @property
    def kept_per_spent(self) -> float | None:
        """The value kept for each unit spent; None where nothing was spent."""
        return self.worth.kept / self.spent if self.spent > 0 else None


def ledger(store: Store, *, since: datetime, until: datetime, at: datetime | None = None,
           type_head: str = "complaint_type", by_agent: bool = False) -> Ledger:  # fmt: skip
    """Return what became of the cases opened from `since` until before `until`; at `at`, it is known who still waits.

    Raises
    ------
    ValueError
        The period is empty, or its ends have no time zone.
    """
    if since.tzinfo is None or until.tzinfo is None or since >= until:
        raise ValueError(f"a period has a beginning and a later end, both with a time zone; got {since} to {until}")
    now, isolation = at or datetime.now(UTC), {}
    if store.engine.dialect.name == "postgresql":  # all queries of one moment, as SQLite has it anyway
        isolation = {"isolation_level": "REPEATABLE READ"}
    with store.engine.connect().execution_options(**isolation) as connection:
        book = _Book(connection, since, until, type_head)
        groups, repeated, pairs = book.groups(now), book.repeated(), book.pairs()
        minutes, weeks = book.minutes(), book.weeks(_weeks(store, since, until))
        agents = book.agents() if by_agent else None
    ended = _total((row.outcome or OPEN, row.cases) for row in groups)
    return Ledger(
        since=since,
        until=until,
        cases=ended.total(),
        outcomes=_outcomes(ended),
        rescue=_rescue(ended),
        second_failures=Rate(sum(row.second for row in groups), ended.total()),
        contact=figures.contact(minutes, ended.total(), *(sum(row[i] for row in groups) for i in (-2, -1))),
        change=figures.change(_total((pair[1:], persons) for pair, persons in pairs.items())),
        worth=_worth(groups, repeated),
        spent=round(sum(row.spent for row in groups), 2),
        kinds=_kinds(groups, repeated, pairs),
        causes=_ranked(_total((row.root_cause, row.cases) for row in groups if row.outcome and row.root_cause)),
        weeks=weeks,
        agents=agents,
    )


class _Book:
    """The queries: each is one pass over an index, if `tables` has those that it is written for."""

    def __init__(self, connection: Connection, since: datetime, until: datetime, type_head: str) -> None:
        self.connection = connection
        # COALESCE keeps SQLite from walking the period in an index that has none of the other columns: it would look
        # up every row, texts and all, and sort them (100,000 cases: 0.5 s instead of 0.03 s).
        self.sqlite = connection.dialect.name == "sqlite"
        opened = func.coalesce(_C.opened_at, _C.opened_at) if self.sqlite else _C.opened_at
        self.within = (opened >= since) & (opened < until)
        self.decided = self.within & func.coalesce(_C.outcome, "").in_(DECIDED)
        # The head stands in the statement itself, as in the index on its label: SQLite matches no parameter with one.
        self.kind = (
            _C.labels[bindparam(None, type_head, JSON.JSONStrIndexType(), literal_execute=True)]
            .as_string()
            .label("kind")
        )
        total = func.coalesce(func.sum(_C.customer_value), 0.0)
        self.value = (total.label("value"), func.count(_C.customer_value).label("known"))

    def groups(self, now: datetime) -> Sequence[Row[Any]]:
        """Return the figures of each outcome, type and root cause."""
        waiting = _C.outcome.is_(None) & _C.first_contact_at.is_(None)
        columns = (
            _C.outcome, self.kind, _C.root_cause, func.count().label("cases"), func.sum(_C.spent).label("spent"),
            func.count().filter(_C.second_failure).label("second"),
            *self.value,
            func.count().filter(waiting).label("waiting"),
            func.count().filter(waiting & (_C.opened_at > now - timedelta(days=1))).label("fresh"),
        )  # fmt: skip
        query = select(*columns).where(self.within).group_by(_C.outcome, self.kind, _C.root_cause)
        return self.connection.execute(query).all()

    def repeated(self) -> Sequence[Row[Any]]:
        """Return the value of decided cases whose customer has a later one, by outcome and type."""
        repeats = select(_C.case_key, func.max(_C.id).label("last")).where(self.decided).group_by(_C.case_key)
        last = repeats.having(func.count() > 1).subquery().c
        earlier = (last.case_key == _C.case_key) & (_C.id < last.last)
        query = select(_C.outcome, self.kind, func.count().label("cases"), *self.value)
        query = query.join(last.case_key.table, earlier).where(self.decided).group_by(_C.outcome, self.kind)
        return self.connection.execute(query).all()

    def pairs(self) -> Counter[tuple[str | None, float, float]]:
        """Return how many persons gave each pair of answers, by type; a person's latest pair counts.

        Grouping these few in SQL takes SQLite four times as long as reading them from their index.
        """
        query = select(_C.id, _C.case_key, self.kind, _C.nps_before, _C.nps_after).where(self.within)
        rows = self.connection.execute(query.where(_C.nps_before.is_not(None), _C.nps_after.is_not(None)))
        return Counter({row[1]: tuple(row[2:]) for row in sorted(rows, key=itemgetter(0))}.values())

    def minutes(self) -> Counter[int]:
        """Return how many first contacts took so many minutes, rounded up."""
        if self.sqlite:
            days = func.julianday(_C.first_contact_at, type_=Double) - func.julianday(_C.opened_at, type_=Double)
            milliseconds = cast(func.round(days * 86_400_000), BigInteger)
        else:
            taken = extract("epoch", _C.first_contact_at) - extract("epoch", _C.opened_at)
            milliseconds = cast(func.round(taken * 1_000), BigInteger)
        # A hundredth of a second is forgiven: SQLite cuts both moments to milliseconds.
        minute = ((milliseconds + 59_990) // 60_000).label("minute")
        query = select(minute, func.count()).where(self.within, _C.first_contact_at.is_not(None)).group_by(minute)
        return _total((max(0, took), count) for took, count in self.connection.execute(query))

    def weeks(self, spans: Sequence[tuple[datetime, datetime]]) -> tuple[Week, ...]:
        """Return what was opened, closed and resolved in each of `spans`, which follow each other."""
        if not spans:
            return ()
        begins, ends = spans[0][0], spans[-1][1]
        opened = select(_C.opened_at).where(_C.opened_at >= begins, _C.opened_at < ends)
        closed = select(_C.closed_at, _C.outcome).where(_C.closed_at >= begins, _C.closed_at < ends)
        starts = [start for start, _ in spans]
        came = Counter(bisect_right(starts, moment) for moment in self.connection.execute(opened).scalars())
        ended = Counter((bisect_right(starts, moment), outcome == "resolved")
                        for moment, outcome in self.connection.execute(closed))  # fmt: skip
        return tuple(
            Week(start, came[place], ended[place, True] + ended[place, False], ended[place, True])
            for place, start in enumerate(starts, 1)
        )

    def agents(self) -> tuple[Agent, ...]:
        """Return how the cases ended that each person closed, by name; a closing that was undone does not count."""
        closing = (
            (AUDIT.c.case_id == _C.id) & (AUDIT.c.at == _C.closed_at) & (AUDIT.c.what == literal_column("'closed'"))
        )
        query = select(AUDIT.c.who, _C.outcome, func.count()).select_from(CASES.join(AUDIT, closing))
        query = query.where(self.within, _C.outcome.is_not(None)).group_by(AUDIT.c.who, _C.outcome)
        found: dict[str, Counter[str]] = {}
        for who, outcome, count in self.connection.execute(query):
            found.setdefault(who, Counter())[outcome] += count
        return tuple(
            Agent(who, {one: ended[one] for one in OUTCOMES}, _rescue(ended)) for who, ended in sorted(found.items())
        )


def _weeks(store: Store, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the weeks of the period, from Monday to Monday in the team's zone, cut where the period ends."""
    calendar, spans, begins = store.clock.calendar, [], since
    while begins < until:
        day = begins.astimezone(calendar.zone)
        monday = (day + timedelta(days=7 - day.weekday())).replace(hour=12)
        ends = min(calendar.day_of(monday)[0], until)
        spans.append((day, ends))
        begins = ends
    return spans


def _kinds(
    groups: Sequence[Row[Any]], repeated: Sequence[Row[Any]], pairs: Mapping[tuple[str | None, float, float], int]
) -> tuple[Kind, ...]:
    told = []
    for label, cases in _ranked(_total((row.kind, row.cases) for row in groups)):
        mine, again = ([row for row in rows if row.kind == label] for rows in (groups, repeated))
        ended = _total((row.outcome or OPEN, row.cases) for row in mine)
        change = figures.change({pair[1:]: persons for pair, persons in pairs.items() if pair[0] == label})
        told.append(Kind(label, cases, _outcomes(ended), _rescue(ended), _worth(mine, again), change))
    return tuple(told)


def _worth(groups: Sequence[Row[Any]], repeated: Sequence[Row[Any]]) -> Worth:
    value, unknown = dict.fromkeys(DECIDED, 0.0), dict.fromkeys(DECIDED, 0)
    for sign, rows in ((1, groups), (-1, repeated)):
        for row in rows:
            if row.outcome in DECIDED:
                value[row.outcome] += sign * row.value
                unknown[row.outcome] += sign * (row.cases - row.known)
    # A difference of sums has a remainder far below a cent.
    kept, lost = (max(0.0, round(value[outcome], 2)) for outcome in DECIDED)
    return Worth(kept, lost, unknown["resolved"], unknown["lost"])


def _rescue(ended: Mapping[str, int]) -> Rate:
    return Rate(ended["resolved"], ended["resolved"] + ended["lost"])


def _outcomes(ended: Mapping[str, int]) -> dict[str, int]:
    return {outcome: ended[outcome] for outcome in (*OUTCOMES, OPEN)}


def _total(counts: Iterable[tuple[_Name, int]]) -> Counter[_Name]:
    total: Counter[_Name] = Counter()
    for name, count in counts:
        total[name] += count
    return total


def _ranked(counts: Mapping[_Name, int]) -> tuple[tuple[_Name, int], ...]:
    """Return names with their counts, the most frequent first, equals by name."""
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], str(one[0]))))
