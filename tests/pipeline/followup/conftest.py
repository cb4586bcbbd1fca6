"""A store in a database of either kind: what holds of one must hold of the other.

Making a database for every test would take longer than the tests: those of one process share one, and empty it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from pipeline.followup.tables import METADATA
from tests.pipeline.followup.days import busy_day
from tests.pipeline.followup.hands import Fresh, quick_passwords
from tests.postgres import server

_TABLES = list(METADATA.tables)
_EMPTIED = "; ".join([
    "SET LOCAL lock_timeout = '10s'",  # for a connection that a test has left open
    "SET LOCAL session_replication_role = replica",  # triggers keep quiet
    *(f"DELETE FROM {name}" for name in _TABLES),
    *(f"ALTER SEQUENCE {name}_id_seq RESTART" for name in _TABLES if name != "audit_log"),
])  # fmt: skip


class Kept:
    """A migrated database that test after test finds empty."""

    def __init__(self, url: str, file: Path | None = None) -> None:
        self.url, self._file = url, file
        self._engine = Store.open(url).engine
        if file is not None:
            self._engine.dispose()
            shutil.copy(file, file.with_suffix(".empty"))

    def emptied(self) -> None:
        if self._file is not None:
            self._engine.dispose()
            shutil.copy(self._file.with_suffix(".empty"), self._file)
        else:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(_EMPTIED)

    def engine(self) -> Engine:
        """Return an engine whose listeners are its own, and which knows the statements that were compiled before."""
        return self._engine.execution_options()

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Return the kind of the database, for tests that differ."""
    return str(request.param)


@pytest.fixture(scope="session")
def _kept(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Callable[[str], Kept]]:
    found: list[Kept] = []

    @cache
    def kept(database: str) -> Kept:
        if database == "sqlite":
            file = tmp_path_factory.mktemp("kept") / "amends.db"
            found.append(Kept(f"sqlite:///{file}", file))
        else:
            running = server(pytestconfig)
            found.append(Kept(running.url(running.create())))
        return found[-1]

    yield kept
    for one in found:
        one.close()


@pytest.fixture
def fresh(database: str, _kept: Callable[[str], Kept]) -> Fresh:
    """Return a context whose value is the URL of a store that has just been emptied."""

    @contextmanager
    def emptied() -> Iterator[str]:
        _kept(database).emptied()
        yield _kept(database).url

    return emptied


@pytest.fixture
def anew(database: str, _kept: Callable[[str], Kept]) -> Callable[..., Store]:
    """Return a function that empties the store of the test, and opens it under a policy of its own."""

    def emptied(policy: Policy | None = None) -> Store:
        _kept(database).emptied()
        return Store(_kept(database).engine(), policy)

    return emptied


@pytest.fixture
def url(fresh: Fresh) -> Iterator[str]:
    """Return the URL of a store that has no cases."""
    with fresh() as where:
        yield where


@pytest.fixture
def opening(url: str, database: str, _kept: Callable[[str], Kept]) -> Callable[..., Store]:
    """Return a function that opens the store of the test once more, under a policy of its own."""
    return lambda policy=None: Store(_kept(database).engine(), policy)


@pytest.fixture
def store(opening: Callable[..., Store]) -> Store:
    """Return an empty store."""
    return opening()


@pytest.fixture
def empty_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a database that has no tables."""
    if database == "sqlite":
        yield f"sqlite:///{tmp_path}/cases/amends.db"
        return
    running = server(request.config)
    name = running.create()
    yield running.url(name)
    running.drop(name)


@pytest.fixture(scope="session")
def _busy(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Callable[[str], Store]]:
    found: list[Store] = []

    @cache
    def made(database: str) -> Store:
        if database == "sqlite":
            found.append(Store.open(f"sqlite:///{tmp_path_factory.mktemp('busy')}/amends.db"))
        else:
            running = server(pytestconfig)
            found.append(Store.open(running.url(running.create())))
        with quick_passwords():
            busy_day(found[-1])
        return found[-1]

    yield made
    for one in found:
        one.close()


@pytest.fixture
def busy(database: str, _busy: Callable[[str], Store]) -> Store:
    """Return a store in which everything was done that there is to do; tests leave it as it is."""
    return _busy(database)
