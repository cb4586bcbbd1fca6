"""The case store: what is written down about whom to call, and what became of it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from pipeline.config import ConfigError
from pipeline.followup.case import MOVES, STATUSES, Case, ConflictError, Enqueued, Event, Reason, Text, UnknownCaseError
from pipeline.followup.engine import connect, writing
from pipeline.followup.enqueue import Enqueuing
from pipeline.followup.escalations import read
from pipeline.followup.tables import CASES, EVENTS, FEEDBACK, METADATA, QUEUE_ORDER


class Store:
    """Cases in a database; every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> Store:
        """Return the store at `url`, with its tables.

        Raises
        ------
        ConfigError
            `url` cannot be used, or nothing answers there.
        """
        store = cls(connect(url))
        try:
            store.create()
        except DatabaseError as error:  # nothing there, or no database: the driver tells them apart, we need not
            where = store.engine.url.render_as_string(hide_password=True)
            raise ConfigError(
                f"the case store {where} cannot be opened: {' '.join(str(error.orig).split())}"
            ) from error
        return store

    def create(self) -> None:
        """Create the tables that are not there yet."""
        with writing(self.engine) as connection:
            METADATA.create_all(connection)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def enqueue(self, escalations: pa.Table, *, by: str = "nightly run", at: datetime | None = None) -> Enqueued:
        """Return how many cases the ranked list of a dump opened, updated and left unchanged.

        All or nothing, and the same list twice changes nothing. See `Enqueuing.take` for the rule.

        Raises
        ------
        ValueError
            `escalations` lacks a column that no case can do without.
        """
        rows = read(escalations)
        cut = min((row.priority for row in rows), default=0.0)
        with writing(self.engine) as connection:
            enqueuing = Enqueuing(connection, at or datetime.now(UTC), by, cut)
            done = Counter(enqueuing.take(row) for row in rows)
        return Enqueued(done["opened"], done["updated"], done["unchanged"])

    def queue(self, limit: int = 50, status: str = "open", *, offset: int = 0) -> list[Case]:
        """Return the cases of `status`, the most important first; of two alike, the one that waits longer.

        Raises
        ------
        ValueError
            No such status.
        """
        _check(status)
        query = select(CASES).where(CASES.c.status == status).order_by(*QUEUE_ORDER).limit(limit).offset(offset)
        with self.engine.connect() as connection:
            return [_case(row) for row in connection.execute(query)]

    def case(self, case_id: int) -> Case:
        """Return one case with its texts, newest first, and its history, oldest first.

        Raises
        ------
        UnknownCaseError
            No case has this number.
        """
        order = (FEEDBACK.c.created_at.desc().nulls_last(), FEEDBACK.c.id.desc())
        texts = select(FEEDBACK).where(FEEDBACK.c.case_id == case_id).order_by(*order)
        events = select(EVENTS).where(EVENTS.c.case_id == case_id).order_by(EVENTS.c.id)
        with self.engine.connect() as connection:
            row = _row(connection, case_id)
            return _case(
                row,
                texts=tuple(_text(row) for row in connection.execute(texts)),
                events=tuple(Event(row.at, row.who, row.what, row.detail) for row in connection.execute(events)),
            )

    def mark(
        self, case_id: int, status: str, by: str, *, version: int | None = None, at: datetime | None = None
    ) -> Case:
        """Return the case after `by` gave it `status`; with `version`, only if nobody changed it since that version.

        Raises
        ------
        UnknownCaseError
            No case has this number.
        ValueError
            No such status.
        ConflictError
            The case may not go there from where it stands, or somebody else was faster.
        """
        _check(status)
        at = at or datetime.now(UTC)
        with writing(self.engine) as connection:
            row = _row(connection, case_id)
            _check_move(row, status, version)
            # The condition on the version decides between two who got this far at once, on any database.
            change = (
                update(CASES)
                .where(CASES.c.id == case_id, CASES.c.version == row.version)
                .values(status=status, updated_at=at, version=row.version + 1)
            )
            try:
                changed = connection.execute(change).rowcount
            except IntegrityError as error:
                raise ConflictError(
                    f"case {case_id} cannot be opened again: this customer has a newer open case"
                ) from error
            if not changed:
                raise ConflictError(f"case {case_id} was changed by somebody else a moment ago")
            entry = {"case_id": case_id, "at": at, "who": by, "what": status, "detail": {"before": row.status}}
            connection.execute(insert(EVENTS).values(entry))
        return self.case(case_id)

    def counts(self) -> dict[str, int]:
        """Return the number of cases of every status, in the order of `STATUSES`."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(CASES.c.status, func.count()).group_by(CASES.c.status)).all()
        found = {row.status: int(row[1]) for row in rows}
        return {status: found.get(status, 0) for status in STATUSES}

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


def _check(status: str) -> None:
    if status not in STATUSES:
        raise ValueError(f"a status is one of {', '.join(STATUSES)}; got {status!r}")


def _check_move(row: Row[Any], status: str, version: int | None) -> None:
    if status == row.status:
        raise ConflictError(f"case {row.id} is already {status}")
    if version is not None and version != row.version:
        raise ConflictError(f"case {row.id} was changed since you opened it; it is {row.status} now")
    if status not in MOVES[row.status]:
        raise ConflictError(f"case {row.id} is {row.status}; from there it can become {', '.join(MOVES[row.status])}")


def _row(connection: Connection, case_id: int) -> Row[Any]:
    # SQLite and PostgreSQL refuse a number that their column cannot hold; no case has such a number.
    row = connection.execute(select(CASES).where(CASES.c.id == case_id)).first() if 0 < case_id < 2**31 else None
    if row is None:
        raise UnknownCaseError(case_id)
    return row


def _case(row: Row[Any], **more: Any) -> Case:
    values = dict(row._mapping)
    values["reasons"] = tuple(
        Reason(reason["factor"], reason["contribution"], tuple(reason["words"])) for reason in values["reasons"]
    )
    return Case(**values, **more)


def _text(row: Row[Any]) -> Text:
    return Text(
        row.text_id, row.text, row.source, row.created_at, row.channel, row.lang, row.priority, tuple(row.labels)
    )


def enqueue_list(url: str, path: Path, at: datetime | None) -> Enqueued:
    """Return what became of the list in a night's ``escalations.parquet``, put into the store at `url`."""
    store = Store.open(url)
    try:
        return store.enqueue(pq.read_table(path), at=at)
    finally:
        store.close()
