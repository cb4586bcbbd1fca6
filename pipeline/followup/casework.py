"""What a person does with a case: reach the customer, try again, make it right, give, correct the model, close."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import IntegrityError

from models.schema import Schema
from pipeline.followup.audit import Actor
from pipeline.followup.case import OUTCOMES, STEPS, Case, CaseworkError, ConflictError, facets
from pipeline.followup.claims import held
from pipeline.followup.engine import lock
from pipeline.followup.escalations import storable
from pipeline.followup.outbox import tell
from pipeline.followup.store import Store, as_case, found
from pipeline.followup.tables import CASES, CORRECTIONS, FEEDBACK, GIFTS, USERS

LONGEST_NOTE = 2_000


def contacted(store: Store, case_id: int, by: Actor, *, version: int | None = None, note: str = "",
              at: datetime | None = None) -> Case:  # fmt: skip
    """Return the case after its customer was reached; what is left is to make it right, by the time for that.

    Raises
    ------
    UnknownCaseError, ConflictError
        See `pipeline.followup.claims.held`.
    """
    with store.change(by, at) as change:
        before = found(change.connection, case_id, lock=True)
        due = store.clock.settle(change.at)
        values = {
            "status": "contacted", "next_at": None, "attempts": before.attempts + 1, "due_at": due, "due_told": False,
            "standing": store.clock.standing(before.priority, due),
            "first_contact_at": before.first_contact_at or change.at, "lease_until": due,
        }  # fmt: skip
        row = held(change, store, case_id, version, values)
        change.note("contacted", case_id, **_with(note))
        return as_case(row)


def no_answer(store: Store, case_id: int, by: Actor, again_at: datetime, *, version: int | None = None, note: str = "",
              at: datetime | None = None) -> Case:  # fmt: skip
    """Return the case after nobody answered; it stays with `by`, to be called again at `again_at`.

    Raises
    ------
    ValueError
        `again_at` is not within the next 60 days.
    UnknownCaseError, ConflictError
        See `pipeline.followup.claims.held`.
    """
    with store.change(by, at) as change:
        if not change.at < again_at <= change.at + timedelta(days=60):
            raise CaseworkError("try again at a time within the next 60 days")
        before = found(change.connection, case_id, lock=True)
        values = {
            "next_at": again_at, "attempts": before.attempts + 1, "due_at": again_at, "due_told": False,
            "standing": store.clock.standing(before.priority, again_at),
            "lease_until": again_at + store.clock.lease,
        }  # fmt: skip
        row = held(change, store, case_id, version, values)
        change.note("no_answer", case_id, again_at=again_at, **_with(note))
        return as_case(row)


def close(store: Store, case_id: int, by: Actor, outcome: str, root_cause: str, *, version: int | None = None,
          note: str = "", at: datetime | None = None) -> Case:  # fmt: skip
    """Return the case after it was closed; the customer is asked again how likely they are to recommend us.

    Raises
    ------
    ValueError
        No such outcome, or no such root cause.
    UnknownCaseError, ConflictError
        See `pipeline.followup.claims.held`.
    """
    if outcome not in OUTCOMES:
        raise CaseworkError("a case ends as one of %(outcomes)s; say which", outcomes=", ".join(OUTCOMES))
    if root_cause not in store.policy.root_causes:
        causes = ", ".join(store.policy.root_causes)
        raise CaseworkError("a case is closed with one of the root causes %(causes)s", causes=causes)
    with store.change(by, at) as change:
        before = found(change.connection, case_id, lock=True)
        asked = before.first_contact_at is not None or outcome == "resolved"
        reached = before.first_contact_at or (change.at if outcome == "resolved" else None)
        values = {
            "status": "closed", "outcome": outcome, "root_cause": root_cause, "closed_at": change.at, "next_at": None,
            "owner": None, "lease_until": None, "first_contact_at": reached,
            "ask_at": change.at + timedelta(days=store.policy.follow_up.days) if asked else None,
        }  # fmt: skip
        row = held(change, store, case_id, version, values)
        change.note("closed", case_id, outcome=outcome, root_cause=root_cause, **_with(note))
        tell(change, store.policy, "case.closed", case_id, dict(row._mapping))
        return as_case(row)


def reopen(store: Store, case_id: int, by: Actor, *, version: int | None = None, at: datetime | None = None) -> Case:
    """Return a closed case as it is after `by` opened and took it again.

    Raises
    ------
    ConflictError
        It is not closed, was changed since `version`, or the customer has a newer case that is open.
    """
    with store.change(by, at) as change:
        before = found(change.connection, case_id, lock=True)
        if before.status != "closed":
            raise ConflictError("case %(id)s is not closed", id=case_id)
        if version is not None and version != before.version:
            raise ConflictError("case %(id)s was changed since you opened it", id=case_id)
        due = store.clock.settle(change.at) if before.first_contact_at else store.clock.due(before.labels, change.at)
        values = {
            "status": "contacted" if before.first_contact_at else "open", "outcome": None, "root_cause": None,
            "closed_at": None, "ask_at": None, "due_at": due, "due_told": False, "updated_at": change.at,
            "standing": store.clock.standing(before.priority, due), "version": before.version + 1,
            "owner": by.name, "lease_until": change.at + store.clock.lease,
        }  # fmt: skip
        try:
            change.update(CASES, case_id, values)
        except IntegrityError as error:
            raise ConflictError(
                "case %(id)s stays closed: this customer has a newer one that is open", id=case_id
            ) from error
        change.note("reopened", case_id, after=before.outcome)
    return store.case(case_id)


def hand_over(store: Store, case_id: int, by: Actor, to: str, note: str, *, version: int | None = None,
              at: datetime | None = None) -> Case:  # fmt: skip
    """Return the case, which now waits for `to`, with a note of what they must know.

    Raises
    ------
    ValueError
        No note, or nobody of that name can work at the desk.
    UnknownCaseError, ConflictError
        See `pipeline.followup.claims.held`.
    """
    if not note.strip():
        raise CaseworkError("write what your colleague must know")
    with store.change(by, at) as change:
        query = select(USERS.c.id).where(USERS.c.name == storable(to), USERS.c.active, USERS.c.role != "service")
        if change.connection.execute(query).first() is None:
            raise CaseworkError("nobody here is called %(name)s", name=repr(to[:40]))
        values = {"owner": to, "lease_until": change.at + store.clock.hand_over}
        row = held(change, store, case_id, version, values)
        change.note("handed_over", case_id, to=to, **_with(note))
        return as_case(row)


def check_step(store: Store, case_id: int, by: Actor, step: str, done: bool, *, at: datetime | None = None) -> Case:
    """Return the case with one of the five steps of recovery ticked, or not.

    Raises
    ------
    ValueError
        No such step.
    UnknownCaseError, ConflictError
        See `pipeline.followup.claims.held`.
    """
    if step not in STEPS:
        raise CaseworkError("a step is one of %(steps)s", steps=", ".join(STEPS))
    with store.change(by, at) as change:
        before = found(change.connection, case_id, lock=True)
        steps = {name: entry for name, entry in before.steps.items() if name != step}
        if done:
            steps[step] = {"who": by.name, "at": change.at.isoformat()}
        row = held(change, store, case_id, None, {"steps": steps})
        change.note("step_done" if done else "step_undone", case_id, step=step)
        return as_case(row)


def give(store: Store, case_id: int, by: Actor, amount: float, what: str, *, at: datetime | None = None) -> Case:
    """Return the case after `amount` of the recovery budget was given.

    Raises
    ------
    ValueError
        Not an amount above 0, nothing said of what it is for, or more than the budget of the case or of the day.
    UnknownCaseError, ConflictError
        See `pipeline.followup.claims.held`.
    """
    amount, budget = round(amount, 2), store.policy.budget
    if not 0 < amount < 1e9:
        raise CaseworkError("give an amount above 0")
    what = storable(what.strip()[:200])
    if not what:
        raise CaseworkError("say what it is given for")
    with store.change(by, at) as change:
        # Both locks are taken before anything is summed, so that two gifts at once cannot pass one budget.
        lock(change.connection, f"budget of {by.name}")
        before = found(change.connection, case_id, lock=True)
        if before.spent + amount > budget.per_case + 1e-9:
            left = max(0.0, budget.per_case - before.spent)
            raise CaseworkError(
                "this case has %(left)s %(currency)s left; ask a lead for more",
                left=left, currency=budget.currency,
            )  # fmt: skip
        today = _given_today(change.connection, store, by.name, change.at)
        if today + amount > budget.per_day + 1e-9:
            left = max(0.0, budget.per_day - today)
            raise CaseworkError(
                "you have %(left)s %(currency)s left today; ask a lead for more",
                left=left, currency=budget.currency,
            )  # fmt: skip
        row = held(change, store, case_id, None, {"spent": round(before.spent + amount, 2)})
        gift = {"case_id": case_id, "author": by.name, "amount": amount, "what": what, "at": change.at}
        change.insert(GIFTS, gift)
        change.note("gave", case_id, amount=amount, currency=budget.currency, given_for=what)
        return as_case(row)


def left_to_give(store: Store, case: Case, who: str, at: datetime) -> float:
    """Return how much `who` may still give in `case` today."""
    with store.engine.connect() as connection:
        today = _given_today(connection, store, who, at)
    return max(0.0, min(store.policy.budget.per_case - case.spent, store.policy.budget.per_day - today))


def correct(store: Store, case_id: int, by: Actor, schema: Schema, feedback_id: int, head: str, label: str, *,
            at: datetime | None = None) -> None:  # fmt: skip
    """Keep, as a labelled row with author and time, that `head` of a text is `label` and not what the model said.

    Raises
    ------
    ValueError
        No such head or label, or the text is not one of the case.
    UnknownCaseError
        No case has this number.
    """
    known = {one.name: one for one in schema if one.exclusive or one.kind == "multilabel"}
    if head not in known or label not in known[head].labels:
        raise CaseworkError("choose a label that the heads have")
    with store.change(by, at) as change:
        case = found(change.connection, case_id, lock=True)
        query = select(FEEDBACK).where(FEEDBACK.c.id == feedback_id, FEEDBACK.c.case_id == case_id)
        # SQLite and PostgreSQL refuse a number that their column cannot hold; no text has such a number.
        text = change.connection.execute(query).first() if 0 < feedback_id < 2**31 else None
        if text is None:
            raise CaseworkError("case %(id)s has no such text", id=case_id)
        said = next((one for one in text.labels if one in known[head].labels), None)
        change.insert(CORRECTIONS, {"feedback_id": feedback_id, "head": head, "label": label, "instead_of": said,
                                    "author": by.name, "at": change.at})  # fmt: skip
        if (text.text_id, text.text) == (case.lead_id, case.text) and known[head].exclusive:
            labels = case.labels | {head: label}
            change.update(CASES, case_id, {"labels": labels, "facets": facets(labels), "version": case.version + 1,
                                           "updated_at": change.at})  # fmt: skip
        change.note("corrected", case_id, head=head, label=label, instead_of=said)


def remark(store: Store, case_id: int, by: Actor, note: str, *, at: datetime | None = None) -> Case:
    """Return the case after a note was left in its history.

    Raises
    ------
    ValueError
        Nothing was written.
    """
    if not note.strip():
        raise CaseworkError("write something")
    with store.change(by, at) as change:
        row = found(change.connection, case_id)
        change.note("noted", case_id, **_with(note))
        return as_case(row)


def _given_today(connection: Connection, store: Store, who: str, at: datetime) -> float:
    begin, end = store.clock.calendar.day_of(at)
    query = select(func.coalesce(func.sum(GIFTS.c.amount), 0.0)).where(
        GIFTS.c.author == who, GIFTS.c.at >= begin, GIFTS.c.at < end
    )
    return float(connection.execute(query).scalar_one())


def _with(note: str) -> Mapping[str, Any]:
    """Return the note as an entry of the history has it: what is written about a customer is theirs, so it is short."""
    return {"note": storable(note.strip()[:LONGEST_NOTE])} if note.strip() else {}
