"""What a person does with a case: what it leaves behind, and what is refused, with the sentence that says why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from pipeline.followup import casework, claims, people
from pipeline.followup.audit import Actor
from pipeline.followup.case import OUTCOMES, STEPS, Case, CaseworkError, ConflictError, UnknownCaseError
from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from pipeline.followup.tables import CORRECTIONS
from tests.pipeline.followup.days import SCHEMA, staffed
from tests.pipeline.followup.hands import ANA, AT, BO, LEA, at_once, cases, close, everything, fill, one
from tests.pipeline.followup.lists import escalation, listed, said

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# What only who has the case may do.
WORK: dict[str, Callable[[Store, int, Actor], Case]] = {
    "contacted": lambda store, number, by: casework.contacted(store, number, by, at=AT),
    "no_answer": lambda store, number, by: casework.no_answer(store, number, by, AT + DAY, at=AT),
    "close": lambda store, number, by: casework.close(store, number, by, "lost", "price", at=AT),
    "hand_over": lambda store, number, by: casework.hand_over(store, number, by, "lea", "knows them", at=AT),
    "check_step": lambda store, number, by: casework.check_step(store, number, by, "own", True, at=AT),
    "give": lambda store, number, by: casework.give(store, number, by, 5, "flowers", at=AT),
    "release": lambda store, number, by: claims.release(store, number, by, at=AT),
}


@pytest.mark.parametrize("name", WORK)
def test_only_who_has_a_case_works_on_it(store: Store, name: str) -> None:
    staffed(store)
    fill(store, 90.0, 80.0, 70.0)
    claims.take(store, 1, ANA, at=AT)
    close(store, 3)
    before = everything(store)
    for number, sentence in (
        (1, "ana has case 1"),
        (2, "case 2 is not with you; take it first"),
        (3, "case 3 is closed"),
    ):
        with pytest.raises(ConflictError, match=f"^{sentence}$"):
            WORK[name](store, number, BO)
    for number in (4, 0, 10**30):
        with pytest.raises(UnknownCaseError, match=f"^there is no case {number}$"):
            WORK[name](store, number, BO)
    assert everything(store) == before
    done = WORK[name](store, 1, ANA)
    assert (done.version, done.updated_at) == (3, AT)
    assert store.audit() == []


def test_who_was_reached_has_it_made_right_by_the_time_for_that(store: Store) -> None:
    case = one(store)
    done = casework.contacted(store, case.id, ANA, note="  will call back  ", at=AT + 10 * MINUTE)
    settled = store.clock.settle(AT + 10 * MINUTE)
    assert (done.status, done.attempts, done.first_contact_at) == ("contacted", 1, AT + 10 * MINUTE)
    assert done.due_at == done.lease_until == settled == AT + 10 * MINUTE + 7 * DAY  # five working days
    assert done.standing == store.clock.standing(90.0, settled)
    assert store.case(case.id).events[-1].detail == {"note": "will call back"}
    again = casework.contacted(store, case.id, ANA, at=AT + 20 * MINUTE)
    assert (again.attempts, again.first_contact_at) == (2, AT + 10 * MINUTE)
    assert store.case(case.id).events[-1].detail == {}


def test_who_did_not_answer_is_called_again_by_the_same_person(store: Store) -> None:
    case = one(store)
    done = casework.no_answer(store, case.id, ANA, AT + 2 * DAY, note="engaged", at=AT)
    assert (done.status, done.owner, done.attempts, done.first_contact_at) == ("open", "ana", 1, None)
    assert done.next_at == done.due_at == AT + 2 * DAY
    assert done.lease_until == AT + 2 * DAY + 30 * MINUTE
    assert done.standing == store.clock.standing(90.0, AT + 2 * DAY)
    entry = store.case(case.id).events[-1]
    assert entry.detail == {"again_at": (AT + 2 * DAY).isoformat(), "note": "engaged"}
    reached = casework.contacted(store, case.id, ANA, at=AT + 2 * DAY)
    assert (reached.next_at, reached.attempts) == (None, 2)


@pytest.mark.parametrize(("after", "fits"), [(-HOUR, False), (0 * HOUR, False), (MINUTE, True), (60 * DAY, True),
                                             (60 * DAY + MINUTE, False)])  # fmt: skip
def test_a_call_back_is_within_sixty_days(store: Store, after: timedelta, fits: bool) -> None:
    case = one(store)
    if fits:
        assert casework.no_answer(store, case.id, ANA, AT + after, at=AT).next_at == AT + after
        return
    before = everything(store)
    with pytest.raises(CaseworkError, match=r"^try again at a time within the next 60 days$"):
        casework.no_answer(store, case.id, ANA, AT + after, at=AT)
    assert everything(store) == before


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("reached", [True, False])
def test_a_closed_case_says_how_it_ended_and_when_to_ask_again(store: Store, outcome: str, reached: bool) -> None:
    case = one(store)
    if reached:
        casework.contacted(store, case.id, ANA, at=AT)
    done = casework.close(store, case.id, ANA, outcome, "process", note="done", at=AT + 9 * MINUTE)
    assert (done.status, done.outcome, done.root_cause, done.closed_at) == (
        "closed",
        outcome,
        "process",
        AT + 9 * MINUTE,
    )
    assert (done.owner, done.lease_until, done.next_at, done.live) == (None, None, None, False)
    assert done.first_contact_at == (AT if reached else AT + 9 * MINUTE if outcome == "resolved" else None)
    # Who was never reached is not asked how the call was.
    assert done.ask_at == (AT + 9 * MINUTE + 14 * DAY if reached or outcome == "resolved" else None)
    assert store.case(case.id).events[-1].detail == {"outcome": outcome, "root_cause": "process", "note": "done"}
    assert [case.id for case in cases(store, "closed")] == [case.id]


def test_a_case_is_not_closed_without_an_outcome_and_a_root_cause(store: Store) -> None:
    case = one(store)
    before = everything(store)
    for outcome in ("", "won", "closed"):
        with pytest.raises(CaseworkError, match=r"^a case ends as one of resolved, lost, not_detractor; say which$"):
            casework.close(store, case.id, ANA, outcome, "process", at=AT)
    for cause in ("", "the moon"):
        with pytest.raises(
            CaseworkError, match="a case is closed with one of the root causes process, product, people"
        ):
            casework.close(store, case.id, ANA, "resolved", cause, at=AT)
    assert everything(store) == before


def test_the_days_until_one_is_asked_and_the_root_causes_are_settings(opening: Callable[..., Store]) -> None:
    store = opening(Policy.model_validate({"follow_up": {"days": 3}, "root_causes": ["the moon"]}))
    case = one(store)
    with pytest.raises(CaseworkError, match=r"^a case is closed with one of the root causes the moon$"):
        casework.close(store, case.id, ANA, "resolved", "process", at=AT)
    assert casework.close(store, case.id, ANA, "resolved", "the moon", at=AT).ask_at == AT + 3 * DAY


@pytest.mark.parametrize("reached", [True, False])
def test_a_closed_case_can_be_opened_again(store: Store, reached: bool) -> None:
    case = one(store)
    if reached:
        casework.contacted(store, case.id, ANA, at=AT)
    closed = casework.close(store, case.id, ANA, "lost", "price", at=AT)
    with pytest.raises(ConflictError, match=r"^case 1 was changed since you opened it$"):
        casework.reopen(store, case.id, BO, version=closed.version - 1, at=AT)
    case = casework.reopen(store, case.id, BO, version=closed.version, at=AT + DAY)
    assert (case.status, case.owner) == ("contacted" if reached else "open", "bo")
    assert (case.outcome, case.root_cause, case.closed_at, case.ask_at) == (None, None, None, None)
    assert case.lease_until == AT + DAY + 30 * MINUTE
    assert case.due_at == AT + DAY + (7 * DAY if reached else 8 * HOUR)
    assert (case.events[-1].what, case.events[-1].detail) == ("reopened", {"after": "lost"})
    with pytest.raises(ConflictError, match=r"^case 1 is not closed$"):
        casework.reopen(store, case.id, ANA, at=AT + DAY)
    with pytest.raises(UnknownCaseError, match=r"^there is no case 99$"):
        casework.reopen(store, 99, ANA)


def test_a_case_stays_closed_beside_a_newer_open_one(store: Store) -> None:
    case = one(store)
    casework.close(store, case.id, ANA, "lost", "price", at=AT)
    store.enqueue(listed(escalation("C-1", said("again", 91.0))), at=AT + 30 * DAY)
    before = everything(store)
    with pytest.raises(ConflictError, match=r"^case 1 stays closed: this customer has a newer one that is open$"):
        casework.reopen(store, case.id, ANA, at=AT + 30 * DAY)
    assert everything(store) == before


def test_a_night_and_a_person_who_open_a_case_again_at_once_open_one(
    store: Store, opening: Callable[..., Store]
) -> None:
    fill(store, *[50.0] * 12)
    for case in cases(store):
        close(store, case.id)
    night, person, after = opening(), opening(), AT + 30 * DAY
    again = listed(*(escalation(f"C-{number}", said("again", 60.0)) for number in range(1, 13)))

    def open_all() -> list[object]:
        return [
            at_once(lambda number=number: casework.reopen(person, number, ANA, at=after))[0] for number in range(1, 13)
        ]

    at_once(lambda: night.enqueue(again, at=after), open_all)
    assert sorted(case.case_key for case in cases(store)) == sorted(f"C-{number}" for number in range(1, 13))
    assert store.audit() == []


def test_a_case_handed_over_waits_for_the_colleague_with_a_note(store: Store) -> None:
    staffed(store)
    case = one(store)
    done = casework.hand_over(store, case.id, ANA, "bo", "  speaks French  ", at=AT)
    assert (done.owner, done.lease_until) == ("bo", AT + DAY)
    entry = store.case(case.id).events[-1]
    assert (entry.who, entry.what, entry.detail) == ("ana", "handed_over", {"to": "bo", "note": "speaks French"})
    with pytest.raises(ConflictError, match=r"^bo has case 1$"):
        casework.contacted(store, case.id, ANA, at=AT)
    assert casework.contacted(store, case.id, BO, at=AT + 23 * HOUR).status == "contacted"


@pytest.mark.parametrize("to", ["carl", "gone", "", "ana; --", "a\x00b", "a\ud800b", "x" * 5_000])
def test_a_case_is_handed_over_to_somebody_who_is_there(store: Store, to: str) -> None:
    staffed(store)
    people.add_user(store, LEA, "gone", "agent", None)
    people.change_user(store, LEA, "gone", active=False)
    case = one(store)
    before = everything(store)
    with pytest.raises(CaseworkError, match=r"^nobody here is called '"):
        casework.hand_over(store, case.id, ANA, to, "note", at=AT)
    with pytest.raises(CaseworkError, match=r"^write what your colleague must know$"):
        casework.hand_over(store, case.id, ANA, "bo", " \n", at=AT)
    assert everything(store) == before


def test_the_five_steps_are_ticked_by_whom_and_when_and_may_be_unticked(store: Store) -> None:
    case = one(store)
    for minute, step in enumerate(STEPS):
        case = casework.check_step(store, case.id, ANA, step, True, at=AT + minute * MINUTE)
    assert list(case.steps) == list(STEPS)
    assert case.steps["fix"] == {"who": "ana", "at": (AT + MINUTE).isoformat()}
    case = casework.check_step(store, case.id, ANA, "fix", False, at=AT + 9 * MINUTE)
    assert set(case.steps) == set(STEPS) - {"fix"}
    assert [event.what for event in store.case(case.id).events[-2:]] == ["step_done", "step_undone"]
    with pytest.raises(CaseworkError, match=r"^a step is one of own, fix, make_up, cause, thank$"):
        casework.check_step(store, case.id, ANA, "sing", True, at=AT)


def test_anybody_may_leave_a_remark(store: Store) -> None:
    case = one(store)
    casework.remark(store, case.id, BO, "  seen this before ", at=AT)
    casework.remark(store, case.id, BO, "x" * 9_999, at=AT)
    casework.remark(store, case.id, BO, "a\x00b\ud800", at=AT)
    notes = [event.detail["note"] for event in store.case(case.id).events[-3:]]
    assert notes == ["seen this before", "x" * 2_000, "a\u2400b?"]
    assert store.case(case.id).version == case.version
    with pytest.raises(CaseworkError, match=r"^write something$"):
        casework.remark(store, case.id, BO, " ", at=AT)
    with pytest.raises(UnknownCaseError, match=r"^there is no case 9$"):
        casework.remark(store, 9, BO, "hm")
    assert store.audit() == []


def test_a_correction_is_kept_beside_what_the_model_said(store: Store) -> None:
    case = one(store)
    [text] = store.case(case.id).texts
    casework.correct(store, case.id, BO, SCHEMA, text.number or 0, "sentiment", "neutral", at=AT)
    casework.correct(store, case.id, BO, SCHEMA, text.number or 0, "urgency", "critical", at=AT)
    casework.correct(store, case.id, BO, SCHEMA, text.number or 0, "signals", "legal_threat", at=AT)
    with store.engine.connect() as connection:
        rows = [tuple(row)[1:] for row in connection.execute(select(CORRECTIONS).order_by(CORRECTIONS.c.id))]
    assert rows == [
        (text.number, "sentiment", "neutral", "negative", "bo", AT),
        (text.number, "urgency", "critical", None, "bo", AT),
        (text.number, "signals", "legal_threat", None, "bo", AT),
    ]
    now = store.case(case.id)
    assert (now.labels["sentiment"], now.labels["urgency"], now.labels["signals"]) == (
        "neutral",
        "critical",
        ["churn_threat"],
    )
    assert now.texts[0].labels == ("negative",)
    assert (now.events[-2].what, now.events[-2].who) == ("corrected", "bo")
    assert now.version == case.version + 2
    assert store.audit() == []
