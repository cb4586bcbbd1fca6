"""What a dump does to the cases: once is enough, nothing new is lost, nothing handled comes back by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline.followup.case import LIVE, STATUSES, Enqueued
from pipeline.followup.store import Store
from pipeline.followup.tables import CASES, EVENTS, FEEDBACK
from tests.pipeline.followup.lists import escalation, listed, said

NIGHT = datetime(2026, 11, 21, 6, tzinfo=UTC)
LATER = NIGHT + timedelta(days=1)


def everything(store: Store) -> list[list[tuple[object, ...]]]:
    """Return every row of every table."""
    with store.engine.connect() as connection:
        return [
            [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
            for table in (CASES, FEEDBACK, EVENTS)
        ]


def test_a_list_opens_one_case_per_customer(store: Store) -> None:
    table = listed(
        escalation("C-1", said("leaving today", 90.0), said("hm", 20.0)), escalation("C-2", said("late", 50.0))
    )
    assert store.enqueue(table, at=NIGHT) == Enqueued(opened=2, updated=0, unchanged=0)
    first, second = store.queue()
    assert (first.customer_id, first.priority, first.n_texts) == ("C-1", 90.0, 2)
    assert first.labels == {
        "sentiment": "negative", "urgency": "high", "complaint_type": "billing", "signals": ["churn_threat"],
    }  # fmt: skip
    assert first.confidence["detractor"] == 0.97
    assert first.reasons[1].words == ("leaving", "never again")
    assert first.opened_at == NIGHT
    assert first.waiting_since == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert second.text == "late"
    assert [event.what for event in store.case(first.id).events] == ["opened"]


def test_the_same_list_twice_changes_nothing(store: Store) -> None:
    table = listed(escalation("C-1", said("a", 90.0), said("b", 20.0)), escalation("C-2", said("c", 50.0)))
    store.enqueue(table, at=NIGHT)
    before = everything(store)
    assert store.enqueue(table, at=LATER) == Enqueued(opened=0, updated=0, unchanged=2)
    assert everything(store) == before


def test_new_texts_join_the_live_case_and_raise_it(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("first", 60.0))), at=NIGHT)
    case = store.queue()[0]
    store.mark(case.id, "contacted", "ana", at=NIGHT)
    done = store.enqueue(listed(escalation("C-1", said("second", 80.0), model_version="8")), at=LATER)
    assert done == Enqueued(0, 1, 0)
    now = store.case(case.id)
    assert (now.status, now.priority, now.text, now.n_texts) == ("contacted", 80.0, "second", 2)
    assert now.model_version == "8"
    assert now.updated_at == LATER
    assert now.opened_at == NIGHT
    assert [event.what for event in now.events] == ["opened", "contacted", "raised"]
    assert now.events[-1].detail == {"priority": 80.0, "before": 60.0, "texts": 1}


def test_a_weaker_text_joins_without_lowering(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("strong", 90.0))), at=NIGHT)
    store.enqueue(listed(escalation("C-1", said("mild", 30.0), customer_value=None)), at=LATER)
    case = store.case(store.queue()[0].id)
    assert (case.priority, case.text, case.n_texts, case.customer_value) == (90.0, "strong", 2, 1200.0)
    assert case.events[-1].what == "joined"


@pytest.mark.parametrize("status", ["resolved", "dismissed"])
def test_a_closed_case_is_not_reopened_by_what_it_already_has(store: Store, status: str) -> None:
    table = listed(escalation("C-1", said("gone", 90.0)))
    store.enqueue(table, at=NIGHT)
    store.mark(store.queue()[0].id, status, "ana", at=NIGHT)
    before = everything(store)
    assert store.enqueue(table, at=LATER) == Enqueued(0, 0, 1)
    assert everything(store) == before


def test_a_new_matter_after_closing_opens_a_new_case(store: Store) -> None:
    old, new = said("gone", 90.0), said("again!", 95.0)
    store.enqueue(listed(escalation("C-1", old)), at=NIGHT)
    store.mark(store.queue()[0].id, "resolved", "ana")
    assert store.enqueue(listed(escalation("C-1", new, old)), at=LATER) == Enqueued(1, 0, 0)
    assert [text.text for text in store.case(2).texts] == ["again!"]
    assert store.counts() == {"open": 1, "contacted": 0, "resolved": 1, "dismissed": 0}


def test_an_answered_lead_neither_opens_nor_lifts_the_next_case(store: Store) -> None:
    old, new = said("gone", 90.0), said("and now this", 70.0)
    other = escalation("C-2", said("so so", 60.0))
    store.enqueue(listed(escalation("C-1", old), other), at=NIGHT)
    store.mark(store.queue()[0].id, "resolved", "ana")
    cumulative = listed(escalation("C-1", old, new), other)
    assert store.enqueue(cumulative, at=LATER) == Enqueued(1, 0, 1)
    case = store.queue()[0]
    assert (case.text, case.priority, case.reasons) == ("and now this", 70.0, ())
    before = everything(store)
    assert store.enqueue(cumulative, at=LATER) == Enqueued(0, 0, 2)
    assert everything(store) == before


def test_a_text_too_weak_for_the_list_is_filed_with_the_closed_case(store: Store) -> None:
    old, thanks = said("gone", 90.0), said("thank you, all well", 4.0)
    other = escalation("C-2", said("so so", 60.0))
    store.enqueue(listed(escalation("C-1", old), other), at=NIGHT)
    case_id = store.queue()[0].id
    store.mark(case_id, "resolved", "ana")
    assert store.enqueue(listed(escalation("C-1", old, thanks), other), at=LATER) == Enqueued(0, 1, 1)
    case = store.case(case_id)
    assert (case.status, case.n_texts, case.events[-1].what) == ("resolved", 2, "filed")


def test_an_id_used_for_two_texts_loses_neither(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("one", 50.0, id="1"), said("two", 40.0, id="1"))))
    assert {text.text for text in store.case(1).texts} == {"one", "two"}


def test_a_text_listed_twice_counts_once(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("one", 50.0), said("one", 50.0))))
    assert store.case(1).n_texts == 1


def test_a_lead_absent_from_the_texts_is_kept(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("one", 50.0), lead_id="L", text="the lead")))
    assert {text.text for text in store.case(1).texts} == {"one", "the lead"}


def test_only_the_necessary_columns_are_needed(store: Store) -> None:
    rows = [{"case_key": "text:1", "priority": None, "lead_id": "1", "text": "hello"}]
    assert store.enqueue(pa.Table.from_pylist(rows)) == Enqueued(1, 0, 0)
    case = store.case(1)
    assert (case.customer_id, case.priority, case.labels, case.waiting_since) == (None, 0.0, {}, None)


def test_probability_columns_of_labels_are_no_heads_of_their_own(store: Store) -> None:
    table = listed(escalation("C-1", said("one", 50.0)))
    for name in ("p_urgency_high", "p_signals_churn_threat", "p_value_hint"):
        table = table.append_column(name, pa.array([0.5]))
    store.enqueue(table)
    assert sorted(store.case(1).confidence) == ["complaint_type", "detractor", "sentiment", "urgency", "value_hint"]


def test_a_missing_column_is_named(store: Store) -> None:
    with pytest.raises(ValueError, match="missing: priority, lead_id"):
        store.enqueue(pa.table({"case_key": ["C-1"], "text": ["hello"]}))


def test_an_empty_necessary_cell_stops_the_whole_list(store: Store) -> None:
    rows = [{"case_key": key, "priority": 5.0, "lead_id": "1", "text": "hello"} for key in ("C-1", None)]
    with pytest.raises(ValueError, match="every escalation needs case_key"):
        store.enqueue(pa.Table.from_pylist(rows))
    assert sum(store.counts().values()) == 0


@pytest.mark.parametrize("when", ["yesterday", "", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_cannot_be_read_is_unknown(store: Store, when: str) -> None:
    store.enqueue(listed(escalation("C-1", said("one", 50.0, created_at=when))))
    assert store.case(1).texts[0].created_at is None


DUMPS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from(["A", "B"]), st.integers(0, 4), st.integers(1, 9)),
            min_size=1, max_size=4, unique_by=lambda entry: entry[:2],
        ),
        st.tuples(st.integers(1, 6), st.sampled_from(STATUSES)),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DUMPS)
def test_whatever_comes_nothing_doubles_and_repeating_is_void(
    tmp_path_factory: pytest.TempPathFactory, dumps: object
) -> None:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('cases')}/a.db")
    for texts, (case_id, status) in dumps:  # type: ignore[attr-defined]
        by_customer: dict[str, list[dict[str, object]]] = {}
        for customer, number, priority in texts:
            by_customer.setdefault(customer, []).append(said(f"{customer}{number}", priority * 10.0))
        table = listed(*(escalation(customer, *entries) for customer, entries in by_customer.items()))
        assert sum(store.enqueue(table)) == table.num_rows
        before = everything(store)
        assert store.enqueue(table) == Enqueued(0, 0, table.num_rows)
        assert everything(store) == before
        live = [row[1] for row in before[0] if row[4] in LIVE]
        assert len(live) == len(set(live))
        # Every text of the dump is filed with some case, and a case counts what it holds.
        stored = {row[9] for row in before[1]}
        assert {f"{customer}{number}" for customer, number, _ in texts} <= stored
        assert sum(row[15] for row in before[0]) == len(before[1])
        if case_id <= len(before[0]) and status in store.case(case_id).moves:
            try:
                store.mark(case_id, status, "ana")
            except ValueError as error:
                assert "newer open case" in str(error)  # noqa: PT017
    store.close()


def test_the_same_texts_an_hour_later_change_nothing_though_waiting_raised_their_priority(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("leaving today", 80.0))), at=NIGHT)
    before = store.queue()
    assert store.enqueue(listed(escalation("C-1", said("leaving today", 81.5))), at=LATER) == Enqueued(0, 0, 1)
    assert store.queue() == before
