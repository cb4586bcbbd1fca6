"""The store itself: where it lies, what it keeps, and that a change is all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from pipeline.config import ConfigError, resolve
from pipeline.followup import claims
from pipeline.followup.audit import Actor
from pipeline.followup.case import Enqueued, UnknownCaseError
from pipeline.followup.engine import connect
from pipeline.followup.store import Store
from pipeline.followup.tables import CASES, METADATA
from tests.pipeline.followup.hands import ANA, AT, LATER, NIGHT, at_once, close, everything, fill, one
from tests.pipeline.followup.lists import escalation, listed, said


def test_a_moment_is_kept_as_utc_whatever_the_zone_of_the_server_or_of_who_acts(store: Store) -> None:
    one(store, at=datetime(2026, 11, 23, 10, tzinfo=timezone(timedelta(hours=2))))
    case = store.case(1)
    assert case.updated_at == case.events[-1].at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert {case.updated_at.utcoffset(), case.opened_at.utcoffset(), case.events[-1].at.utcoffset()} == {timedelta(0)}
    assert (case.events[-1].who, case.events[-1].origin) == ANA


def test_a_naive_time_is_refused(store: Store) -> None:
    case = one(store)
    with store.change(ANA) as change, pytest.raises(StatementError, match="a stored time needs a time zone; got date"):
        change.update(CASES, case.id, {"due_at": datetime(2026, 11, 21)})
    assert store.case(case.id).due_at == case.due_at


@pytest.mark.parametrize("number", [2, 0, -1, 2**31, 10**30])
def test_an_unknown_case_is_named(store: Store, number: int) -> None:
    fill(store, 90.0)
    for look in (store.case, lambda number: claims.take(store, number, ANA)):
        with pytest.raises(UnknownCaseError, match=f"^there is no case {number}$"):
            look(number)


def test_a_change_is_all_or_nothing(store: Store) -> None:
    case = one(store, None)
    before = everything(store)

    def work() -> None:
        with store.change(ANA) as change:
            change.update(CASES, case.id, {"priority": 1.0})
            change.note("lowered", case.id)
            change.close()
            change.insert(CASES, {"case_key": "C-2"})

    with pytest.raises(IntegrityError, match=r"(?i)not.null"):
        work()
    assert everything(store) == before


def test_rows_are_not_written_without_saying_why(store: Store) -> None:
    case = one(store, None)
    before = everything(store)
    with (
        pytest.raises(RuntimeError, match="rows were written without a note that says why"),
        store.change(ANA) as change,
    ):
        change.update(CASES, case.id, {"priority": 1.0})
    assert everything(store) == before


def test_a_change_of_nothing_leaves_no_entry(store: Store) -> None:
    case = one(store, None)
    before = everything(store)
    with store.change(ANA) as change:
        assert change.insert_all(CASES, []) == []
        assert change.update(CASES, case.id, {"priority": 1.0}, CASES.c.version == 99) is None
        assert change.update(CASES, 10**30, {"priority": 1.0}) is None
    assert everything(store) == before


def test_texts_come_newest_first_and_history_oldest_first(store: Store) -> None:
    days = [None, "2026-11-01", "2026-11-03T10:00:00+01:00", "2026-11-03T09:30:00"]
    texts = [said(f"{day}", 50.0, created_at=day, nps=nps) for nps, day in enumerate(days)]
    store.enqueue(listed(escalation("C-1", *texts)), at=NIGHT)
    close(store, 1)
    case = store.case(1)
    assert [(entry.text, entry.nps) for entry in case.texts] == [(str(days[n]), n) for n in (3, 2, 1, 0)]
    assert [event.what for event in case.events] == ["opened", "taken", "closed"]
    assert [event.origin for event in case.events] == ["score.py", "10.0.0.1", "10.0.0.1"]


def test_customer_values_are_one_per_customer(store: Store) -> None:
    values = {"A": 10.0, "B": None, "C": 5.0}
    store.enqueue(listed(*(escalation(who, said(who, 50.0), customer_value=value) for who, value in values.items())))
    first = next(number for number in (1, 2, 3) if store.case(number).case_key == "A")
    close(store, first, at=AT)
    store.enqueue(listed(escalation("A", said("again", 60.0), customer_value=20.0)), at=AT + timedelta(days=60))
    assert store.case(4).case_key == "A"
    assert store.customer_values() == [5.0, 20.0]


def test_the_database_itself_refuses_a_second_live_case(store: Store) -> None:
    one(store)
    with store.engine.begin() as connection:
        row = dict(connection.execute(select(CASES)).one()._mapping) | {"id": 99, "status": "contacted"}
        with pytest.raises(IntegrityError, match=r"uq_cases_live|UNIQUE constraint failed: cases.case_key"):
            connection.execute(CASES.insert().values(row))


@pytest.mark.parametrize("missing", ["outcome", "root_cause", "closed_at"])
def test_the_database_itself_refuses_to_close_without_outcome_and_root_cause(store: Store, missing: str) -> None:
    case = one(store)
    whole = {"status": "closed", "outcome": "lost", "root_cause": "price", "closed_at": AT}
    with pytest.raises(IntegrityError, match="ck_cases_closed"), store.engine.begin() as connection:
        connection.execute(CASES.update().values(whole | {missing: None}))
    for wrong in ({"status": "done"}, {"outcome": "won"}):
        with pytest.raises(IntegrityError, match=f"ck_cases_{next(iter(wrong))}"), store.engine.begin() as connection:
            connection.execute(CASES.update().values(wrong))
    assert store.case(case.id).status == "open"


def test_what_was_written_is_there_for_who_comes_later(opening: Callable[..., Store]) -> None:
    one(opening())
    assert opening().case(1).text == "words of C-1"


def test_a_store_that_does_not_answer_says_so(empty_url: str, database: str) -> None:
    store = Store.open(empty_url)
    assert store.check() is None
    with store.engine.begin() as connection:
        for table in reversed(METADATA.sorted_tables):
            table.drop(connection)
    absent = "no such table: cases" if database == "sqlite" else 'relation "cases" does not exist'
    assert str(store.check()).startswith(f"the case store does not answer: {absent}")
    store.close()


def test_two_runs_of_the_same_list_at_once_open_it_once(empty_url: str) -> None:
    table = listed(*(escalation(f"C-{n}", said(f"text {n}", 50.0 + n)) for n in range(20)))

    def run() -> Enqueued:
        own = Store.open(empty_url)  # the tables do not exist yet: creating them is part of the race
        try:
            return own.enqueue(table)
        finally:
            own.close()

    assert sorted(at_once(run, run)) == [(0, 0, 0, 20), (20, 0, 0, 0)]
    store = Store.open(empty_url)
    assert store.audit() == []
    store.close()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite lets nobody commit while one reads
def test_the_log_and_the_tables_are_compared_as_of_one_moment(store: Store, opening: Callable[..., Store]) -> None:
    """Else a check of a desk at work would find rows that no entry speaks of."""
    one(store)
    other = opening()

    def meanwhile(*_: object) -> None:
        other.enqueue(listed(escalation("C-2", said("meanwhile", 50.0))), at=LATER)

    event.listen(store.engine, "after_cursor_execute", meanwhile, once=True)
    assert store.audit() == []
    assert len(everything(store)["cases"]) == 2


def test_a_file_is_kept_safely(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/a/b/amends.db")
    with store.engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() in ("delete", "wal")
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    store.close()


def test_a_relative_file_lies_under_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert connect("sqlite:///data/local/amends.db").url.database == str(resolve("data/local/amends.db"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("amends.db", "store.url must be a database URL such as"),
        ("postgresql://desk:secret@host:port/db", "store.url must be a database URL such as"),
        ("sqlite://", "store.url must name an SQLite file"),
        ("sqlite:///:memory:", "store.url must name an SQLite file"),
        ("oracel://desk:secret@host/db", "store.url oracel://desk:.*@host/db: "),
        ("postgresql+nosuch://desk:secret@host/db", "store.url postgresql.nosuch://desk:.*@host/db: "),
        (
            "postgresql://desk:secret@127.0.0.1:1/db",
            "the case store postgresql.psycopg://desk:.*@127.0.0.1:1/db cannot",
        ),
    ],
)
def test_a_url_that_cannot_be_used_is_explained_without_its_password(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as raised:
        Store.open(url)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_a_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened: unable to open database file"):
        Store.open(f"sqlite:///{tmp_path}")


def test_who_acts_is_a_name_and_a_place() -> None:
    assert Actor("ana", "10.0.0.1") == ("ana", "10.0.0.1")
    assert str(Enqueued(3, 0, 1, 2)) == "3 cases opened, 1 updated, 2 unchanged"
    assert str(Enqueued(3, 1, 0, 2)) == "3 cases opened, 1 opened again, 0 updated, 2 unchanged"
