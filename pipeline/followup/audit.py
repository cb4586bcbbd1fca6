"""The audit log: who changed what, when and from where, each entry chained to the one before by its hash.

An entry carries the rows that it wrote, so that replaying the log gives the tables; of customers' words and of secrets
it has the SHA-256 alone, so that they stand in one place and can be erased there. The chain is that of Haber and
Stornetta (1991), "How to time-stamp a digital document".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Table, insert, select, update

from pipeline.followup.engine import lock
from pipeline.followup.tables import AUDIT, AUDITED

START = bytes(32)


class Actor(NamedTuple):
    """Who acts, and from where: an address, or the name of a job."""

    name: str
    origin: str


NIGHT = Actor("nightly run", "score.py")
CLOCK = Actor("the clock", "serve.py")


@dataclass
class Change:
    """One transaction: what it writes into audited tables, and the entries that say so."""

    connection: Connection
    actor: Actor
    at: datetime
    _rows: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    _entries: list[dict[str, Any]] = field(default_factory=list)

    def insert(self, table: Table, values: Mapping[str, Any]) -> int:
        """Return the number of the new row."""
        return self.insert_all(table, [values])[0]

    def insert_all(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Return the numbers of the new rows, in their order."""
        if not rows:
            return []
        statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        numbers = list(self.connection.execute(statement, [dict(row) for row in rows]).scalars())
        self._rows += [(table.name, number, loggable(table, row)) for number, row in zip(numbers, rows, strict=True)]
        return numbers

    def update(
        self, table: Table, number: int, values: Mapping[str, Any], *conditions: ColumnElement[bool]
    ) -> Row[Any] | None:
        """Return the row after the change; None where one of `conditions` does not hold, and nothing changed."""
        if not 0 < number < 2**31:  # drivers refuse a number that the column cannot hold; no row has such a number
            return None
        statement = update(table).where(table.c.id == number, *conditions).values(dict(values)).returning(*table.c)
        row = self.connection.execute(statement).first()
        if row is not None:
            written = {name: row._mapping[name] for name in values}
            self._rows.append((table.name, number, loggable(table, written)))
        return row

    def note(self, what: str, case_id: int | None = None, **detail: Any) -> None:
        """Leave an entry that carries the rows written since the last one."""
        self._entries.append({"what": what, "case_id": case_id, "detail": detail, "rows": self._rows})
        self._rows = []

    def close(self) -> None:
        """Write the entries at the end of the log.

        The lock comes last and is held until the commit alone: whoever waits for it waits for no row.
        """
        if self._rows:
            raise RuntimeError("rows were written without a note that says why")
        if not self._entries:
            return
        lock(self.connection, "audit log")
        last = self.connection.execute(select(AUDIT.c.id, AUDIT.c.hash).order_by(AUDIT.c.id.desc()).limit(1)).first()
        last_number, before = (last.id, last.hash) if last else (0, START)
        written = []
        for number, entry in enumerate(self._entries, last_number + 1):
            row = {"id": number, "at": self.at, "who": self.actor.name, "origin": self.actor.origin} | _plain(entry)
            before = link(before, row)
            written.append(row | {"hash": before})
        self.connection.execute(insert(AUDIT), written)
        self._entries = []


def link(before: bytes, entry: Mapping[str, Any]) -> bytes:
    """Return the hash of an entry that follows the one whose hash is `before`."""
    fields = {name: entry[name] for name in ("id", "who", "origin", "what", "case_id", "detail", "rows")}
    return hashlib.sha256(before + _canonical(_plain(fields | {"at": entry["at"]}))).digest()


def loggable(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` as the log holds them: words and secrets by their SHA-256, moments in ISO 8601."""
    return {
        name: _digest(value) if table.c[name].info.get("words") and value is not None else _plain(value)
        for name, value in values.items()
    }


def history(connection: Connection, case_id: int) -> Sequence[Any]:
    """Return the entries about one case, oldest first."""
    query = select(AUDIT.c.at, AUDIT.c.who, AUDIT.c.origin, AUDIT.c.what, AUDIT.c.detail)
    return connection.execute(query.where(AUDIT.c.case_id == case_id).order_by(AUDIT.c.id)).all()


def verify(connection: Connection) -> list[str]:
    """Return what is wrong, a sentence each: links that do not hold, and rows that do not follow from the log."""
    replayed: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in AUDITED}
    problems = list(_replay(connection, replayed))
    for name, table in AUDITED.items():
        problems += _differences(connection, table, replayed[name])
    return problems


def _replay(connection: Connection, into: dict[str, dict[int, dict[str, Any]]]) -> Iterator[str]:
    before, expected = START, 1
    query = select(AUDIT).order_by(AUDIT.c.id).execution_options(yield_per=1_000)
    for entry in connection.execute(query):
        if entry.id != expected:
            yield f"the audit log has no entry {expected}: the next one is {entry.id}"
        if link(before, dict(entry._mapping)) != entry.hash:
            yield f"entry {entry.id} of the audit log was changed, or one before it: its hash does not hold"
        before, expected = entry.hash, entry.id + 1
        for row in entry.rows if isinstance(entry.rows, list) else ():
            match row:  # in an entry that was changed, anything may stand
                case [str(name), int(number), dict(values)] if name in into:
                    into[name].setdefault(number, {}).update(values)


def _differences(connection: Connection, table: Table, replayed: dict[int, dict[str, Any]]) -> Iterable[str]:
    left = dict(replayed)
    for row in connection.execute(select(table).execution_options(yield_per=1_000)):
        said = left.pop(row.id, None)
        if said is None:
            yield f"row {row.id} of {table.name} is in no entry of the audit log"
            continue
        there = {name: value for name, value in loggable(table, dict(row._mapping)).items() if name != "id"}
        wrong = [name for name, value in there.items() if value != said.get(name)]
        if wrong:
            yield f"row {row.id} of {table.name} was changed past the audit log: {', '.join(wrong)}"
    yield from (f"row {number} of {table.name} was deleted past the audit log" for number in left)


def _digest(value: Any) -> str:
    return "sha256:" + hashlib.sha256(_canonical(_plain(value))).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _plain(value: Any) -> Any:
    """Return `value` as JSON gives it back: moments as texts, tuples as lists, whole floats still floats."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def latest(connection: Connection, most: int, before: int | None = None) -> Sequence[Any]:
    """Return the latest entries, the newest first; with `before`, those of smaller numbers."""
    query = select(*(column for column in AUDIT.c if column.name != "rows"))
    if before is not None:
        query = query.where(AUDIT.c.id < before)
    return connection.execute(query.order_by(AUDIT.c.id.desc()).limit(most)).all()
