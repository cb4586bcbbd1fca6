"""How likely customers are to recommend us after the call: whom to ask, and the answers that come in later dumps."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
from sqlalchemy import Row, Select, select

from pipeline.followup.audit import Actor, Change
from pipeline.followup.case import Case, ConflictError
from pipeline.followup.escalations import instant
from pipeline.followup.policy import Policy
from pipeline.followup.store import Store, as_case, found
from pipeline.followup.tables import AUDIT, CASES

_COLUMNS = ("created_at", "customer_id", "nps")
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)  # no call is older, and dumps hold any time there is


class _Answer(NamedTuple):
    at: datetime
    customer: str
    nps: float


def join(change: Change, policy: Policy, rows: pa.Table) -> int:
    """Return how many answers joined a case, which has an NPS of before the call and one of after it from then on.

    An answer is to the call before it: that of the newest case whose customer was reached before the answer, and
    ``follow_up.window_days`` before it at most. The first answer counts; the same answers again change nothing.

    Parameters
    ----------
    rows
        As in ``answers.parquet``: ``customer_id``, ``created_at``, ``nps``; one without a time is passed over.
    """
    answers = _answers(rows)
    window = timedelta(days=policy.follow_up.window_days)
    reached = _reached(change, max(answers[0].at, _OLDEST) - window) if answers else {}
    joined: set[int] = set()
    for answer in answers:
        case = next((one for one in reached.get(answer.customer, ()) if one.first_contact_at < answer.at), None)
        if case is None or case.id in joined or case.nps_after is not None:
            continue
        in_time = answer.at - case.first_contact_at <= window
        if in_time and not _was_told(change, answer) and _joined(change, case, answer):
            joined.add(case.id)
    return len(joined)


def due_to_ask(store: Store, at: datetime) -> list[Case]:
    """Return the closed cases whose customers are to be asked by now, those who have waited longest first."""
    query = select(CASES).where(
        CASES.c.status == "closed", CASES.c.ask_at <= at, CASES.c.asked_at.is_(None), CASES.c.nps_after.is_(None)
    )
    with store.engine.connect() as connection:
        return [as_case(row) for row in connection.execute(query.order_by(CASES.c.ask_at, CASES.c.id))]


def asked(store: Store, case_id: int, by: Actor, *, at: datetime | None = None) -> Case:
    """Return the case, whose customer was asked; one who was asked or has answered before is left as it is.

    Raises
    ------
    UnknownCaseError
        No case has this number.
    ConflictError
        It is not closed: a customer whose matter is open is called, and not asked.
    """
    with store.change(by, at) as change:
        before = found(change.connection, case_id, lock=True)
        if before.status != "closed":
            raise ConflictError("case %(id)s is open again: call its customer first", id=case_id)
        if before.asked_at is not None or before.nps_after is not None:
            return as_case(before)
        values = {"asked_at": change.at, "updated_at": change.at, "version": CASES.c.version + 1}
        row = change.update(CASES, case_id, values)
        change.note("asked", case_id)
        return as_case(row or before)


def _answers(rows: pa.Table) -> list[_Answer]:
    """Return the answers whose time is known, the oldest first."""
    out = []
    for at, customer, nps in zip(*(rows.column(name).to_pylist() for name in _COLUMNS), strict=True):
        moment = instant(at)
        if moment is not None and customer is not None and nps is not None:
            out.append(_Answer(moment, customer, nps))
    return sorted(out)


def _reached(change: Change, since: datetime) -> dict[str, list[Row[Any]]]:
    """Return the cases of every customer who was reached since then, the newest call first."""
    names = ("id", "case_key", "first_contact_at", "nps_before", "nps_after", "asked_at")
    query: Select[Any] = select(*(CASES.c[name] for name in names)).where(CASES.c.first_contact_at >= since)
    out: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in change.connection.execute(query.order_by(CASES.c.first_contact_at.desc(), CASES.c.id.desc())):
        out[row.case_key].append(row)
    return out


def _was_told(change: Change, answer: _Answer) -> bool:
    """Return whether the answer joined a case before, also where that case was opened again and begins anew."""
    of_customer = select(CASES.c.id).where(CASES.c.case_key == answer.customer)
    query = select(AUDIT.c.detail).where(AUDIT.c.case_id.in_(of_customer), AUDIT.c.what == "answered")
    told = change.connection.execute(query).scalars()
    return any(detail["answered_at"] == answer.at.isoformat() for detail in told)


def _joined(change: Change, case: Row[Any], answer: _Answer) -> bool:
    values = {
        "nps_after": answer.nps, "answered_at": answer.at, "asked_at": case.asked_at or answer.at,
        "updated_at": change.at, "version": CASES.c.version + 1,
    }  # fmt: skip
    # Meanwhile the case may have been opened again: then the call that was answered is not the one it counts from.
    same = (CASES.c.nps_after.is_(None), CASES.c.first_contact_at == case.first_contact_at)
    if change.update(CASES, case.id, values, *same) is None:
        return False
    change.note("answered", case.id, before=case.nps_before, after=answer.nps, answered_at=answer.at)
    return True
