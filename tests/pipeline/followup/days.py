"""Everything that is done at a desk, so that what must hold of all of it can be tested at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pipeline.config import load
from pipeline.followup import casework, claims, people, sessions, views
from pipeline.followup.audit import Actor
from pipeline.followup.case import OUTCOMES, STEPS, UnknownCaseError
from pipeline.followup.sessions import RefusedError
from pipeline.followup.store import Store
from tests.pipeline.followup.hands import ANA, AT, BO, LATER, LEA
from tests.pipeline.followup.lists import escalation, listed, said

SCHEMA = load().schema_()
PASSWORD = "correct horse battery"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
Operation = Callable[[Store, int, Actor, int, datetime], object]


def _night(store: Store, case_id: int, by: Actor, number: int, at: datetime) -> object:
    text = said(f"zebra {number}", 10.0 * number, id=f"id-{number}", nps=float(number))
    return store.enqueue(listed(escalation(f"C-{case_id}", text)), at=at)


def _handed(store: Store, case_id: int, by: Actor, number: int, at: datetime) -> object:
    return casework.hand_over(store, case_id, by, "bo" if by == ANA else "ana", f"note {number}", at=at)


def _corrected(store: Store, case_id: int, by: Actor, number: int, at: datetime) -> object:
    head, label = [("urgency", "low"), ("signals", "legal_threat"), ("complaint_type", "refund")][number % 3]
    return casework.correct(store, case_id, by, SCHEMA, number, head, label, at=at)


def _mistyped(store: Store, case_id: int, by: Actor, number: int, at: datetime) -> object:
    return sessions.sign_in(store, f"nobody {number}", "wrong", "10.0.0.9", at=at)


OPERATIONS: dict[str, Operation] = {
    "night": _night,
    "take": lambda store, case_id, by, number, at: claims.take(store, case_id, by, at=at),
    "take_next": lambda store, case_id, by, number, at: claims.take_next(store, by, lead=number > 4, at=at),
    "release": lambda store, case_id, by, number, at: claims.release(store, case_id, by, at=at),
    "give_back": lambda store, case_id, by, number, at: claims.give_back(store, at=at + number * HOUR),
    "contacted": lambda store, case_id, by, number, at: casework.contacted(store, case_id, by, note="n", at=at),
    "no_answer": lambda store, case_id, by, number, at: casework.no_answer(
        store, case_id, by, at + number * DAY, at=at
    ),
    "close": lambda store, case_id, by, number, at: casework.close(
        store, case_id, by, OUTCOMES[number % 3], "people", at=at
    ),
    "reopen": lambda store, case_id, by, number, at: casework.reopen(store, case_id, by, at=at),
    "hand_over": _handed,
    "step": lambda store, case_id, by, number, at: casework.check_step(
        store, case_id, by, STEPS[number % 5], number < 6, at=at
    ),
    "give": lambda store, case_id, by, number, at: casework.give(store, case_id, by, number * 4.1, "flowers", at=at),
    "correct": _corrected,
    "remark": lambda store, case_id, by, number, at: casework.remark(store, case_id, by, f"remark {number}", at=at),
    "add_user": lambda store, case_id, by, number, at: people.add_user(store, LEA, f"user-{number}", "agent", None),
    "change_user": lambda store, case_id, by, number, at: people.change_user(
        store, LEA, f"user-{number}", role="lead", active=number < 5
    ),
    "add_key": lambda store, case_id, by, number, at: people.add_key(store, LEA, f"key-{number}", ["read"]),
    "revoke_key": lambda store, case_id, by, number, at: people.revoke_key(store, LEA, f"key-{number}"),
    "feed": lambda store, case_id, by, number, at: people.new_feed(store, by),
    "view": lambda store, case_id, by, number, at: views.keep(store, by, f"view {number % 3}", f"lang={number}"),
    "remove_view": lambda store, case_id, by, number, at: views.remove(store, by, number),
    "link": lambda store, case_id, by, number, at: sessions.enter(store, sessions.link(store, by.name), by.origin),
    "mistyped": _mistyped,
}  # fmt: skip


def staffed(store: Store) -> None:
    """Let Ana and Bo work at the desk, and Lea lead it; nobody has a password yet, for those are slow to make."""
    for who, role in ((ANA, "agent"), (BO, "agent"), (LEA, "lead")):
        people.add_user(store, LEA, who.name, role, None)


def did(store: Store, name: str, case_id: int, by: Actor, number: int, at: datetime) -> bool:
    """Return whether the operation was allowed."""
    try:
        OPERATIONS[name](store, case_id, by, number, at)
    except (ValueError, UnknownCaseError, RefusedError):
        return False
    return True


def busy_day(store: Store) -> None:
    """Do everything that there is to do, each of it once or more, so that every table has rows."""
    staffed(store)
    people.change_user(store, LEA, "ana", password=PASSWORD)
    sessions.sign_in(store, "ana", PASSWORD, ANA.origin, at=AT)
    for case_id in (1, 2, 3):
        assert did(store, "night", case_id, ANA, 9 - case_id, LATER)
    order = ["take", "contacted", "step", "give", "correct", "remark", "no_answer", "hand_over"]
    for name in order:
        assert did(store, name, 1, ANA, 1, AT), name
    for name in ("take_next", "release", "take", "close", "reopen", "close"):
        assert did(store, name, 2, BO, 3, AT), name
    assert did(store, "give_back", 1, ANA, 90, AT)
    assert did(store, "night", 2, ANA, 8, AT + DAY)
    for name in ("add_user", "change_user", "add_key", "revoke_key", "feed", "view", "remove_view", "link"):
        assert did(store, name, 1, ANA, 1, AT), name
    for number in (2, 3):
        assert did(store, "view", 1, BO, number, AT)
        assert did(store, "add_key", 1, BO, number, AT)
    for _ in range(5):
        assert not did(store, "mistyped", 1, ANA, 1, AT)
