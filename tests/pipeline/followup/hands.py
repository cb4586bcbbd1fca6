"""What tests do at the desk again and again: fill it, look at it, let many work at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from pipeline.followup import casework, claims, people, sessions
from pipeline.followup.audit import Actor
from pipeline.followup.case import Case
from pipeline.followup.policy import Policy, Webhook
from pipeline.followup.queue import Filter, page
from pipeline.followup.store import Store
from pipeline.followup.tables import METADATA
from tests.pipeline.followup.lists import escalation, listed, said

Fresh = Callable[..., AbstractContextManager[str]]

NIGHT = datetime(2026, 11, 21, 6, tzinfo=UTC)  # a Saturday
AT = datetime(2026, 11, 23, 10, tzinfo=UTC)  # the Monday after it
LATER = NIGHT + timedelta(days=1)
ANA, BO, LEA = (Actor(name, f"10.0.0.{number}") for number, name in enumerate(("ana", "bo", "lea"), 1))
HOOKED = Policy(site="https://desk.example.com/", webhooks=[Webhook(url="https://crm.example.com/hook")])


def fill(store: Store, *priorities: float, at: datetime = NIGHT, **more: Any) -> list[Case]:
    """Return new cases of the customers C-1, C-2, ...; the text of each names its customer."""
    customers = [f"C-{number}" for number in range(1, len(priorities) + 1)]
    rows = [
        escalation(who, said(f"words of {who}", priority), **more)
        for who, priority in zip(customers, priorities, strict=True)
    ]
    store.enqueue(listed(*rows), at=at)
    found = {case.case_key: case for case in cases(store)}
    return [found[who] for who in customers]


def one(store: Store, by: Actor | None = ANA, *, at: datetime = AT, **more: Any) -> Case:
    """Return a new case; it is with `by`, if given."""
    [case] = fill(store, 90.0, **more)
    return claims.take(store, case.id, by, at=at) if by else case


def close(store: Store, case_id: int, outcome: str = "resolved", *, at: datetime = AT) -> Case:
    """Return the case after Ana took and closed it."""
    claims.take(store, case_id, ANA, at=at)
    return casework.close(store, case_id, ANA, outcome, "process", at=at)


def cases(store: Store, tab: str = "all") -> list[Case]:
    """Return the cases of a tab in the order of the queue."""
    return page(store, Filter(tab), "nobody", limit=10_000, at=AT).cases


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    with store.engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
            for name, table in METADATA.tables.items()
        }


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """Return what each of `work` returned, or the error that it raised; all of them start together."""
    start = threading.Barrier(len(work))
    results: list[Any] = [None] * len(work)

    def do(number: int) -> None:
        start.wait()
        try:
            results[number] = work[number]()
        except Exception as error:  # for the test to look at
            results[number] = error

    threads = [threading.Thread(target=do, args=(number,)) for number in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@contextmanager
def quick_passwords() -> Iterator[PasswordHasher]:
    """Let passwords be hashed in no time, as they must never be; yield what hashes them."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (people, sessions):
            patch.setattr(module, "HASHER", quick)
        sessions._nobodys.cache_clear()
        yield quick
    sessions._nobodys.cache_clear()


def in_children(*work: Callable[[], Any], limit: int = 120) -> list[int]:
    """Return how processes of their own ended that did `work`, starting together: 0, or 1 where it raised.

    One that hangs for `limit` seconds fails its test, and not the run.
    """
    wait, start = os.pipe()
    children = []
    for do in work:
        child = os.fork()
        if child == 0:
            signal.alarm(limit)
            status = 1
            try:
                os.close(start)
                os.read(wait, 1)
                do()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    os.close(start)
    os.close(wait)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
