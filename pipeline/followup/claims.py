"""Who has a case: taken by one conditional UPDATE, so that two never call the same customer; leases run out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, case, literal, or_, select

from pipeline.followup.audit import CLOCK, Actor, Change
from pipeline.followup.case import LIVE, Case, ConflictError
from pipeline.followup.store import Store, as_case, found
from pipeline.followup.tables import CASES, IS_LIVE, QUEUE_ORDER

_RETURNED_AT_ONCE = 1_000


def take(store: Store, case_id: int, by: Actor, *, version: int | None = None, at: datetime | None = None) -> Case:
    """Return the case, which is now with `by` until the lease runs out; who has it already has it longer.

    Raises
    ------
    UnknownCaseError
        No case has this number.
    ConflictError
        Somebody else has it, it is closed, or it was changed since `version`.
    """
    with store.change(by, at) as change:
        row = _taken(change, store, CASES.c.id == case_id, case_id, version)
        if row is None:
            raise lost(found(change.connection, case_id), change, version)
        return as_case(row)


def take_next(store: Store, by: Actor, *, lead: bool = False, at: datetime | None = None) -> Case | None:
    """Return the most important free case, which is now with `by`; None where none is free.

    A case to be called back later is not free before its time; a second failure is for a `lead` alone.
    """
    found_one = _next(store, by, lead, at)
    # Leases are looked after by the clock of the server; one that ran out a moment ago counts as well.
    return found_one or (_next(store, by, lead, at) if give_back(store, at=at) else None)


def _next(store: Store, by: Actor, lead: bool, at: datetime | None) -> Case | None:
    with store.change(by, at) as change:
        free = [
            IS_LIVE, CASES.c.owner.is_(None),
            or_(CASES.c.next_at.is_(None), CASES.c.next_at <= change.at),
        ]  # fmt: skip
        if not lead:
            free.append(CASES.c.second_failure.is_(False))
        # Others who take at the same moment step over the row that we look at, and look at the one after it.
        query = select(CASES.c.id).where(*free).order_by(*QUEUE_ORDER).limit(1).with_for_update(skip_locked=True)
        first = change.connection.execute(query).scalar()
        row = _taken(change, store, CASES.c.id == first, first, None) if first is not None else None
        return None if row is None else as_case(row)


def release(store: Store, case_id: int, by: Actor, *, version: int | None = None, at: datetime | None = None) -> Case:
    """Return the case, which is free again.

    Raises
    ------
    UnknownCaseError
        No case has this number.
    ConflictError
        `by` does not have it, or it was changed since `version`.
    """
    with store.change(by, at) as change:
        row = held(change, store, case_id, version, {"owner": None, "lease_until": None})
        change.note("released", case_id)
        return as_case(row)


def give_back(store: Store, *, at: datetime | None = None) -> int:
    """Return how many cases became free because their lease had run out."""
    with store.change(CLOCK, at) as change:
        late = CASES.c.owner.is_not(None) & (CASES.c.lease_until <= change.at) & IS_LIVE
        query = select(CASES.c.id, CASES.c.owner).where(late).limit(_RETURNED_AT_ONCE).with_for_update(skip_locked=True)
        rows = change.connection.execute(query).all()
        for row in rows:
            values = {"owner": None, "lease_until": None, "updated_at": change.at, "version": CASES.c.version + 1}
            change.update(CASES, row.id, values)
            change.note("returned", row.id, owner=row.owner)
        return len(rows)


def held(change: Change, store: Store, case_id: int, version: int | None, values: dict[str, Any]) -> Row[Any]:
    """Return the row of a live case after `values` were written by who has it, whose lease begins anew.

    Raises
    ------
    UnknownCaseError
        No case has this number.
    ConflictError
        Somebody else has it, nobody has, it is closed, or it was changed since `version`.
    """
    ours = (CASES.c.owner == change.actor.name) & (CASES.c.lease_until > change.at)
    lease = {"lease_until": _lease(change, store), "updated_at": change.at, "version": CASES.c.version + 1}
    conditions: list[ColumnElement[bool]] = [IS_LIVE, ours]
    if version is not None:
        conditions.append(_is_at(version))
    row = change.update(CASES, case_id, lease | values, *conditions)
    if row is None:
        raise lost(found(change.connection, case_id), change, version)
    return row


def lost(row: Row[Any], change: Change, version: int | None) -> ConflictError:
    """Return why `row` could not be changed: who has it, or what became of it."""
    held_by_other = row.owner and row.owner != change.actor.name and row.lease_until and row.lease_until > change.at
    if row.status not in LIVE:
        return ConflictError("case %(id)s is closed", id=row.id)
    if held_by_other:
        return ConflictError("%(owner)s has case %(id)s", owner=row.owner, id=row.id)
    if version is not None and version != row.version:
        return ConflictError("case %(id)s was changed since you opened it", id=row.id)
    return ConflictError("case %(id)s is not with you; take it first", id=row.id)


def _is_at(version: int) -> ColumnElement[bool]:
    # Drivers refuse a number that the column cannot hold; no case has such a version.
    return CASES.c.version == (version if 0 <= version < 2**31 else -1)


def _lease(change: Change, store: Store) -> ColumnElement[Any]:
    """Return until when the case stays with who has it: a lease from now, or longer where it was longer before."""
    until = literal(change.at + store.clock.lease, CASES.c.lease_until.type)
    return case((CASES.c.lease_until > until, CASES.c.lease_until), else_=until)


def _taken(
    change: Change, store: Store, which: ColumnElement[bool], case_id: int, version: int | None
) -> Row[Any] | None:
    """Return the row after one conditional UPDATE; None where somebody else was faster."""
    free = or_(CASES.c.owner.is_(None), CASES.c.owner == change.actor.name, CASES.c.lease_until <= change.at)
    conditions = [which, IS_LIVE, free]
    if version is not None:
        conditions.append(_is_at(version))
    values = {
        "owner": change.actor.name, "lease_until": _lease(change, store), "updated_at": change.at,
        "version": CASES.c.version + 1,
    }  # fmt: skip
    row = change.update(CASES, case_id, values, *conditions)
    if row is not None:
        change.note("taken", case_id, until=row.lease_until)
    return row
