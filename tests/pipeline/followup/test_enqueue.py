"""What a dump does to the cases: once is enough, nothing new is lost, nothing handled comes back by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline.followup import casework, claims
from pipeline.followup.case import LIVE, Enqueued
from pipeline.followup.policy import Policy, Webhook
from pipeline.followup.store import Store
from pipeline.followup.tables import OUTBOX
from tests.pipeline.followup.hands import ANA, AT, LATER, NIGHT, cases, close, everything, fill, one
from tests.pipeline.followup.lists import escalation, listed, said

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_list_opens_one_case_per_customer(store: Store) -> None:
    table = listed(
        escalation("C-1", said("leaving today", 90.0), said("hm", 20.0)), escalation("C-2", said("late", 50.0))
    )
    assert store.enqueue(table, at=NIGHT) == Enqueued(opened=2, reopened=0, updated=0, unchanged=0)
    first, second = cases(store)
    assert (first.customer_id, first.priority, first.n_texts, first.version) == ("C-1", 90.0, 2, 1)
    assert first.labels == {
        "sentiment": "negative", "urgency": "high", "complaint_type": "billing", "signals": ["churn_threat"],
    }  # fmt: skip
    assert first.confidence["detractor"] == 0.97
    assert first.reasons[1].words == ("leaving", "never again")
    assert first.opened_at == NIGHT
    assert first.waiting_since == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert (first.status, first.owner, first.second_failure, first.spent) == ("open", None, False, 0.0)
    assert second.text == "late"
    [event] = store.case(first.id).events
    assert (event.what, event.who, event.origin) == ("opened", "nightly run", "score.py")
    assert event.detail == {"priority": 90.0, "texts": 2}


@pytest.mark.parametrize(
    ("urgency", "due"),
    [("critical", "2026-11-21 07"), ("high", "2026-11-21 14"), ("normal", "2026-11-25 09"), ("low", "2026-12-07 09"),
     ("unheard of", "2026-11-25 09")],
)  # fmt: skip
def test_a_case_is_due_as_its_urgency_says_and_stands_accordingly(store: Store, urgency: str, due: str) -> None:
    """The night is a Saturday's: hours are those of the clock, working days begin with Monday."""
    [case] = fill(store, 80.0, urgency=urgency)
    assert case.due_at == datetime.fromisoformat(f"{due}:00+00:00")
    assert case.standing == pytest.approx(80.0 - 10 * (case.due_at - datetime(2020, 1, 1, tzinfo=UTC)) / DAY)


def test_the_same_list_twice_changes_nothing(store: Store) -> None:
    table = listed(escalation("C-1", said("a", 90.0), said("b", 20.0)), escalation("C-2", said("c", 50.0)))
    store.enqueue(table, at=NIGHT)
    before = everything(store)
    assert store.enqueue(table, at=LATER) == Enqueued(0, 0, 0, unchanged=2)
    assert everything(store) == before


def test_the_same_texts_an_hour_later_change_nothing_though_waiting_raised_their_priority(store: Store) -> None:
    fill(store, 80.0)
    before = everything(store)
    assert store.enqueue(listed(escalation("C-1", said("words of C-1", 81.5))), at=LATER) == (0, 0, 0, 1)
    assert everything(store) == before


def test_new_texts_join_the_live_case_and_raise_it(store: Store) -> None:
    case = one(store)
    casework.contacted(store, case.id, ANA, at=AT)
    table = listed(escalation("C-1", said("second", 95.0), model_version="8", urgency="critical"))
    assert store.enqueue(table, at=AT + DAY) == Enqueued(0, 0, updated=1, unchanged=0)
    now = store.case(case.id)
    assert (now.status, now.owner, now.priority, now.text, now.n_texts) == ("contacted", "ana", 95.0, "second", 2)
    assert (now.model_version, now.updated_at, now.opened_at) == ("8", AT + DAY, NIGHT)
    assert now.due_at == AT + DAY + HOUR
    assert now.standing == store.clock.standing(95.0, now.due_at)
    assert [event.what for event in now.events] == ["opened", "taken", "contacted", "raised"]
    assert now.events[-1].detail == {"priority": 95.0, "before": 90.0, "texts": 1}


def test_a_due_time_never_moves_away_because_a_customer_wrote_again(store: Store) -> None:
    [case] = fill(store, 60.0, urgency="critical")
    store.enqueue(listed(escalation("C-1", said("second", 80.0), urgency="low")), at=LATER)
    now = store.case(case.id)
    assert (now.priority, now.due_at) == (80.0, case.due_at)
    assert now.standing == case.standing + 20.0


def test_a_weaker_text_joins_without_lowering(store: Store) -> None:
    fill(store, 90.0)
    store.enqueue(listed(escalation("C-1", said("mild", 30.0), customer_value=None)), at=LATER)
    case = store.case(1)
    assert (case.priority, case.text, case.n_texts, case.customer_value) == (90.0, "words of C-1", 2, 1200.0)
    assert case.events[-1].what == "joined"


@pytest.mark.parametrize("outcome", ["resolved", "lost", "not_detractor"])
def test_a_closed_case_is_not_reopened_by_what_it_already_has(store: Store, outcome: str) -> None:
    table = listed(escalation("C-1", said("gone", 90.0)))
    store.enqueue(table, at=NIGHT)
    close(store, 1, outcome)
    before = everything(store)
    assert store.enqueue(table, at=AT + DAY) == Enqueued(0, 0, 0, 1)
    assert everything(store) == before


@pytest.mark.parametrize("outcome", ["resolved", "lost", "not_detractor"])
def test_a_new_matter_within_the_window_opens_the_case_again(store: Store, outcome: str) -> None:
    old, new = said("gone", 90.0), said("again!", 95.0, nps=2.0)
    store.enqueue(listed(escalation("C-1", old)), at=NIGHT)
    claims.take(store, 1, ANA, at=AT)
    casework.contacted(store, 1, ANA, at=AT)
    casework.check_step(store, 1, ANA, "own", True, at=AT)
    casework.give(store, 1, ANA, 20, "voucher", at=AT)
    close(store, 1, outcome)
    again = AT + 14 * DAY
    assert store.enqueue(listed(escalation("C-1", new, old)), at=again) == Enqueued(
        0, reopened=1, updated=0, unchanged=0
    )
    case = store.case(1)
    failed = outcome != "not_detractor"
    assert (case.status, case.owner, case.outcome, case.root_cause, case.closed_at) == ("open", None, None, None, None)
    assert (case.priority, case.text, case.second_failure) == (95.0, "again!", failed)
    assert (case.first_contact_at, case.ask_at, case.steps, case.nps_before) == (None, None, {}, 2.0)
    assert (case.opened_at, case.due_at, case.spent) == (again, again + 8 * HOUR, 20.0)
    assert sorted(text.text for text in case.texts) == ["again!", "gone"]
    assert case.events[-1].what == "reopened"
    assert case.events[-1].detail == {"after": outcome, "second_failure": failed, "texts": 1}
    assert store.audit() == []


@pytest.mark.parametrize(
    ("days", "outcome", "second"),
    [(15, "resolved", True), (90, "lost", True), (91, "resolved", False), (30, "not_detractor", False)],
)
def test_a_new_matter_beyond_the_window_opens_a_case_of_its_own(
    store: Store, days: int, outcome: str, second: bool
) -> None:
    old, new = said("gone", 90.0), said("again!", 95.0)
    store.enqueue(listed(escalation("C-1", old)), at=NIGHT)
    close(store, 1, outcome)
    assert store.enqueue(listed(escalation("C-1", new, old)), at=AT + days * DAY) == Enqueued(1, 0, 0, 0)
    case = store.case(2)
    assert [text.text for text in case.texts] == ["again!"]
    assert case.second_failure is second
    assert case.events[-1].detail == {"priority": 95.0, "texts": 1} | ({"second_failure": True} if second else {})
    assert store.case(1).status == "closed"


def test_an_answered_lead_neither_opens_nor_lifts_the_next_case(store: Store) -> None:
    old, new = said("gone", 90.0), said("and now this", 70.0)
    other = escalation("C-2", said("so so", 60.0))
    store.enqueue(listed(escalation("C-1", old), other), at=NIGHT)
    close(store, 1)
    cumulative = listed(escalation("C-1", old, new), other)
    assert store.enqueue(cumulative, at=AT + 30 * DAY) == Enqueued(1, 0, 0, 1)
    case = cases(store)[0]
    assert (case.text, case.priority, case.reasons) == ("and now this", 70.0, ())
    before = everything(store)
    assert store.enqueue(cumulative, at=AT + 31 * DAY) == Enqueued(0, 0, 0, 2)
    assert everything(store) == before


def test_a_text_too_weak_for_the_list_is_filed_with_the_closed_case(store: Store) -> None:
    old, thanks = said("gone", 90.0), said("thank you, all well", 4.0)
    other = escalation("C-2", said("so so", 60.0))
    store.enqueue(listed(escalation("C-1", old), other), at=NIGHT)
    close(store, 1)
    assert store.enqueue(listed(escalation("C-1", old, thanks), other), at=AT + DAY) == Enqueued(0, 0, 1, 1)
    case = store.case(1)
    assert (case.status, case.n_texts, case.events[-1].what) == ("closed", 2, "filed")


def test_second_failures_stand_on_top(store: Store) -> None:
    fill(store, 99.0, 20.0)
    close(store, 2)
    store.enqueue(listed(escalation("C-2", said("again", 21.0))), at=AT + DAY)
    assert [(case.case_key, case.second_failure) for case in cases(store)] == [("C-2", True), ("C-1", False)]


DUMPS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from(["A", "B"]), st.integers(0, 4), st.integers(1, 9)),
            min_size=1, max_size=4, unique_by=lambda entry: entry[:2],
        ),
        st.integers(1, 6),
        st.sampled_from(["resolved", "lost", "not_detractor", "contacted", ""]),
        st.integers(0, 40),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DUMPS)
def test_whatever_comes_nothing_doubles_and_repeating_is_void(anew: Callable[..., Store], dumps: object) -> None:
    store, at = anew(), AT
    for texts, case_id, handled, days in dumps:  # type: ignore[attr-defined]
        by_customer: dict[str, list[dict[str, object]]] = {}
        for customer, number, priority in texts:
            by_customer.setdefault(customer, []).append(said(f"{customer}{number}", priority * 10.0))
        table = listed(*(escalation(customer, *entries) for customer, entries in by_customer.items()))
        at += days * DAY
        assert sum(store.enqueue(table, at=at)) == table.num_rows
        before = everything(store)
        assert store.enqueue(table, at=at + HOUR) == Enqueued(0, 0, 0, table.num_rows)
        assert everything(store) == before
        check(store, {f"{customer}{number}" for customer, number, _ in texts})
        if handled and case_id in {case.id for case in cases(store)}:
            claims.take(store, case_id, ANA, at=at)
            if handled == "contacted":
                casework.contacted(store, case_id, ANA, at=at)
            else:
                casework.close(store, case_id, ANA, handled, "people", at=at)
    assert store.audit() == []


def check(store: Store, texts: set[str]) -> None:
    """No customer has two live cases; every text is filed with some case, and a case counts what it holds."""
    found = [store.case(case.id) for tab in ("all", "closed") for case in cases(store, tab)]
    live = [case.case_key for case in found if case.status in LIVE]
    assert len(live) == len(set(live))
    assert texts <= {text.text for case in found for text in case.texts}
    assert [case.n_texts for case in found] == [len(case.texts) for case in found]


def test_a_case_that_is_opened_again_is_told_of_like_a_new_one(tmp_path: Path) -> None:
    policy = Policy(webhooks=[Webhook(url="https://crm.example.com/hook", events=["case.opened"])])
    store = Store.open(f"sqlite:///{tmp_path}/a.db", policy)
    store.enqueue(listed(escalation("C-1", said("gone", 90.0))), at=NIGHT)
    casework.close(store, claims.take(store, 1, ANA, at=NIGHT).id, ANA, "resolved", "process", at=NIGHT)
    store.enqueue(listed(escalation("C-1", said("again!", 95.0))), at=NIGHT + timedelta(days=1))
    with store.engine.connect() as connection:
        told = [body["case"] for body in connection.execute(select(OUTBOX.c.body).order_by(OUTBOX.c.id)).scalars()]
    assert [(case["id"], case["priority"], case["second_failure"]) for case in told] == [
        (1, 90.0, False),
        (1, 95.0, True),
    ]
    store.close()
