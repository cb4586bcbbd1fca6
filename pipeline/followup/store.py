"""The case store: what is written down about whom to call, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Engine, Row, func, select
from sqlalchemy.exc import DatabaseError

from pipeline.config import ConfigError
from pipeline.followup import audit
from pipeline.followup.audit import NIGHT, Actor, Change
from pipeline.followup.case import Case, Enqueued, Event, Gift, Reason, Text, UnknownCaseError
from pipeline.followup.clock import Clock
from pipeline.followup.engine import alone, connect, writing
from pipeline.followup.enqueue import enqueue
from pipeline.followup.migrate import upgrade
from pipeline.followup.policy import Policy
from pipeline.followup.tables import CASES, FEEDBACK, GIFTS


class Store:
    """Cases in a database, under the rules of `policy`; may be used from any thread.

    What is done with a case stands in modules of its own (`claims`, `casework`, `queue`, `people`, ...),
    whose functions take a store.
    """

    def __init__(self, engine: Engine, policy: Policy | None = None) -> None:
        self.engine = engine
        self.policy = policy or Policy()

    @classmethod
    def open(cls, url: str, policy: Policy | None = None) -> Store:
        """Return the store at `url`, with its tables as this version of the code expects them.

        Raises
        ------
        ConfigError
            `url` cannot be used, nothing answers there, or a newer version made its tables.
        """
        store = cls(connect(url), policy)
        try:
            with alone(store.engine, "tables") as connection:
                upgrade(connection)
        except ConfigError:
            store.close()
            raise
        except DatabaseError as error:  # nothing there, or no database: the driver tells them apart, we need not
            store.close()
            where = store.engine.url.render_as_string(hide_password=True)
            raise ConfigError(
                f"the case store {where} cannot be opened: {' '.join(str(error.orig).split())}"
            ) from error
        return store

    @cached_property
    def clock(self) -> Clock:
        """The rules about time."""
        return Clock(self.policy)

    @contextmanager
    def change(self, actor: Actor, at: datetime | None = None, *, work: str = "") -> Iterator[Change]:
        """Yield a change that is committed at the end, with its entries in the audit log; all of it or nothing.

        Where `work` is named, such as ``enqueue``, nobody else does it on this database meanwhile.
        """
        with alone(self.engine, work) if work else writing(self.engine) as connection:
            change = Change(connection, actor, (at or datetime.now(UTC)).astimezone(UTC))
            yield change
            change.close()

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def enqueue(self, escalations: pa.Table, *, by: Actor = NIGHT, at: datetime | None = None) -> Enqueued:
        """Return how many cases the ranked list of a dump opened, opened again, updated and left unchanged.

        All or nothing, and the same list twice changes nothing. See `pipeline.followup.enqueue` for the rule.

        Raises
        ------
        ValueError
            `escalations` lacks a column that no case can do without.
        """
        with self.change(by, at, work="enqueue") as change:
            return enqueue(change, self.policy, self.clock, escalations)

    def case(self, case_id: int) -> Case:
        """Return one case with its texts, newest first, its history, oldest first, and what was given.

        Raises
        ------
        UnknownCaseError
            No case has this number.
        """
        order = (FEEDBACK.c.created_at.desc().nulls_last(), FEEDBACK.c.id.desc())
        texts = select(FEEDBACK).where(FEEDBACK.c.case_id == case_id).order_by(*order)
        gifts = select(GIFTS).where(GIFTS.c.case_id == case_id).order_by(GIFTS.c.id)
        with self.engine.connect() as connection:
            row = found(connection, case_id)
            return as_case(
                row,
                texts=tuple(_text(row) for row in connection.execute(texts)),
                events=tuple(
                    Event(row.at, row.who, row.what, row.detail, row.origin)
                    for row in audit.history(connection, case_id)
                ),
                gifts=tuple(Gift(row.author, row.amount, row.what, row.at) for row in connection.execute(gifts)),
            )

    def customer_values(self) -> list[float]:
        """Return the known value of every customer who ever had a case, ascending: what a percentile is taken of."""
        newest = select(func.max(CASES.c.id)).where(CASES.c.customer_value.is_not(None)).group_by(CASES.c.case_key)
        query = select(CASES.c.customer_value).where(CASES.c.id.in_(newest)).order_by(CASES.c.customer_value)
        with self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def check(self) -> str | None:
        """Return one sentence on why the store cannot be used; None where it can."""
        try:
            with self.engine.connect() as connection:
                connection.execute(select(CASES.c.id).limit(1))
        except DatabaseError as error:
            return f"the case store does not answer: {' '.join(str(error.orig).split())}"
        return None

    def audit(self) -> list[str]:
        """Return what is wrong with the audit log and what the tables say beside it, a sentence each."""
        with self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # all of it as of one moment, as SQLite reads in any case
                connection.execution_options(isolation_level="REPEATABLE READ")
            return audit.verify(connection)


def found(connection: Connection, case_id: int, *, lock: bool = False) -> Row[Any]:
    """Return the row of a case; with `lock`, nobody else changes it until the transaction ends.

    Raises
    ------
    UnknownCaseError
        No case has this number.
    """
    query = select(CASES).where(CASES.c.id == case_id)
    # SQLite and PostgreSQL refuse a number that their column cannot hold; no case has such a number.
    row = connection.execute(query.with_for_update() if lock else query).first() if 0 < case_id < 2**31 else None
    if row is None:
        raise UnknownCaseError(case_id)
    return row


def as_case(row: Row[Any], **more: Any) -> Case:
    """Return a row of the table as a case."""
    values = dict(row._mapping)
    values["reasons"] = tuple(
        Reason(reason["factor"], reason["contribution"], tuple(reason["words"])) for reason in values["reasons"]
    )
    return Case(**values, **more)


def _text(row: Row[Any]) -> Text:
    return Text(
        row.text_id, row.text, row.source, row.created_at, row.channel, row.lang, row.priority, tuple(row.labels),
        row.nps, row.id,
    )  # fmt: skip
