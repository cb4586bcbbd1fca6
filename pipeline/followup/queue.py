"""The queue: which cases, in which order, how many; every page is read from an index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import category

from sqlalchemy import ColumnElement, Select, UnaryExpression, and_, func, literal_column, or_, select, text, union

from pipeline.followup.case import Case, UnusableError
from pipeline.followup.escalations import storable
from pipeline.followup.store import Store, as_case
from pipeline.followup.tables import CASES, FEEDBACK, IS_CLOSED, IS_LIVE, QUEUE_ORDER

TABS = ("free", "mine", "overdue", "review", "all", "closed")
SORTS: dict[str, tuple[UnaryExpression[Any], ...]] = {
    "standing": QUEUE_ORDER,
    "due": (CASES.c.due_at.asc(), CASES.c.id.asc()),
    "waiting": (CASES.c.waiting_since.asc().nulls_last(), CASES.c.id.asc()),
    "value": (CASES.c.customer_value.desc().nulls_last(), CASES.c.id.asc()),
    "closed": (CASES.c.closed_at.desc(), CASES.c.id.desc()),
    "newest": (CASES.c.opened_at.desc(), CASES.c.id.desc()),
}
_MOST_COUNTED = 1_000
_EVER = 36_500  # days
# PostgreSQL would take "4711-22", "and/or" and a whole address for one word each; its index has spaces for these.
_JOINING = "./-+@_&?=#~<>\u00ad\u200b\u200c\u200d\u2060\ufeff"


@dataclass(frozen=True)
class Filter:
    """What a page of the queue is to show; everything that is left empty lets all cases through.

    `labels` holds, per head, the label that a case must have; `query` words that its texts, or its customer's number,
    must hold; `min_value` the least customer value; `max_age_days` how long ago it came to the desk at most.
    """

    tab: str = "free"
    labels: tuple[tuple[str, str], ...] = ()
    channel: str = ""
    lang: str = ""
    min_value: float | None = None
    max_age_days: float | None = None
    query: str = ""
    sort: str = "standing"

    def __post_init__(self) -> None:
        if self.tab not in TABS:
            raise UnusableError("there is no such list; the lists are %(lists)s", lists=", ".join(TABS))
        if self.sort not in SORTS:
            raise UnusableError("a list can be sorted by %(orders)s", orders=", ".join(SORTS))

    @property
    def narrowed(self) -> bool:
        """Whether more than the tab is asked for."""
        return self != Filter(self.tab, sort=self.sort)


@dataclass(frozen=True)
class Page:
    """A part of the queue, and how many cases there are in all; `counted` is false where that is a lower bound."""

    cases: list[Case]
    total: int
    counted: bool = True


def page(
    store: Store, wanted: Filter, who: str, *, limit: int = 50, offset: int = 0, at: datetime | None = None
) -> Page:
    """Return the cases that `who` sees under `wanted`, the most important first.

    Which they are is found in an index alone; only what is shown is read from the table.
    """
    now = at or datetime.now(UTC)
    order = SORTS[_sort(wanted)]
    chosen = _chosen(store, wanted, who, now)
    with store.engine.connect() as connection:
        first = chosen.order_by(*order).limit(limit).offset(offset)
        numbers = list(connection.execute(first).scalars())
        rows = connection.execute(select(CASES).where(CASES.c.id.in_(numbers)).order_by(*order)).all()
        total = connection.execute(
            select(func.count()).select_from(chosen.limit(_MOST_COUNTED).subquery())
        ).scalar_one()
    return Page([as_case(row) for row in rows], total, total < _MOST_COUNTED)


def every(store: Store, wanted: Filter, who: str, *, most: int = 10_000) -> Iterator[Case]:
    """Yield the cases of a view, in its order, for an export."""
    with store.engine.connect().execution_options(yield_per=500) as connection:
        chosen = _chosen(store, wanted, who, datetime.now(UTC)).with_only_columns(*CASES.c)
        for row in connection.execute(chosen.order_by(*SORTS[_sort(wanted)]).limit(most)):
            yield as_case(row)


def counts(store: Store, who: str, *, at: datetime | None = None) -> dict[str, int]:
    """Return how many cases each tab holds for `who`."""
    now = at or datetime.now(UTC)
    columns = [func.count().filter(_of_tab(tab, who, now)).label(tab) for tab in TABS if tab != "closed"]
    with store.engine.connect() as connection:
        row = connection.execute(select(*columns).where(IS_LIVE)).one()
        closed = connection.execute(select(func.count()).where(IS_CLOSED)).scalar_one()
    return {**dict(row._mapping), "closed": closed}


def held(store: Store, who: str, *, at: datetime | None = None) -> int:
    """Return how many cases `who` has: the one count that is another for everybody."""
    query = select(func.count()).select_from(CASES).where(IS_LIVE, _of_tab("mine", who, at or datetime.now(UTC)))
    with store.engine.connect() as connection:
        return connection.execute(query).scalar_one()


def facets(store: Store) -> dict[str, list[str]]:
    """Return the channels and languages that live cases have, for the filters."""
    with store.engine.connect() as connection:
        return {
            column.name: sorted(filter(None, connection.execute(
                select(column).where(IS_LIVE).distinct().limit(100)).scalars()))
            for column in (CASES.c.channel, CASES.c.lang)
        }  # fmt: skip


def callbacks(store: Store, who: str) -> list[Case]:
    """Return the cases that `who` is to call again at a set time, the earliest first."""
    query = select(CASES).where(IS_LIVE, CASES.c.owner == who, CASES.c.next_at.is_not(None))
    with store.engine.connect() as connection:
        return [as_case(row) for row in connection.execute(query.order_by(CASES.c.next_at).limit(500))]


def above(store: Store, one: Case) -> Case | None:
    """Return the case that stands right before `one` in the queue; None where none does."""
    before = or_(
        and_(CASES.c.second_failure, literal_column("1=1") if not one.second_failure else literal_column("1=0")),
        and_(CASES.c.second_failure == one.second_failure,
             or_(CASES.c.standing > one.standing, and_(CASES.c.standing == one.standing, CASES.c.id < one.id))),
    )  # fmt: skip
    order = (CASES.c.second_failure.asc(), CASES.c.standing.asc(), CASES.c.id.desc())
    query = select(CASES).where(IS_LIVE, before).order_by(*order).limit(1)
    with store.engine.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else as_case(row)


def _sort(wanted: Filter) -> str:
    # A closed case has no place in the queue: what was closed last is what one looks for.
    return "closed" if wanted.tab == "closed" and wanted.sort == "standing" else wanted.sort


def _chosen(store: Store, wanted: Filter, who: str, now: datetime) -> Select[Any]:
    query = select(CASES.c.id).where(IS_CLOSED if wanted.tab == "closed" else IS_LIVE)
    if wanted.tab != "closed":
        query = query.where(_of_tab(wanted.tab, who, now))
    for head, label in wanted.labels:
        query = query.where(CASES.c.facets.contains(storable(f"\n{head}={label}\n"), autoescape=True))
    for column, value in ((CASES.c.channel, wanted.channel), (CASES.c.lang, wanted.lang)):
        if value:
            query = query.where(column == storable(value))
    if wanted.min_value is not None:
        query = query.where(CASES.c.customer_value >= wanted.min_value)
    if wanted.max_age_days is not None:
        query = query.where(CASES.c.opened_at >= now - timedelta(days=min(wanted.max_age_days, _EVER)))
    return query.where(_holds(store, storable(wanted.query))) if wanted.query.strip() else query


def _of_tab(tab: str, who: str, now: datetime) -> ColumnElement[bool]:
    unheld = or_(CASES.c.owner.is_(None), CASES.c.lease_until <= now)
    return {
        "free": and_(unheld, or_(CASES.c.next_at.is_(None), CASES.c.next_at <= now)),
        "mine": (CASES.c.owner == who) & (CASES.c.lease_until > now),
        "overdue": CASES.c.due_at < now,
        "review": CASES.c.review.is_(True),
        "all": IS_LIVE,
    }[tab]  # fmt: skip


def _holds(store: Store, words: str) -> ColumnElement[bool]:
    """Return the condition that a text of the case, or its customer's number, holds every one of `words`."""
    terms = _terms(words)
    number = select(CASES.c.id).where(CASES.c.customer_id == words.strip())
    if not terms:
        return CASES.c.id.in_(number)
    if store.engine.dialect.name == "sqlite":
        match = " ".join(f'"{term}"*' for term in terms)
        rows = text("SELECT rowid AS id FROM feedback_words WHERE feedback_words MATCH :match").bindparams(match=match)
        hits = rows.columns(FEEDBACK.c.id).subquery()
        told = select(FEEDBACK.c.case_id).join(hits, hits.c.id == FEEDBACK.c.id)
    else:
        match = " & ".join(f"{term}:*" for term in terms)
        start = func.left(FEEDBACK.c.text, literal_column("50000"))
        apart = func.translate(start, literal_column(f"'{_JOINING}'"), literal_column(f"'{' ' * len(_JOINING)}'"))
        words_of = func.to_tsvector(literal_column("'simple'"), apart)
        asked = func.to_tsquery(literal_column("'simple'"), match)
        told = select(FEEDBACK.c.case_id).where(words_of.op("@@")(asked))
    return CASES.c.id.in_(union(told, number))


def _terms(words: str) -> list[str]:
    """Return the first words as databases see them in texts: letters and digits, with the marks that belong to them."""
    kept = "".join(c if c.isalnum() or category(c).startswith("M") else " " for c in words[:1_000])
    return [term[:100] for term in kept.split() if any(map(str.isalnum, term))][:8]
