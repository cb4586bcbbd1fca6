"""One case per customer: which customers the day has room for, and the row that each case becomes on the list."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from models.instants import seconds
from models.schema import Schema
from models.scoring import REASON

MOST_TEXTS = 50  # of a case on the list: a person reads no more, and a shared customer number must not fill the memory
TEXT = pa.struct(
    [
        ("id", pa.string()), ("source", pa.string()), ("created_at", pa.string()), ("channel", pa.string()),
        ("lang", pa.string()), ("text", pa.string()), ("priority", pa.float64()), ("labels", pa.list_(pa.string())),
        ("nps", pa.float64()),
    ]
)  # fmt: skip


def case_key(customer_id: str | None, identifier: str, text: str) -> str:
    """Return what joins texts into one case: the customer, or the text itself where its customer is unknown.

    The file is no part of it: the same dump under another path is the same dump.
    """
    if customer_id is not None:
        return customer_id
    return f"text:{identifier}:{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=6).hexdigest()}"


class Leaders:
    """The `capacity` cases of highest priority, kept while rows stream by; a case is as urgent as its worst text.

    Cases out of reach are forgotten from time to time. That loses nothing: one that returns with a higher priority
    comes in again by that text.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._best: dict[str, tuple[float, str]] = {}

    def add(self, keys: Sequence[str], priorities: Iterable[float], ids: Iterable[str]) -> None:
        """Take the next rows in."""
        for key, rank in zip(keys, zip(priorities, ids, strict=True), strict=True):
            if key not in self._best or rank > self._best[key]:
                self._best[key] = rank
        if len(self._best) > 20 * self._capacity + 1_000:
            self._best = {key: (priority, identifier) for key, priority, identifier in self.best()}

    def best(self) -> list[tuple[str, float, str]]:
        """Return key, priority and id of the lead of the cases, most urgent first, equal priorities by key."""
        first = heapq.nsmallest(self._capacity, self._best.items(), key=lambda item: (-item[1][0], item[0]))
        return [(key, priority, identifier) for key, (priority, identifier) in first]

    def leads(self) -> dict[str, str]:
        """Return the keys of the cases in that order, and the id of each one's lead."""
        return {key: identifier for key, _, identifier in self.best()}


class CaseTexts:
    """The texts of one case, as they stream by: the one that leads, and the `MOST_TEXTS` newest of all.

    A text is a row of scored columns together with ``source``, ``channel``, ``lang``, ``text`` and ``customer_value``.
    """

    def __init__(self) -> None:
        self.count = 0
        self.waiting_since: str | None = None
        self.customer_value: float | None = None
        self.lead: dict[str, Any] | None = None
        self._rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        """Take the next text in."""
        self.count += 1
        if row["created_at"]:
            self.waiting_since = min((at for at in (self.waiting_since, row["created_at"]) if at), key=seconds)
        # Exports of some channels lack the value; what any text of the customer's knows holds for all.
        values = [value for value in (self.customer_value, row["customer_value"]) if value is not None]
        self.customer_value = max(values, default=None)
        if not row["review"] and (self.lead is None or _rank_of(row) > _rank_of(self.lead)):
            self.lead = row
        self._rows.append(row)
        if len(self._rows) > 2 * MOST_TEXTS:
            self._rows = self.newest()

    def led_by_any(self) -> dict[str, Any]:
        """Return the text that leads; one to review leads where there is no other."""
        if self.lead is None:
            self.lead = max(self._rows, key=_rank_of)
        return self.lead

    def newest(self) -> list[dict[str, Any]]:
        """Return the newest texts, newest first; the one that leads is always among them."""
        rows = sorted(self._rows, key=lambda row: (_order(row["created_at"]), row["id"]), reverse=True)[:MOST_TEXTS]
        return rows if self.lead is None or self.lead in rows else [*rows[:-1], self.lead]


def escalations(of_cases: Mapping[str, CaseTexts], schema: Schema) -> pa.Table:
    """Return the list: one row per case, in the order given; the text that earned the priority leads."""
    cases = [_case(place, key, texts, schema) for place, (key, texts) in enumerate(of_cases.items(), 1)]
    return pa.Table.from_pylist(cases, schema=_arrow_schema(schema))


def _rank_of(row: Mapping[str, Any]) -> tuple[float, str]:
    return row["priority"], row["id"]


def _case(rank: int, key: str, texts: CaseTexts, schema: Schema) -> dict[str, Any]:
    lead = texts.lead or {}
    out = {name: lead.get(name) for name in _arrow_schema(schema).names}
    return out | {
        "rank": rank,
        "case_key": key,
        "customer_value": texts.customer_value,
        "lead_id": lead["id"],
        "waiting_since": texts.waiting_since,
        "n_texts": texts.count,
        "texts": [{field.name: row.get(field.name) for field in TEXT} | {"labels": _labels(row, schema)}
                  for row in texts.newest()],
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
