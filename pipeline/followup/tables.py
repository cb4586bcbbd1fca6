"""The tables of the case store, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    DDL,
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)
from sqlalchemy.types import TypeDecorator

from pipeline.followup.case import LIVE, STATUSES


class Instant(TypeDecorator[datetime]):
    """A moment, stored as UTC; SQLite has no time zones, so there the zone is dropped on the way in and put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return `value` in UTC.

        Raises
        ------
        ValueError
            The time is naive: it would mean another moment on another machine.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a stored time needs a time zone; got {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored moment as an aware time in UTC."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _any_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s"}
)

CASES = Table(
    "cases",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("case_key", String, nullable=False, index=True),
    Column("customer_id", String),
    Column("customer_value", Double),
    Column("status", String, nullable=False),
    Column("priority", Double, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("confidence", JSON, nullable=False),
    Column("lead_id", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("channel", String),
    Column("lang", String),
    Column("created_at", Instant),
    Column("waiting_since", Instant),
    Column("n_texts", Integer, nullable=False),
    Column("review", Boolean, nullable=False),
    Column("review_reason", String),
    Column("model_version", String),
    Column("scored_at", Instant),
    Column("opened_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint(_any_of("status", STATUSES), name="status"),
)
# At most one live case per customer: the database holds it, whatever the code does.
Index(
    "uq_cases_live",
    CASES.c.case_key,
    unique=True,
    sqlite_where=CASES.c.status.in_(LIVE),
    postgresql_where=CASES.c.status.in_(LIVE),
)
# The order of the queue, so that a page of it is read and not sorted.
QUEUE_ORDER = (CASES.c.priority.desc(), CASES.c.waiting_since.asc().nulls_last(), CASES.c.id.asc())
Index("ix_cases_queue", CASES.c.status, CASES.c.priority.desc())

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("case_key", String, nullable=False),
    Column("text_id", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("source", String),
    Column("created_at", Instant),
    Column("channel", String),
    Column("lang", String),
    Column("text", Text, nullable=False),
    Column("priority", Double),
    Column("labels", JSON, nullable=False),
    Column("added_at", Instant, nullable=False),
    # A text is counted once per customer, however often its dump is read.
    UniqueConstraint("case_key", "text_id", "digest", name="uq_feedback_text"),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("detail", JSON, nullable=False),
)


def _append_only() -> None:
    """Let the database itself refuse to change or delete history."""
    for change in ("UPDATE", "DELETE"):
        name = f"events_no_{change.lower()}"
        head = f"CREATE TRIGGER {name} BEFORE {change} ON events"
        _after_create("sqlite", f"{head} BEGIN SELECT RAISE(ABORT, 'events are append-only'); END")
        body = "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$"
        _after_create("postgresql", f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS {body}")
        _after_create("postgresql", f"{head} FOR EACH ROW EXECUTE FUNCTION {name}()")


def _after_create(dialect: str, statement: str) -> None:
    definition = DDL(statement)  # type: ignore[no-untyped-call]
    event.listen(EVENTS, "after_create", definition.execute_if(dialect=dialect))


_append_only()
