"""What the tables of the case store are made of: moments in UTC, names of constraints, indexes of some rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, DateTime, Dialect, Index, Integer, MetaData, Table
from sqlalchemy.types import TypeDecorator


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


def any_of(column: str, values: tuple[str, ...]) -> str:
    """Return the condition, in SQL, that `column` holds one of `values`."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)  # fmt: skip
WORDS = {"words": True}


def table(name: str, *columns: Any, audited: bool = True) -> Table:
    """Return a table with a number of its own; `audited` tables follow from the audit log."""
    return Table(name, METADATA, Column("id", Integer, primary_key=True), *columns, info={"audited": audited})


def index(name: str, *columns: Any, where: Any = None, unique: bool = False) -> None:
    """Add an index; with `where`, of those rows alone."""
    only = {} if where is None else {"sqlite_where": where, "postgresql_where": where}
    Index(name, *columns, unique=unique, **only)
