"""One case per customer: which customers the day has room for, and the row that each case becomes on the list."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from models.instants import seconds
from models.schema import Schema
from models.scoring import REASON

TEXT = pa.struct(
    [
        ("id", pa.string()), ("source", pa.string()), ("created_at", pa.string()), ("channel", pa.string()),
        ("lang", pa.string()), ("text", pa.string()), ("priority", pa.float64()), ("labels", pa.list_(pa.string())),
    ]
)  # fmt: skip


def case_key(customer_id: str | None, source: str, identifier: str) -> str:
    """Return what joins texts into one case: the customer, or the text itself where its customer is unknown."""
    return customer_id if customer_id is not None else f"text:{source}:{identifier}"


class Leaders:
    """The `capacity` cases of highest priority, kept while rows stream by; a case is as urgent as its worst text.

    Cases out of reach are forgotten from time to time. That loses nothing: one that returns with a higher priority
    comes in again by that text.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._best: dict[str, float] = {}

    def add(self, keys: Sequence[str], priorities: Iterable[float]) -> None:
        """Take the next rows in."""
        for key, priority in zip(keys, priorities, strict=True):
            if priority > self._best.get(key, -1.0):
                self._best[key] = priority
        if len(self._best) > 20 * self._capacity + 1_000:
            self._best = dict(self._first())

    def keys(self) -> list[str]:
        """Return the keys of the cases, most urgent first; equal priorities by key."""
        return [key for key, _ in self._first()]

    def _first(self) -> list[tuple[str, float]]:
        return heapq.nsmallest(self._capacity, self._best.items(), key=lambda item: (-item[1], item[0]))


def escalations(keys: Sequence[str], rows: Mapping[str, list[dict[str, Any]]], schema: Schema) -> pa.Table:
    """Return the list: one row per case in the order of `keys`, made of all `rows` of each.

    `rows` holds, per case, the scored columns together with ``source``, ``channel``, ``lang``, ``text`` and
    ``customer_value``. The text that earned the priority leads; one under review never does.
    """
    cases = [_case(place + 1, key, rows[key], schema) for place, key in enumerate(keys)]
    return pa.Table.from_pylist(cases, schema=_arrow_schema(schema))


def _case(rank: int, key: str, rows: list[dict[str, Any]], schema: Schema) -> dict[str, Any]:
    lead = max((row for row in rows if not row["review"]), key=lambda row: (row["priority"], row["id"]))
    values = [row["customer_value"] for row in rows if row["customer_value"] is not None]
    dated = [row["created_at"] for row in rows if row["created_at"]]
    newest_first = sorted(rows, key=lambda row: (_order(row["created_at"]), row["id"]), reverse=True)
    out = {name: lead.get(name) for name in _arrow_schema(schema).names}
    return out | {
        "rank": rank,
        "case_key": key,
        # Exports of some channels lack the value; what any text of the customer's knows holds for all.
        "customer_value": max(values, default=None),
        "lead_id": lead["id"],
        "waiting_since": min(dated, key=seconds, default=None),
        "n_texts": len(rows),
        "texts": [{field.name: row.get(field.name) for field in TEXT} | {"labels": _labels(row, schema)}
                  for row in newest_first],
    }  # fmt: skip


def _order(created_at: str | None) -> float:
    return seconds(created_at) if created_at else float("-inf")


def _labels(row: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return every label predicted for a row, in the order of the heads."""
    labels: list[str] = []
    for head in schema:
        if head.kind == "multilabel":
            labels += row[head.name]
        elif head.exclusive:
            labels.append(row[head.name])
    return labels


def _arrow_schema(schema: Schema) -> pa.Schema:
    fields = [
        ("rank", pa.int32()), ("case_key", pa.string()), ("customer_id", pa.string()),
        ("customer_value", pa.float64()), ("priority", pa.float64()), ("reasons", pa.list_(REASON)),
    ]  # fmt: skip
    for head in schema:
        if head.exclusive:
            fields += [(head.name, pa.string()), (f"{head.name}_confidence", pa.float64())]
        elif head.kind == "multilabel":
            fields.append((head.name, pa.list_(pa.string())))
        else:
            fields.append((f"p_{head.name}", pa.float64()))
    fields += [
        ("lead_id", pa.string()), ("text", pa.string()), ("channel", pa.string()), ("lang", pa.string()),
        ("created_at", pa.string()), ("waiting_since", pa.string()), ("n_texts", pa.int32()),
        ("texts", pa.list_(TEXT)), ("review", pa.bool_()), ("review_reason", pa.string()),
        ("model_version", pa.string()), ("scored_at", pa.string()),
    ]  # fmt: skip
    return pa.schema(fields)
