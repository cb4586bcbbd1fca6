"""The ranked list of a nightly run (`escalations.parquet`) as typed rows, whatever heads it carries."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipeline.followup.case import Reason, Text

REQUIRED = ("case_key", "priority", "lead_id", "text")
_NOT_HEADS = {"reasons", "texts"}
_LONGEST_NAME = 100  # of a channel or a language: an index of PostgreSQL has no place for more than 2 KiB


@dataclass(frozen=True)
class Escalation:
    """One case of today's list: what is known of the customer, and all texts of theirs in the dump."""

    case_key: str
    lead: Text
    priority: float
    reasons: tuple[Reason, ...]
    labels: dict[str, str | list[str]]
    confidence: dict[str, float]
    texts: tuple[Text, ...]
    customer_id: str | None = None
    customer_value: float | None = None
    waiting_since: datetime | None = None
    review: bool = False
    review_reason: str | None = None
    model_version: str | None = None
    scored_at: datetime | None = None

    def led_by(self, text: Text) -> Escalation:
        """Return the escalation that `text` alone would be: its own priority, and no reasons: those are the lead's."""
        return replace(
            self,
            lead=text,
            priority=text.priority or 0.0,
            reasons=(),
            labels={},
            confidence={},
            waiting_since=text.created_at,
        )


def read(table: pa.Table) -> list[Escalation]:
    """Return the escalations of `table` in its order.

    Heads are told by their columns: `X` beside `X_confidence` is a single-label head, a list of strings a multilabel
    one, and `p_X` with no head `X` of its own a binary one.

    Raises
    ------
    ValueError
        A column that no case can do without is missing, or one of its cells is empty.
    """
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise ValueError(f"escalations need the columns {', '.join(REQUIRED)}; missing: {', '.join(missing)}")
    single, multiple, binary = _heads(table.schema)
    return [_escalation(_storable(row), single, multiple, binary) for row in table.to_pylist()]


def instant(value: object) -> datetime | None:
    """Return an ISO 8601 time as an instant in UTC (naive means UTC); None where there is none or it cannot be read."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        return None


def storable(text: str) -> str:
    """Return `text` as every database keeps it.

    PostgreSQL has no place for U+0000, whose picture stands for it; half a surrogate pair, for which UTF-8 has none,
    becomes a question mark.
    """
    return text.replace("\x00", "\u2400").encode("utf-8", "replace").decode()


def _storable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _storable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_storable(one) for one in value]
    return storable(value) if isinstance(value, str) else value


def _heads(schema: pa.Schema) -> tuple[list[str], list[str], list[str]]:
    names = set(schema.names)
    single = [name for name in schema.names if f"{name}_confidence" in names]
    multiple = [
        column.name
        for column in schema
        if column.name not in _NOT_HEADS
        and pa.types.is_list(column.type)
        and pa.types.is_string(column.type.value_type)
    ]
    labelled = tuple(f"p_{head}_" for head in (*single, *multiple))
    binary = [name[2:] for name in schema.names if name.startswith("p_") and not name.startswith(labelled)]
    return single, multiple, binary


def _escalation(row: Mapping[str, Any], single: list[str], multiple: list[str], binary: list[str]) -> Escalation:
    empty = [name for name in ("case_key", "lead_id", "text") if row[name] is None]
    if empty:
        raise ValueError(f"every escalation needs {', '.join(empty)}; the row of rank {row.get('rank')} has none")
    lead = _lead(row)
    texts = tuple(_text(entry) for entry in row.get("texts") or () if entry and entry.get("text") is not None)
    known = {text.key for text in texts}
    labels: dict[str, str | list[str]] = {head: row[head] for head in single if row[head] is not None}
    labels |= {head: list(row[head]) for head in multiple if row[head] is not None}
    confidence = {head: _number(row[f"{head}_confidence"]) for head in single}
    confidence |= {head: _number(row[f"p_{head}"]) for head in binary}
    return Escalation(
        case_key=row["case_key"],
        lead=next((text for text in texts if text.key == lead.key), lead),
        priority=_number(row["priority"]) or 0.0,
        reasons=tuple(_reasons(row.get("reasons") or ())),
        labels=labels,
        confidence={head: value for head, value in confidence.items() if value is not None},
        texts=texts if lead.key in known else (lead, *texts),
        customer_id=row.get("customer_id"),
        customer_value=_number(row.get("customer_value")),
        waiting_since=instant(row.get("waiting_since")) or instant(row.get("created_at")),
        review=bool(row.get("review")),
        review_reason=row.get("review_reason"),
        model_version=row.get("model_version"),
        scored_at=instant(row.get("scored_at")),
    )


def _lead(row: Mapping[str, Any]) -> Text:
    return Text(
        id=row["lead_id"],
        text=row["text"],
        created_at=instant(row.get("created_at")),
        channel=_name(row.get("channel")),
        lang=_name(row.get("lang")),
        priority=_number(row["priority"]),
    )


def _text(entry: Mapping[str, Any]) -> Text:
    return Text(
        id=str(entry.get("id") or ""),
        text=entry["text"],
        source=entry.get("source"),
        created_at=instant(entry.get("created_at")),
        channel=_name(entry.get("channel")),
        lang=_name(entry.get("lang")),
        priority=_number(entry.get("priority")),
        labels=tuple(entry.get("labels") or ()),
        nps=_number(entry.get("nps")),
    )


def _name(value: str | None) -> str | None:
    return None if value is None else value[:_LONGEST_NAME]


def _reasons(entries: Iterable[Mapping[str, Any]]) -> Iterable[Reason]:
    for entry in entries:
        contribution = _number(entry.get("contribution"))
        if contribution is not None:
            yield Reason(str(entry.get("factor")), contribution, tuple(entry.get("words") or ()))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
