"""People worth thanking: those who would recommend us, as nights find them, and who thanked whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Row, Select, select

from pipeline.followup.audit import Actor, Change
from pipeline.followup.case import ConflictError, PlainError, Text
from pipeline.followup.escalations import instant, storable
from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from pipeline.followup.tables import PROMOTERS


class UnknownPromoterError(PlainError, KeyError):
    """Nobody on the list has this number."""

    def __init__(self, promoter_id: int) -> None:
        super().__init__("nobody to thank has the number %(id)s", id=promoter_id)


@dataclass(frozen=True)
class Promoter:
    """One person worth thanking, what they wrote, masked before it came here, and who thanked them."""

    id: int
    case_key: str
    text_id: str
    text: str
    added_at: datetime
    customer_id: str | None = None
    customer_value: float | None = None
    reach: float | None = None
    nps: float | None = None
    channel: str | None = None
    lang: str | None = None
    created_at: datetime | None = None
    thanked_at: datetime | None = None
    thanked_by: str | None = None


def take_in(change: Change, policy: Policy, table: pa.Table) -> int:
    """Return how many people are new on the list, of the ``thanks.most`` that come first in `table`.

    Who waits for thanks is not there twice, and who was thanked comes again for what they wrote after that alone;
    so the same night again changes nothing.

    Parameters
    ----------
    table
        As in ``promoters.parquet``, those whose thanks matters most first.
    """
    rows = table.slice(0, policy.thanks.most).to_pylist()
    known = _known(change.connection, [row["case_key"] for row in rows])
    values = [_stored(row, change.at) for row in rows]
    new = [row for row in values if not any(_is_known(row, one) for one in known[row["case_key"]])]
    change.insert_all(PROMOTERS, new)
    if new:
        change.note("promoters", people=len(new))
    return len(new)


def promoters(store: Store, limit: int, offset: int = 0) -> list[Promoter]:
    """Return a page of the list: who is still to be thanked first, the most valuable first."""
    order = (PROMOTERS.c.thanked_at.is_not(None), PROMOTERS.c.customer_value.desc().nulls_last(),
             PROMOTERS.c.reach.desc().nulls_last(), PROMOTERS.c.id)  # fmt: skip
    query = select(PROMOTERS).order_by(*order).limit(limit).offset(offset)
    with store.engine.connect() as connection:
        return [_promoter(row) for row in connection.execute(query)]


def thank(store: Store, promoter_id: int, by: Actor, *, at: datetime | None = None) -> Promoter:
    """Return the promoter, whom `by` has thanked.

    Raises
    ------
    UnknownPromoterError
        Nobody on the list has this number.
    ConflictError
        Somebody has thanked them before; the message and `owner` say who.
    """
    with store.change(by, at) as change:
        _found(change.connection, promoter_id)
        values = {"thanked_at": change.at, "thanked_by": by.name}
        # Of two at the same moment one finds the condition broken: nobody is thanked twice for the same words.
        row = change.update(PROMOTERS, promoter_id, values, PROMOTERS.c.thanked_at.is_(None))
        if row is None:
            first = _found(change.connection, promoter_id).thanked_by
            raise ConflictError("%(owner)s has thanked them already", owner=first)
        change.note("thanked", promoter=promoter_id)
        return _promoter(row)


def _known(connection: Connection, keys: Iterable[str]) -> dict[str, list[Row[Any]]]:
    names = ("case_key", "text_id", "digest", "thanked_at")
    query: Select[Any] = select(*(PROMOTERS.c[name] for name in names)).where(PROMOTERS.c.case_key.in_(keys))
    out: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query):
        out[row.case_key].append(row)
    return out


def _is_known(row: Mapping[str, Any], known: Row[Any]) -> bool:
    if known.thanked_at is None or (row["text_id"], row["digest"]) == (known.text_id, known.digest):
        return True
    return row["created_at"] is not None and row["created_at"] <= known.thanked_at


def _stored(row: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    text = Text(row["id"], storable(row["text"]))
    same = ("case_key", "customer_id", "customer_value", "reach", "nps", "channel", "lang")
    text_id, digest = text.key
    return {name: row[name] for name in same} | {
        "text_id": text_id, "digest": digest, "created_at": instant(row["created_at"]), "added_at": at,
        "thanked_at": None, "thanked_by": None, "text": text.text,
    }  # fmt: skip


def _found(connection: Connection, promoter_id: int) -> Row[Any]:
    query = select(PROMOTERS).where(PROMOTERS.c.id == promoter_id)
    # SQLite and PostgreSQL refuse a number that their column cannot hold; nobody has such a number.
    row = connection.execute(query).first() if 0 < promoter_id < 2**31 else None
    if row is None:
        raise UnknownPromoterError(promoter_id)
    return row


def _promoter(row: Row[Any]) -> Promoter:
    return Promoter(**{name: value for name, value in row._mapping.items() if name != "digest"})
