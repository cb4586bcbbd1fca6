"""Requests that were answered before: the same key and the same body get the same answer, and nothing is done twice."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from pipeline.followup.audit import Change
from pipeline.followup.case import ConflictError
from pipeline.followup.tables import RECEIVED

_KEPT = timedelta(days=30)


def before(connection: Connection, key: str, body: bytes) -> Any | None:
    """Return what was answered to `key`; None where it is new.

    Raises
    ------
    ConflictError
        The key came with another body.
    """
    row = connection.execute(select(RECEIVED).where(RECEIVED.c.key == key)).first()
    if row is None:
        return None
    if row.digest != _digest(body):
        raise ConflictError("this Idempotency-Key came with another body before; take a new key for a new request")
    return row.answer


def note(change: Change, key: str, body: bytes, answer: Any) -> None:
    """Keep the answer for as long as somebody may ask again."""
    change.connection.execute(delete(RECEIVED).where(RECEIVED.c.at < change.at - _KEPT))
    row = {"key": key, "digest": _digest(body), "answer": answer, "at": change.at}
    change.connection.execute(insert(RECEIVED).values(row))


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
