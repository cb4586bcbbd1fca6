"""A store in a fresh database, of either kind: what holds of one must hold of the other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from tests.pipeline.followup.hands import Fresh
from tests.postgres import Server, server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Return the kind of the database, for tests that differ."""
    return str(request.param)


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "amends.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def _migrated_database(pytestconfig: pytest.Config) -> tuple[Server, str]:
    running = server(pytestconfig)
    name = running.create()
    Store.open(running.url(name)).close()
    return running, name


@pytest.fixture
def fresh(database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """Return a context whose value is the URL of a new store; with ``empty=True`` it has no tables yet."""

    @contextmanager
    def file(empty: bool = False) -> Iterator[str]:
        path = tmp_path_factory.mktemp("cases") / "amends.db"
        if not empty:
            shutil.copy(request.getfixturevalue("_migrated_file"), path)
        yield f"sqlite:///{path}"

    @contextmanager
    def served(empty: bool = False) -> Iterator[str]:
        running, template = request.getfixturevalue("_migrated_database")
        name = running.create("template0" if empty else template)
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
    with fresh(empty=True) as where:
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
