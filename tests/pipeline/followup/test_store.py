"""Reading and marking cases, alone and against others."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable

from pipeline.config import ConfigError, resolve
from pipeline.followup.case import MOVES, STATUSES, ConflictError, UnknownCaseError
from pipeline.followup.engine import connect
from pipeline.followup.store import Store
from pipeline.followup.tables import CASES, EVENTS, METADATA
from tests.pipeline.followup.lists import escalation, listed, said

NIGHT = datetime(2026, 11, 21, 6, tzinfo=UTC)
PATHS = {"open": [], "contacted": ["contacted"], "resolved": ["resolved"], "dismissed": ["dismissed"]}


@pytest.fixture
def case_id(store: Store) -> int:
    store.enqueue(listed(escalation("C-1", said("leaving today", 90.0))), at=NIGHT)
    return store.queue()[0].id


def brought_to(store: Store, case_id: int, status: str) -> None:
    for step in PATHS[status]:
        store.mark(case_id, step, "ana")


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_a_case_moves_just_as_the_table_says(store: Store, case_id: int, before: str, after: str) -> None:
    brought_to(store, case_id, before)
    if after in MOVES[before]:
        assert store.mark(case_id, after, "bo").status == after
        assert store.case(case_id).events[-1].detail == {"before": before}
    else:
        with pytest.raises(ConflictError, match=f"case {case_id} is "):
            store.mark(case_id, after, "bo")
        assert store.case(case_id).status == before


def test_marking_says_who_and_when(store: Store, case_id: int) -> None:
    at = datetime(2026, 11, 21, 10, tzinfo=timezone(timedelta(hours=2)))
    case = store.mark(case_id, "contacted", "ana", at=at)
    assert case.updated_at == case.events[-1].at == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert case.events[-1].at.utcoffset() == timedelta(0)
    assert case.events[-1].who == "ana"
    assert case.version == 2


def test_a_naive_time_is_refused(store: Store, case_id: int) -> None:
    with pytest.raises(Exception, match="a stored time needs a time zone"):
        store.mark(case_id, "contacted", "ana", at=datetime(2026, 11, 21))


def test_an_unknown_case_or_status_is_named(store: Store, case_id: int) -> None:
    for unknown in (case_id + 1, 0, -1, 10**30):
        with pytest.raises(UnknownCaseError, match=f"^there is no case {unknown}$"):
            store.mark(unknown, "contacted", "ana")
    with pytest.raises(ValueError, match="a status is one of open, contacted, resolved, dismissed; got 'lost'"):
        store.mark(case_id, "lost", "ana")


def test_a_stale_version_loses(store: Store, case_id: int) -> None:
    seen = store.case(case_id).version
    store.mark(case_id, "contacted", "ana", version=seen)
    with pytest.raises(ConflictError, match="was changed since you opened it; it is contacted now"):
        store.mark(case_id, "dismissed", "bo", version=seen)


def test_reopening_beside_a_newer_case_is_refused(store: Store, case_id: int) -> None:
    store.mark(case_id, "resolved", "ana")
    store.enqueue(listed(escalation("C-1", said("again", 91.0))))
    with pytest.raises(ConflictError, match="this customer has a newer open case"):
        store.mark(case_id, "open", "ana")
    assert store.case(case_id).status == "resolved"


def test_of_many_who_mark_one_case_one_wins(url: str, store: Store, case_id: int) -> None:
    start, outcomes = threading.Barrier(8), []

    def claim(name: str) -> None:
        own = Store.open(url)
        start.wait()
        try:
            outcomes.append(own.mark(case_id, "contacted", name).events[-1].who)
        except ConflictError:
            outcomes.append(None)
        own.close()

    threads = [threading.Thread(target=claim, args=(f"agent {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [who for who in outcomes if who]
    assert len(outcomes) == 8
    assert len(winners) == 1
    assert [event.who for event in store.case(case_id).events] == ["nightly run", winners[0]]


def test_two_runs_of_the_same_list_at_once_open_it_once(url: str) -> None:
    table = listed(*(escalation(f"C-{n}", said(f"text {n}", 50.0 + n)) for n in range(20)))
    done, start = [], threading.Barrier(2)

    def run() -> None:
        # The tables do not exist yet: creating them is part of the race.
        start.wait()
        own = Store.open(url)
        done.append(own.enqueue(table))
        own.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [(0, 0, 20), (20, 0, 0)]


def test_the_queue_has_one_order(store: Store) -> None:
    early, late = "2026-11-01T08:00:00", "2026-11-02T08:00:00"
    store.enqueue(
        listed(
            escalation("none", said("a", 50.0, created_at=None)),
            escalation("late", said("b", 50.0, created_at=late)),
            escalation("early", said("c", 50.0, created_at=early)),
            escalation("first", said("d", 99.0)),
        )
    )
    assert [case.case_key for case in store.queue()] == ["first", "early", "late", "none"]
    assert [case.case_key for case in store.queue(2, offset=1)] == ["early", "late"]
    assert store.queue(status="resolved") == []
    with pytest.raises(ValueError, match="a status is one of"):
        store.queue(status="lost")


def test_texts_come_newest_first(store: Store) -> None:
    days = [None, "2026-11-01", "2026-11-03T10:00:00+01:00", "2026-11-03T09:30:00"]
    store.enqueue(listed(escalation("C-1", *(said(f"{day}", 50.0, created_at=day) for day in days))))
    assert [entry.text for entry in store.case(1).texts] == [str(days[n]) for n in (3, 2, 1, 0)]


def test_customer_values_are_one_per_customer(store: Store) -> None:
    store.enqueue(
        listed(
            escalation("A", said("a", 50.0), customer_value=10.0),
            escalation("B", said("b", 50.0), customer_value=None),
            escalation("C", said("c", 50.0), customer_value=5.0),
        )
    )
    store.mark(1, "resolved", "ana")
    store.enqueue(listed(escalation("A", said("a again", 60.0), customer_value=20.0)))
    assert store.customer_values() == [5.0, 20.0]


def test_history_cannot_be_rewritten(store: Store, case_id: int) -> None:
    for change in (update(EVENTS).values(who="nobody"), delete(EVENTS)):
        with store.engine.begin() as connection, pytest.raises(IntegrityError, match="append-only"):
            connection.execute(change)
    assert store.case(case_id).events[0].who == "nightly run"


def test_the_database_itself_refuses_a_second_live_case(store: Store, case_id: int) -> None:
    with store.engine.begin() as connection:
        row = dict(connection.execute(select(CASES)).one()._mapping) | {"id": 99, "status": "contacted"}
        with pytest.raises(IntegrityError):
            connection.execute(CASES.insert().values(row))


def test_what_was_written_survives_and_is_kept_safely(url: str, store: Store, case_id: int) -> None:
    with store.engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() in ("delete", "wal")
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    store.close()
    again = Store.open(url)
    assert again.case(case_id).text == "leaving today"
    again.close()


def test_a_relative_file_lies_under_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert connect("sqlite:///data/local/amends.db").url.database == str(resolve("data/local/amends.db"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("amends.db", "store.url must be a database URL such as"),
        ("sqlite://", "store.url must name an SQLite file"),
        ("sqlite:///:memory:", "store.url must name an SQLite file"),
        ("oracel://host/db", "store.url oracel://host/db: "),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Store.open(url)


def test_a_file_that_is_a_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened: unable to open database file"):
        Store.open(f"sqlite:///{tmp_path}")


def test_a_store_that_went_away_says_so(store: Store) -> None:
    assert store.check() is None
    METADATA.drop_all(store.engine)
    assert "the case store does not answer: no such table" in str(store.check())


def test_the_tables_are_postgresql_too() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in METADATA.sorted_tables]
    statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in CASES.indexes]
    assert any("WHERE status IN ('open', 'contacted')" in statement for statement in statements)
    assert any("TIMESTAMP WITH TIME ZONE" in statement for statement in statements)
