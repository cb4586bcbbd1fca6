"""Scores become cases exactly once, wherever between two statements the process that puts them there dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from pipeline.followup.store import Store, enqueue_list
from pipeline.followup.tables import CASES, EVENTS, FEEDBACK
from pipeline.triage.nightly import Outcome

from .conftest import in_child

NIGHT = datetime(2026, 11, 21, 6, tzinfo=UTC)


def cases(url: str) -> list[list[tuple[Any, ...]]]:
    store = Store.open(url)
    with store.engine.connect() as connection:
        found = [[tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
                 for table in (CASES, FEEDBACK, EVENTS)]  # fmt: skip
    store.close()
    return found


@pytest.fixture
def listed(job: Callable[..., Outcome], tmp_path: Path) -> Path:
    job()
    return tmp_path / "out" / "escalations.parquet"


def test_a_death_between_any_two_statements_changes_nothing(listed: Path, tmp_path: Path) -> None:
    whole = f"sqlite:///{tmp_path}/whole.db"
    statements: list[str] = []

    def count(*arguments: Any) -> None:
        statements.append(str(arguments[2])[:40])

    event.listen(Engine, "before_cursor_execute", count)
    try:
        enqueue_list(whole, listed, NIGHT)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    expected = cases(whole)
    assert len(statements) > 15
    for number in range(len(statements)):
        url = f"sqlite:///{tmp_path}/{number}.db"

        def work(url: str = url, number: int = number) -> None:
            met = 0

            def die(*arguments: Any) -> None:
                nonlocal met
                if met == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                met += 1

            event.listen(Engine, "before_cursor_execute", die)
            enqueue_list(url, listed, NIGHT)

        assert in_child(work) == -signal.SIGKILL
        assert cases(url) in ([[], [], []], expected)
        enqueue_list(url, listed, NIGHT)
        assert cases(url) == expected, f"statement {number}: {statements[number]}"
        enqueue_list(url, listed, NIGHT)
        assert cases(url) == expected
