"""A night comes into the desk exactly once, wherever between two statements the process that puts it there dies."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Connection, Engine, event, select

from pipeline.config import Config
from pipeline.followup.audit import Actor
from pipeline.followup.casework import close, contacted
from pipeline.followup.claims import take
from pipeline.followup.night import take_in
from pipeline.followup.store import Store
from pipeline.followup.tables import METADATA
from pipeline.triage.nightly import Outcome

from .conftest import in_child

NIGHT = datetime(2026, 11, 21, 6, tzinfo=UTC)
ANNA = Actor("anna", "test")
NOTHING = "0 cases opened, 0 updated, 3 unchanged, 0 answers joined, 0 people to thank"


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that the store holds; and see that the log says the same."""
    store = Store.open(url)
    with store.engine.connect() as connection:
        found = {
            name: [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
            for name, table in METADATA.tables.items()
        }
    assert store.audit() == []
    store.close()
    return found


def config(path: Path) -> Config:
    return Config.model_validate({"store": {"url": f"sqlite:///{path}"}})


def new(path: Path) -> None:
    """Leave everything to who comes first: the tables as well."""


def at_work(path: Path) -> None:
    """Leave a case that was closed two days after the call, and another whose customer was reached."""
    store = Store.open(f"sqlite:///{path}")
    called = NIGHT - timedelta(days=9)
    row = {"priority": 80.0, "lead_id": "old", "text": "You promised to call."}
    store.enqueue(pa.Table.from_pylist([row | {"case_key": name} for name in ("c1", "c2")]), at=called)
    for number in (1, 2):
        take(store, number, ANNA, at=called)
        contacted(store, number, ANNA, at=called)
    close(store, 1, ANNA, "resolved", "process", at=called + timedelta(days=2))
    store.close()


@pytest.fixture
def folder(job: Callable[..., Outcome], tmp_path: Path) -> Path:
    job()
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param(
            new, "3 cases opened, 0 updated, 0 unchanged, 0 answers joined, 2 people to thank", marks=pytest.mark.slow
        ),
        (at_work, "1 cases opened, 1 opened again, 1 updated, 0 unchanged, 2 answers joined, 2 people to thank"),
    ],
    ids=["a new store", "a store at work"],
)
def test_a_death_between_any_two_statements_changes_nothing(
    before: Callable[[Path], None], said: str, folder: Path, tmp_path: Path
) -> None:
    begun, whole = tmp_path / "begun.db", tmp_path / "whole.db"
    before(begun)
    if begun.exists():
        shutil.copy(begun, whole)
    statements: list[str] = []
    commits: list[int] = []

    def count(*arguments: Any) -> None:
        statements.append(str(arguments[2])[:40])

    def committed(connection: Connection) -> None:
        commits.append(len(statements))

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", committed)
    try:
        assert take_in(config(whole), folder, NIGHT) == said
    finally:
        event.remove(Engine, "before_cursor_execute", count)
        event.remove(Engine, "commit", committed)
    _tables, night, *_stock = commits
    expected, untouched = rows(f"sqlite:///{whole}"), rows(f"sqlite:///{begun}")
    assert expected != untouched
    assert night > 15
    for number in range(len(statements)):
        path = tmp_path / f"{number}.db"
        if before is not new:
            shutil.copy(begun, path)

        def work(path: Path = path, number: int = number) -> None:
            met = 0

            def die(*arguments: Any) -> None:
                nonlocal met
                if met == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                met += 1

            event.listen(Engine, "before_cursor_execute", die)
            take_in(config(path), folder, NIGHT)

        assert in_child(work) == -signal.SIGKILL
        there = untouched if number < night else expected
        assert rows(f"sqlite:///{path}") == there, f"statement {number}: {statements[number]}"
        take_in(config(path), folder, NIGHT)
        assert rows(f"sqlite:///{path}") == expected, f"statement {number}: {statements[number]}"
    assert take_in(config(whole), folder, NIGHT) == NOTHING
    assert rows(f"sqlite:///{whole}") == expected
