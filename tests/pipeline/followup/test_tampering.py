"""Whoever gets past the database's own refusal and changes what was written is found out, and what they did named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update

from pipeline.followup import audit
from pipeline.followup.store import Store
from pipeline.followup.tables import AUDIT, AUDITED, KEYS, METADATA
from tests.pipeline.followup.hands import AT

ENTRY = r"entry (\d+) of the audit log was changed, or one before it: its hash does not hold"


@pytest.fixture
def inside(busy: Store) -> Iterator[Connection]:
    """Return a connection to a busy store that lets everything be changed; what is changed is undone in the end."""
    with busy.engine.connect() as connection, connection.begin() as transaction:
        if busy.engine.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER ALL"))
        else:
            for change in ("update", "delete", "replace"):
                connection.execute(text(f"DROP TRIGGER audit_log_no_{change}"))
        assert audit.verify(connection) == []
        yield connection
        transaction.rollback()


def other(value: Any) -> Any:
    """Return something of the same kind that is not `value`."""
    if isinstance(value, str):
        return f"{value[:-1]}~"
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return value + timedelta(microseconds=1) if hasattr(value, "utcoffset") else [value]


@pytest.mark.parametrize("name", sorted(set(AUDITED) - {"promoters"}))
def test_a_changed_row_is_named_with_its_column(inside: Connection, name: str) -> None:
    table = AUDITED[name]
    fixed = {"id", "case_id", "feedback_id", "status", "outcome", "what"}
    row = inside.execute(select(table).order_by(table.c.id)).first()
    assert row is not None
    columns = [one.name for one in table.columns if one.name not in fixed and row._mapping[one.name] is not None]
    assert len(columns) >= 3
    for column in columns:
        with inside.begin_nested() as step:
            change(inside, table, row.id, column, other(row._mapping[column]))
            assert audit.verify(inside) == [f"row {row.id} of {name} was changed past the audit log: {column}"]
            step.rollback()


def change(connection: Connection, table: Any, number: int, column: str, value: Any) -> None:
    connection.execute(update(table).where(table.c.id == number).values({column: value}))


def test_two_columns_and_two_rows_are_named(inside: Connection) -> None:
    inside.execute(text("UPDATE cases SET priority = 1, spent = 0.5 WHERE id = 1"))
    inside.execute(text("UPDATE cases SET customer_value = NULL WHERE id = 3"))
    assert sorted(audit.verify(inside)) == [
        "row 1 of cases was changed past the audit log: priority, spent",
        "row 3 of cases was changed past the audit log: customer_value",
    ]


@pytest.mark.parametrize("name", ["gifts", "corrections", "users", "api_keys", "views"])
def test_a_deleted_row_is_named(inside: Connection, name: str) -> None:
    table = AUDITED[name]
    for of_the_moment in ("sessions", "links"):
        inside.execute(delete(METADATA.tables[of_the_moment]))
    inside.execute(delete(table).where(table.c.id == 1))
    assert audit.verify(inside) == [f"row 1 of {name} was deleted past the audit log"]


def test_an_added_row_is_named(inside: Connection) -> None:
    row = {"name": "back door", "digest": "0" * 64, "scopes": ["read"], "added_at": AT, "id": 77}
    inside.execute(insert(KEYS).values(row))
    assert audit.verify(inside) == ["row 77 of api_keys is in no entry of the audit log"]


@pytest.mark.parametrize("column", [one.name for one in AUDIT.columns if one.name not in ("id", "rows", "case_id")])
def test_a_changed_entry_is_named(inside: Connection, column: str) -> None:
    value = inside.execute(select(AUDIT.c[column]).where(AUDIT.c.id == 5)).scalar_one()
    changed = bytes(32) if column == "hash" else {"x": 1} if column == "detail" else other(value)
    change(inside, AUDIT, 5, column, changed)
    assert [int(found[1]) for one in audit.verify(inside) if (found := re.fullmatch(ENTRY, one))] in ([5], [5, 6])


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [["cases", 1, {"priority": 1.0}]],
        [["no such table", 1, {}]],
        [["cases"]],
        {"cases": 1},
        "cases",
        [[1, 2, 3]],
    ],
)
def test_what_an_entry_says_was_written_cannot_be_changed(inside: Connection, rows: object) -> None:
    number = inside.execute(select(AUDIT.c.id).where(AUDIT.c.what == "gave")).scalars().first()
    assert number is not None
    change(inside, AUDIT, number, "rows", rows)
    problems = audit.verify(inside)
    assert f"entry {number} of the audit log was changed, or one before it: its hash does not hold" in problems
    assert "row 1 of gifts is in no entry of the audit log" in problems


def test_an_entry_moved_to_another_case_is_named(inside: Connection) -> None:
    number = inside.execute(select(AUDIT.c.id).where(AUDIT.c.what == "noted")).scalars().one()
    change(inside, AUDIT, number, "case_id", 2)
    assert audit.verify(inside) == [
        f"entry {number} of the audit log was changed, or one before it: its hash does not hold"
    ]


def test_a_removed_entry_is_named(inside: Connection) -> None:
    number = inside.execute(select(AUDIT.c.id).where(AUDIT.c.what == "noted")).scalars().one()
    inside.execute(delete(AUDIT).where(AUDIT.c.id == number))
    assert audit.verify(inside) == [
        f"the audit log has no entry {number}: the next one is {number + 1}",
        f"entry {number + 1} of the audit log was changed, or one before it: its hash does not hold",
    ]


def test_a_removed_entry_whose_numbers_were_closed_up_is_named(inside: Connection) -> None:
    last = inside.execute(select(AUDIT.c.id).order_by(AUDIT.c.id.desc())).scalars().first()
    assert last is not None
    inside.execute(delete(AUDIT).where(AUDIT.c.id == 3))
    for number in range(4, last + 1):
        change(inside, AUDIT, number, "id", number - 1)
    assert "entry 3 of the audit log was changed, or one before it: its hash does not hold" in audit.verify(inside)


def test_an_end_that_was_cut_off_is_named_by_the_rows_that_it_spoke_of(inside: Connection) -> None:
    number = inside.execute(select(AUDIT.c.id).where(AUDIT.c.what == "gave")).scalars().one()
    inside.execute(delete(AUDIT).where(AUDIT.c.id >= number))
    problems = audit.verify(inside)
    assert "row 1 of gifts is in no entry of the audit log" in problems
    assert any(one.startswith("row 1 of cases was changed past the audit log: ") for one in problems)


def test_an_added_entry_is_named(inside: Connection) -> None:
    row = dict(inside.execute(select(AUDIT).order_by(AUDIT.c.id.desc())).first()._mapping)  # type: ignore[union-attr]
    inside.execute(insert(AUDIT).values(row | {"id": row["id"] + 1}))
    assert audit.verify(inside) == [
        f"entry {row['id'] + 1} of the audit log was changed, or one before it: its hash does not hold"
    ]
