"""How the cases of step 0001 move into the tables of step 0002, with the log from which those tables follow."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

Rows = list[dict[str, Any]]
_OUTCOMES = {"resolved": "resolved", "dismissed": "not_detractor"}
_WORDS = {"cases": ("text", "reasons"), "feedback": ("text",)}


def taken_out(connection: sa.Connection) -> dict[str, Rows]:
    """Return the rows of the old tables, which are dropped."""
    tables = sa.MetaData()
    tables.reflect(connection, only=["cases", "feedback", "events"])
    rows: dict[str, Rows] = {}
    for name in ("events", "feedback", "cases"):
        query = sa.select(tables.tables[name]).order_by(tables.tables[name].c.id)
        rows[name] = [dict(row._mapping) for row in connection.execute(query)]
        tables.tables[name].drop(connection)
    if connection.dialect.name == "postgresql":
        for change in ("update", "delete"):
            connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS events_no_{change}()")
    return rows


def move_in(connection: sa.Connection, old: dict[str, Rows]) -> None:
    """Write the old cases into the new tables, and one entry of the log for every old event and every case."""
    tables = sa.MetaData()
    tables.reflect(connection, only=["cases", "feedback", "audit_log"])
    closed = {row["case_id"]: row["at"] for row in old["events"] if row["what"] in _OUTCOMES}
    reached = {row["case_id"]: row["at"] for row in reversed(old["events"]) if row["what"] == "contacted"}
    cases = [_case(row, closed) | {"first_contact_at": reached.get(row["id"])} for row in old["cases"]]
    feedback = [row | {"nps": None} for row in old["feedback"]]
    texts_of: dict[int, Rows] = {}
    for row in feedback:
        texts_of.setdefault(row["case_id"], []).append(row)
    log: Rows = [
        {
            "at": row["at"],
            "who": row["who"],
            "what": row["what"],
            "case_id": row["case_id"],
            "detail": row["detail"],
            "rows": [],
        }
        for row in old["events"]
    ]
    now = datetime.now(UTC)
    for case in cases:
        written: list[Any] = [["cases", case["id"], _loggable("cases", case)]]
        written += [["feedback", row["id"], _loggable("feedback", row)] for row in texts_of.get(case["id"], [])]
        log.append(
            {"at": now, "who": "migration", "what": "moved", "case_id": case["id"], "detail": {}, "rows": written}
        )
    for name, rows in (("cases", cases), ("feedback", feedback), ("audit_log", _chained(log))):
        if rows:
            connection.execute(sa.insert(tables.tables[name]), rows)
    if connection.dialect.name == "postgresql":
        for name in ("cases", "feedback"):
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), coalesce(max(id), 0) + 1, false) FROM {name}"
            )


def _case(row: dict[str, Any], closed: dict[int, datetime]) -> dict[str, Any]:
    outcome = _OUTCOMES.get(row["status"])
    due = _utc(row["opened_at"])
    facets = "\n" + "".join(f"{head}={label}\n" for head, label in row["labels"].items() if isinstance(label, str))
    return row | {
        "facets": facets, "status": "closed" if outcome else row["status"], "outcome": outcome,
        "root_cause": "unknown" if outcome else None,
        "closed_at": closed.get(row["id"], row["updated_at"]) if outcome else None,
        "standing": row["priority"] - 10 * (due - datetime(2020, 1, 1, tzinfo=UTC)).total_seconds() / 86_400,
        "due_at": row["opened_at"], "second_failure": False, "owner": None, "lease_until": None, "next_at": None,
        "attempts": 0, "spent": 0.0, "steps": {}, "nps_before": None, "ask_at": None,
        "asked_at": None, "nps_after": None, "answered_at": None, "due_told": True,
    }  # fmt: skip


def _chained(log: Rows) -> Rows:
    before, out = bytes(32), []
    for number, entry in enumerate(log, 1):
        row = entry | {"id": number, "origin": "migration 0002", "at": _utc(entry["at"])}
        text = json.dumps(row | {"at": row["at"].isoformat()}, sort_keys=True, separators=(",", ":"))
        before = hashlib.sha256(before + text.encode()).digest()
        out.append(row | {"hash": before})
    return out


def _loggable(table: str, row: dict[str, Any]) -> dict[str, Any]:
    plain = {name: _utc(value).isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
    for name in _WORDS[table]:
        text = json.dumps(plain[name], sort_keys=True, separators=(",", ":"))
        plain[name] = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    del plain["id"]
    return plain


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
