"""Old stores move into the desk, fresh ones are made by the same steps, newer ones are left alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from sqlalchemy import Connection, MetaData, event, insert, inspect, select, text

from pipeline.config import ConfigError
from pipeline.followup import casework, claims
from pipeline.followup.engine import alone, connect, writing
from pipeline.followup.migrate import _STEPS, upgrade
from pipeline.followup.queue import Filter, page
from pipeline.followup.store import Store
from pipeline.followup.tables import AUDIT, METADATA
from tests.pipeline.followup.hands import ANA, at_once, cases, everything, in_children
from tests.pipeline.followup.lists import escalation, listed, said

OPENED = datetime(2026, 10, 1, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)
PATHS = {"open": [], "contacted": ["contacted"], "resolved": ["contacted", "resolved"], "dismissed": ["dismissed"]}
# status, the customer's texts
OLD = [("open", 1), ("contacted", 2), ("resolved", 3), ("dismissed", 1), ("open", 2)]


def as_it_was(url: str, *, rows: bool = True, stamped: bool = True) -> None:
    """Make a store as it was before there was a desk; `stamped`: by a version that had migrations."""
    engine = connect(url)
    with writing(engine) as connection:
        only_first = EnvironmentContext(Config(), _STEPS, fn=lambda at, _: _STEPS._upgrade_revs("0001", at))
        with only_first as environment:
            environment.configure(connection=connection, target_metadata=METADATA)
            environment.run_migrations()
        refuse_changes_of_events(connection)
        if rows:
            fill(connection)
        if not stamped:
            connection.execute(text("DROP TABLE alembic_version"))
    engine.dispose()


def refuse_changes_of_events(connection: Connection) -> None:
    for change in ("UPDATE", "DELETE"):
        name = f"events_no_{change.lower()}"
        head = f"CREATE TRIGGER {name} BEFORE {change} ON events"
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"{head} BEGIN SELECT RAISE(ABORT, 'events are append-only'); END")
        else:
            body = "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$"
            connection.exec_driver_sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS {body}")
            connection.exec_driver_sql(f"{head} FOR EACH ROW EXECUTE FUNCTION {name}()")


def fill(connection: Connection) -> None:
    tables = MetaData()
    tables.reflect(connection, only=["cases", "feedback", "events"])
    rows: dict[str, list[dict[str, Any]]] = {"cases": [], "feedback": [], "events": []}
    for number, (status, texts) in enumerate(OLD, 1):
        said_at, words = OPENED - DAY, [f"Grüße {number}.{part} \U0001f621 refund" for part in range(texts)]
        rows["cases"].append({
            "case_key": f"C-{number}", "customer_id": f"C-{number}", "customer_value": 100.5 * number, "status": status,
            "priority": 90.1 - number, "labels": {"urgency": "high", "signals": ["churn_threat"]},
            "reasons": [{"factor": "urgency", "contribution": 9.5, "words": ["today"]}], "confidence": {"urgency": 0.7},
            "lead_id": f"t-{number}", "text": words[0], "channel": "email", "lang": "de", "created_at": said_at,
            "waiting_since": said_at, "n_texts": texts, "review": number == 5, "review_reason": None,
            "model_version": "7", "scored_at": OPENED, "opened_at": OPENED, "updated_at": OPENED + number * DAY,
            "version": 1 + len(PATHS[status]),
        })  # fmt: skip
        rows["feedback"] += [{
            "case_id": number, "case_key": f"C-{number}", "text_id": f"t-{number}", "digest": f"{number}{part}" * 32,
            "source": "dump.csv", "created_at": said_at, "channel": "email", "lang": "de", "text": words[part],
            "priority": 50.0, "labels": ["negative"], "added_at": OPENED,
        } for part in range(texts)]  # fmt: skip
        for step, what in enumerate(["opened", *PATHS[status]]):
            detail = {"before": "open"} if step else {"priority": 90.0, "texts": texts}
            who = "ana" if step else "nightly run"
            entry = {
                "id": len(rows["events"]) + 1,
                "case_id": number,
                "at": OPENED + step * DAY,
                "who": who,
                "what": what,
                "detail": detail,
            }
            rows["events"].append(entry)
    rows["events"].reverse()  # a database may return rows in another order than that of their numbers
    for name in ("cases", "feedback", "events"):
        connection.execute(insert(tables.tables[name]), rows[name])


@pytest.mark.parametrize("stamped", [True, False])
def test_an_old_store_moves_in_without_losing_anything(empty_url: str, stamped: bool) -> None:
    as_it_was(empty_url, stamped=stamped)
    store = Store.open(empty_url)
    assert store.audit() == []
    for number, (status, texts) in enumerate(OLD, 1):
        case = store.case(number)
        done = [*PATHS[status]]
        assert case.status == (status if status in ("open", "contacted") else "closed")
        assert case.outcome == {"resolved": "resolved", "dismissed": "not_detractor"}.get(status)
        assert case.root_cause == ("unknown" if case.outcome else None)
        assert case.closed_at == (OPENED + len(done) * DAY if case.outcome else None)
        assert case.first_contact_at == (OPENED + DAY if "contacted" in done else None)
        assert (case.case_key, case.priority, case.customer_value) == (f"C-{number}", 90.1 - number, 100.5 * number)
        assert case.standing == pytest.approx(store.clock.standing(case.priority, OPENED), abs=1e-9)
        assert (case.opened_at, case.due_at, case.updated_at) == (OPENED, OPENED, OPENED + number * DAY)
        assert (case.labels, case.confidence) == ({"urgency": "high", "signals": ["churn_threat"]}, {"urgency": 0.7})
        assert [tuple(reason) for reason in case.reasons] == [("urgency", 9.5, ("today",))]
        assert case.review == (number == 5)
        words = [f"Grüße {number}.{part} \U0001f621 refund" for part in range(texts)]
        assert sorted(one.text for one in case.texts) == words
        assert [(one.what, one.at) for one in case.events[:-1]] == [
            (what, OPENED + step * DAY) for step, what in enumerate(["opened", *done])
        ]
        assert [one.who for one in case.events] == ["nightly run", *["ana" for _ in done], "migration"]
        assert case.events[0].detail == {"priority": 90.0, "texts": texts}
        assert (case.events[-1].what, case.events[-1].origin) == ("moved", "migration 0002")
    store.close()


def test_what_moved_in_can_be_worked_with(empty_url: str) -> None:
    as_it_was(empty_url)
    store = Store.open(empty_url)
    assert [case.case_key for case in cases(store)] == ["C-1", "C-2", "C-5"]
    assert page(store, Filter("all", query="grüße 5"), "ana").total == 1
    case = claims.take_next(store, ANA)
    assert case is not None
    assert case.case_key == "C-1"
    casework.close(store, case.id, ANA, "resolved", "price")
    known = escalation("C-9", said("new", 50.0))
    assert store.enqueue(listed(known)) == (1, 0, 0, 0)
    assert store.case(len(OLD) + 1).case_key == "C-9"
    assert store.audit() == []
    store.close()


def test_the_words_of_customers_do_not_move_into_the_log(empty_url: str) -> None:
    as_it_was(empty_url)
    store = Store.open(empty_url)
    with store.engine.connect() as connection:
        log = json.dumps([[row.detail, row.rows] for row in connection.execute(select(AUDIT))], ensure_ascii=False)
    assert "refund" not in log
    assert "today" not in log
    assert "sha256:" in log
    store.close()


def test_an_empty_old_store_moves_in_too(empty_url: str) -> None:
    as_it_was(empty_url, rows=False)
    store = Store.open(empty_url)
    assert store.audit() == []
    assert store.enqueue(listed(escalation("C-1", said("new", 50.0)))) == (1, 0, 0, 0)
    store.close()


def test_a_move_that_breaks_off_leaves_the_old_store_as_it_was(empty_url: str) -> None:
    as_it_was(empty_url)
    broken = connect(empty_url)

    def refuse(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "CREATE TABLE sessions" in statement:
            raise RuntimeError("the power failed")

    event.listen(broken, "before_cursor_execute", refuse)
    with pytest.raises(RuntimeError, match="the power failed"), alone(broken, "tables") as connection:
        upgrade(connection)
    with broken.connect() as connection:
        assert {"events", "cases"} <= set(inspect(connection).get_table_names())
        assert "audit_log" not in inspect(connection).get_table_names()
    broken.dispose()
    store = Store.open(empty_url)
    assert len(cases(store)) + len(cases(store, "closed")) == len(OLD)
    assert store.audit() == []
    store.close()


def test_opening_again_changes_nothing(empty_url: str) -> None:
    as_it_was(empty_url)
    store = Store.open(empty_url)
    before = everything(store)
    again = Store.open(empty_url)
    assert everything(again) == before
    for one in (store, again):
        one.close()


@pytest.mark.parametrize("old", [True, False], ids=["moved", "fresh"])
def test_the_steps_make_just_the_tables_that_the_code_expects(empty_url: str, old: bool) -> None:
    if old:
        as_it_was(empty_url)
    store = Store.open(empty_url)

    def ours(_thing: object, name: str | None, *_: object) -> bool:
        return not str(name).startswith(("feedback_words", "ix_feedback_words"))

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_server_default": True})
        assert compare_metadata(context, METADATA) == []
        rest = {row for row in inspect(connection).get_table_names() if not row.startswith("feedback_words")}
    assert rest == {*METADATA.tables, "alembic_version"}
    store.close()


def test_a_newer_store_is_left_alone(empty_url: str) -> None:
    store = Store.open(empty_url)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = everything(store)
    sentence = "the case store is at step 9999 of its tables, which this version of Amends does not know; update Amends"
    with pytest.raises(ConfigError, match=sentence):
        Store.open(empty_url)
    assert everything(store) == before
    store.close()


def test_many_open_a_fresh_store_at_once(empty_url: str) -> None:
    def opened() -> None:
        Store.open(empty_url).close()

    assert in_children(*[opened] * 4) == [0] * 4
    assert at_once(*[opened] * 4) == [None] * 4
    store = Store.open(empty_url)
    assert store.audit() == []
    store.close()


def test_threads_make_stores_of_their_own_at_once(tmp_path: Path) -> None:
    """Alembic's steps speak to a connection that is global: two at a time would write into one another's store."""

    def opened(number: int) -> list[str]:
        store = Store.open(f"sqlite:///{tmp_path}/{number}.db")
        try:
            return store.audit()
        finally:
            store.close()

    assert at_once(*[lambda number=number: opened(number) for number in range(6)]) == [[]] * 6


def test_a_database_of_somebody_else_is_not_touched(empty_url: str) -> None:
    """A table named as ours that is none of ours stops the move; nothing of it is lost."""
    engine = connect(empty_url)
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE cases (number INTEGER, what VARCHAR)"))
        connection.execute(text("INSERT INTO cases VALUES (1, 'a suitcase')"))
    with pytest.raises(ConfigError, match="has a table 'cases' that is not of Amends; give Amends a database of its"):
        Store.open(empty_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT what FROM cases")).scalar_one() == "a suitcase"
    engine.dispose()
