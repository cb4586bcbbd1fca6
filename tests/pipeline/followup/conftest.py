"""A store in a fresh database, of either kind: what holds of one must hold of the other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from tests.pipeline.followup.days import busy_day
from tests.pipeline.followup.hands import Fresh
from tests.postgres import server

MADE_BY: dict[str, Callable[[Store], None]] = {"tables": lambda store: None, "a busy day": busy_day}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Return the kind of the database, for tests that differ."""
    return str(request.param)


@pytest.fixture(scope="session")
def _file_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that returns a file with what `MADE_BY` does; it is made once and copied from then on."""

    @cache
    def made(what: str) -> Path:
        path = tmp_path_factory.mktemp("template") / "amends.db"
        _make(f"sqlite:///{path}", what)
        return path

    return made


@pytest.fixture(scope="session")
def _database_with(pytestconfig: pytest.Config) -> Callable[[str], str]:
    @cache
    def made(what: str) -> str:
        running = server(pytestconfig)
        name = running.create()
        _make(running.url(name), what)
        return name

    return made


def _make(url: str, what: str) -> None:
    store = Store.open(url)
    MADE_BY[what](store)
    store.close()


@pytest.fixture
def fresh(database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """Return a context whose value is the URL of a new store: as `MADE_BY` leaves it, or with ``nothing`` in it."""

    @contextmanager
    def file(what: str = "tables") -> Iterator[str]:
        path = tmp_path_factory.mktemp("cases") / "amends.db"
        if what != "nothing":
            shutil.copy(request.getfixturevalue("_file_with")(what), path)
        yield f"sqlite:///{path}"

    @contextmanager
    def served(what: str = "tables") -> Iterator[str]:
        running = server(request.config)
        template = "template0" if what == "nothing" else request.getfixturevalue("_database_with")(what)
        name = running.create(template)
        yield running.url(name)
        running.drop(name)

    return file if database == "sqlite" else served


@pytest.fixture
def url(fresh: Fresh) -> Iterator[str]:
    """Return the URL of a store that has no cases."""
    with fresh() as where:
        yield where


@pytest.fixture
def empty_url(fresh: Fresh) -> Iterator[str]:
    """Return the URL of a store that has no tables."""
    with fresh("nothing") as where:
        yield where


@pytest.fixture
def opening(url: str) -> Iterator[Callable[..., Store]]:
    """Return a function that opens the store of the test under a policy of its own, as another process would."""
    opened: list[Store] = []

    def open_(policy: Policy | None = None) -> Store:
        opened.append(Store.open(url, policy))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(opening: Callable[..., Store]) -> Store:
    """Return an empty store."""
    return opening()


@pytest.fixture
def busy(fresh: Fresh) -> Iterator[Store]:
    """Return a store in which everything was done that there is to do; its making is slow, and shared."""
    with fresh("a busy day") as where:
        store = Store.open(where)
        yield store
        store.close()
