"""Feedback that comes in by itself and not with a night: put into the desk at once, once per key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipeline.followup import received
from pipeline.followup.audit import Actor, Change
from pipeline.followup.engine import alone
from pipeline.followup.enqueue import Enqueuing
from pipeline.followup.escalations import read
from pipeline.followup.store import Store


def answered(store: Store, key: str, body: bytes) -> Any | None:
    """Return what was answered to the same request before; None where it is new.

    Raises
    ------
    ConflictError
        The key came with another body.
    """
    with store.engine.connect() as connection:
        return received.before(connection, key, body)


def take_in(
    store: Store, by: Actor, escalations: pa.Table, answer: dict[str, Any], *, key: str | None, body: bytes,
    at: datetime | None = None,
) -> Any:  # fmt: skip
    """Return `answer` with what became of each customer; where `key` was answered meanwhile, that answer.

    A customer without a case gets one where the priority reaches ``live_from``, or where a person must read the text.

    Raises
    ------
    ConflictError
        The key came with another body.
    """
    rows = read(escalations)
    with alone(store.engine, "enqueue") as connection:
        if key is not None and (before := received.before(connection, key, body)) is not None:
            return before
        change = Change(connection, by, (at or datetime.now(UTC)).astimezone(UTC))
        least = store.policy.live_from
        enqueuing = Enqueuing(change, store.policy, store.clock, cut=least, least=least)
        cases = [{"case_key": row.case_key, "became": enqueuing.take(row)} for row in rows]
        answer = answer | {"cases": cases}
        if key is not None:
            received.note(change, key, body, answer)
        change.close()
    return answer
