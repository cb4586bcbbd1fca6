"""A database engine with the settings that keep acknowledged changes."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from pipeline.config import ConfigError, resolve

# SQLite before 3.51.3 can lose commits in WAL mode (the WAL-reset bug).
_WAL_IS_SAFE = (3, 51, 3)


def connect(url: str) -> Engine:
    """Return an engine for `url`; the folder of an SQLite file is made, a relative file starts at the repository root.

    Raises
    ------
    ConfigError
        `url` is not a database URL, its driver is not installed, or it is an SQLite database in memory.
    """
    where = located(url)
    try:
        # Parameters are what customers wrote: an error must not carry them into a log.
        wait = {"timeout": 30} if where.get_backend_name() == "sqlite" else {}
        engine = create_engine(where, connect_args=wait, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(f"store.url {where.render_as_string()}: {' '.join(str(error).split())}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _settle)
        event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that commits at the end.

    SQLite: the write lock is taken at the start, because a reader that turns writer half-way is refused at once
    instead of waiting. PostgreSQL: writers overlap; conditions and locks on rows decide between them.
    """
    with engine.connect().execution_options(amends_writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def alone(engine: Engine, work: str) -> Iterator[Connection]:
    """Yield a connection as `writing` does, while nobody else does `work` (such as ``enqueue``) on this database."""
    with writing(engine) as connection:
        lock(connection, work)
        yield connection


def take_stock(engine: Engine) -> None:
    """Let SQLite count what its tables hold now, by which it chooses between indexes; PostgreSQL does so by itself."""
    if engine.dialect.name == "sqlite":
        # Pages are slower without, and nothing else; the work before it is done and must not end in an error.
        with suppress(OperationalError), writing(engine) as connection:
            connection.exec_driver_sql("ANALYZE")


def lock(connection: Connection, work: str) -> None:
    """Wait until nobody else does `work` on this database, and keep them from it until the transaction ends."""
    if connection.dialect.name == "postgresql":  # on SQLite a writer is alone in any case
        key = int.from_bytes(hashlib.sha256(f"amends {work}".encode()).digest()[:7], "big")
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def located(url: str) -> URL:
    """Return `url` with the driver that we use; the folder of an SQLite file is made."""
    try:
        where = make_url(url)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise ConfigError("store.url must be a database URL such as sqlite:///data/local/amends.db") from error
    if where.drivername == "postgresql":
        where = where.set(drivername="postgresql+psycopg")
    if where.get_backend_name() != "sqlite":
        return where
    if not where.database or where.database == ":memory:" or where.database.startswith("file:"):
        raise ConfigError("store.url must name an SQLite file, such as sqlite:///data/local/amends.db")
    path = resolve(where.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the folder of the case store cannot be made: {error}") from error
    return where.set(database=str(path))


def _settle(connection: sqlite3.Connection, _record: object) -> None:
    # We send BEGIN ourselves; the driver would start a transaction only at the first write.
    connection.isolation_level = None
    journal = "WAL" if sqlite3.sqlite_version_info >= _WAL_IS_SAFE else "DELETE"
    for pragma in (f"journal_mode={journal}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("amends_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
