"""What may be given to make up for it, never more than the budget; what the model got wrong; who is told."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from pipeline.followup import casework, claims
from pipeline.followup.case import Case, CaseworkError, UnknownCaseError
from pipeline.followup.policy import Policy, Webhook
from pipeline.followup.store import Store
from pipeline.followup.tables import CORRECTIONS, GIFTS, OUTBOX
from tests.pipeline.followup.days import SCHEMA
from tests.pipeline.followup.hands import ANA, AT, BO, HOOKED, at_once, cases, everything, fill, one
from tests.pipeline.followup.lists import escalation, listed, said

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_what_is_given_stands_with_the_case_and_in_its_history(store: Store) -> None:
    case = one(store)
    casework.give(store, case.id, ANA, 12.3456, "  flowers \n", at=AT)
    casework.give(store, case.id, ANA, 20, "x" * 300, at=AT)
    now = store.case(case.id)
    assert now.spent == 32.35
    assert [(gift.author, gift.amount, gift.what, gift.at) for gift in now.gifts] == [
        ("ana", 12.35, "flowers", AT), ("ana", 20.0, "x" * 200, AT),
    ]  # fmt: skip
    entry = now.events[-2]
    assert (entry.what, entry.detail) == ("gave", {"amount": 12.35, "currency": "EUR", "given_for": "flowers"})
    assert casework.left_to_give(store, now, "ana", AT) == pytest.approx(17.65)


@pytest.mark.parametrize("amount", [0, -1, 0.004, math.nan, math.inf, -math.inf, 1e9])
def test_an_amount_is_above_nothing(store: Store, amount: float) -> None:
    case = one(store)
    before = everything(store)
    with pytest.raises(CaseworkError, match=r"^give an amount above 0$"):
        casework.give(store, case.id, ANA, amount, "flowers", at=AT)
    with pytest.raises(CaseworkError, match=r"^say what it is given for$"):
        casework.give(store, case.id, ANA, 5, "  ", at=AT)
    assert everything(store) == before


def test_odd_characters_in_what_is_given_are_kept_as_they_can_be(store: Store) -> None:
    case = one(store)
    casework.give(store, case.id, ANA, 5, "a\x00b\ud800", at=AT)
    assert store.case(case.id).gifts[0].what == "a\u2400b?"
    assert store.audit() == []


def test_a_case_has_a_budget_that_more_hands_do_not_widen(store: Store) -> None:
    case = one(store)
    casework.give(store, case.id, ANA, 49.99, "flowers", at=AT)
    claims.release(store, case.id, ANA, at=AT)
    claims.take(store, case.id, BO, at=AT + DAY)
    with pytest.raises(CaseworkError, match=r"^this case has 0.01 EUR left; ask a lead for more$"):
        casework.give(store, case.id, BO, 0.02, "flowers", at=AT + DAY)
    done = casework.give(store, case.id, BO, 0.01, "a cent", at=AT + DAY)
    assert done.spent == 50.0
    assert casework.left_to_give(store, done, "bo", AT + DAY) == 0.0
    with pytest.raises(CaseworkError, match=r"^this case has 0.00 EUR left; ask a lead for more$"):
        casework.give(store, case.id, BO, 0.01, "a cent", at=AT + DAY)


def test_a_day_has_a_budget_that_begins_anew_at_midnight_where_the_team_sits(opening: Callable[..., Store]) -> None:
    rules = {"calendar": {"zone": "America/New_York"}, "budget": {"per_case": 100, "per_day": 60, "currency": "USD"}}
    store = opening(Policy.model_validate(rules))
    first, second, third = fill(store, 90.0, 80.0, 70.0)
    midnight = AT.replace(hour=5)  # in New York
    evening = midnight - timedelta(minutes=1)
    for case in (first, second, third):
        claims.take(store, case.id, ANA, at=evening)
    casework.give(store, first.id, ANA, 35, "flowers", at=evening)
    with pytest.raises(CaseworkError, match=r"^you have 25.00 USD left today; ask a lead for more$"):
        casework.give(store, second.id, ANA, 25.01, "flowers", at=evening)
    assert casework.left_to_give(store, second, "ana", evening) == 25.0
    casework.give(store, second.id, ANA, 25, "flowers", at=evening)
    with pytest.raises(CaseworkError, match=r"^you have 0.00 USD left today"):
        casework.give(store, third.id, ANA, 0.01, "flowers", at=evening)
    assert casework.left_to_give(store, third, "ana", midnight) == 60.0
    assert casework.give(store, third.id, ANA, 60, "flowers", at=midnight).spent == 60.0
    assert casework.left_to_give(store, third, "bo", evening) == 60.0


def test_eight_gifts_at_once_do_not_pass_the_budget_of_a_case(store: Store, opening: Callable[..., Store]) -> None:
    case = one(store)
    stores = [opening() for _ in range(8)]
    results = at_once(*[lambda own=own: casework.give(own, case.id, ANA, 12, "flowers", at=AT) for own in stores])
    assert sum(isinstance(result, Case) for result in results) == 4
    refused = {str(result) for result in results if not isinstance(result, Case)}
    assert refused == {"this case has 2.00 EUR left; ask a lead for more"}
    assert store.case(case.id).spent == 48.0
    assert len(store.case(case.id).gifts) == 4
    assert store.audit() == []


def test_eight_gifts_at_once_do_not_pass_the_budget_of_a_day(store: Store, opening: Callable[..., Store]) -> None:
    numbers = [case.id for case in fill(store, *[80.0] * 8)]
    for number in numbers:
        claims.take(store, number, ANA, at=AT)
    stores = [opening() for _ in numbers]
    results = at_once(*[
        lambda own=own, number=number: casework.give(own, number, ANA, 45, "flowers", at=AT)
        for own, number in zip(stores, numbers, strict=True)
    ])  # fmt: skip
    assert sum(isinstance(result, Case) for result in results) == 4
    refused = {str(result) for result in results if not isinstance(result, Case)}
    assert refused == {"you have 20.00 EUR left today; ask a lead for more"}
    assert sum(case.spent for case in cases(store)) == 180.0
    assert store.audit() == []


GIVEN = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6_000), st.integers(0, 30)), min_size=1, max_size=14)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(GIVEN)
def test_no_way_of_giving_passes_a_budget(anew: Callable[..., Store], given_: list[tuple[int, int, int]]) -> None:
    policy = Policy.model_validate({"budget": {"per_case": 60.1, "per_day": 100.3}, "lease_minutes": 99_999})
    store, at = anew(policy), AT
    for case in fill(store, 90.0, 80.0, 70.0):
        claims.take(store, case.id, ANA, at=AT)
    for number, cents, hours in given_:
        at += timedelta(hours=hours)
        left = casework.left_to_give(store, store.case(number), "ana", at)
        try:
            casework.give(store, number, ANA, cents / 100, "flowers", at=at)
            assert cents / 100 <= left + 1e-9
        except CaseworkError:
            assert cents / 100 > left - 1e-9
    with store.engine.connect() as connection:
        gifts = connection.execute(select(GIFTS)).all()
    for number in (1, 2, 3):
        of_case = [gift for gift in gifts if gift.case_id == number]
        assert sum(cents_of(gift.amount) for gift in of_case) <= 6_010
        assert cents_of(store.case(number).spent) == sum(cents_of(gift.amount) for gift in of_case)
    for day in {gift.at.date() for gift in gifts}:
        assert sum(cents_of(gift.amount) for gift in gifts if gift.at.date() == day) <= 10_030


def cents_of(amount: float) -> Fraction:
    return Fraction(round(amount * 100))


def test_the_database_itself_refuses_a_gift_of_nothing(store: Store) -> None:
    one(store)
    row = {"case_id": 1, "author": "ana", "amount": 0.0, "what": "", "at": AT}
    with pytest.raises(IntegrityError, match="ck_gifts_amount"), store.engine.begin() as connection:
        connection.execute(GIFTS.insert().values(row))


@pytest.mark.parametrize(("head", "label"), [("sentiment", "angry"), ("mood", "low"), ("detractor", "yes"), ("", ""),
                                             ("urgency", ["low"])])  # fmt: skip
def test_a_correction_names_a_label_that_the_heads_have(store: Store, head: str, label: str) -> None:
    case = one(store)
    before = everything(store)
    with pytest.raises(CaseworkError, match=r"^choose a label that the heads have$"):
        casework.correct(store, case.id, ANA, SCHEMA, 1, head, label, at=AT)
    assert everything(store) == before


@pytest.mark.parametrize("number", [2, 3, 0, -1, 2**31, 2**40, 10**30])
def test_a_correction_is_of_a_text_of_the_case(store: Store, number: int) -> None:
    fill(store, 90.0, 80.0)
    before = everything(store)
    with pytest.raises(CaseworkError, match=r"^case 1 has no such text$"):
        casework.correct(store, 1, ANA, SCHEMA, number, "urgency", "low", at=AT)
    with pytest.raises(UnknownCaseError, match=r"^there is no case 3$"):
        casework.correct(store, 3, ANA, SCHEMA, 1, "urgency", "low", at=AT)
    assert everything(store) == before


def test_only_the_text_that_leads_corrects_the_case(store: Store) -> None:
    lead, other, namesake = said("lead", 90.0, id="1"), said("other", 80.0, id="2"), said("namesake", 70.0, id="1")
    store.enqueue(listed(escalation("C-1", lead, other, namesake)), at=AT)
    numbers = {text.text: text.number or 0 for text in store.case(1).texts}
    for name in ("other", "namesake"):
        casework.correct(store, 1, ANA, SCHEMA, numbers[name], "urgency", "low", at=AT)
        assert store.case(1).labels["urgency"] == "high", name
    casework.correct(store, 1, ANA, SCHEMA, numbers["lead"], "urgency", "low", at=AT)
    assert store.case(1).labels["urgency"] == "low"
    with store.engine.connect() as connection:
        assert len(connection.execute(select(CORRECTIONS)).all()) == 3


def told(store: Store) -> list[tuple[str, str, dict[str, object]]]:
    with store.engine.connect() as connection:
        rows = connection.execute(select(OUTBOX).order_by(OUTBOX.c.id)).all()
    assert all((row.made_at, row.tries, row.sent_at) == (row.try_at, 0, None) for row in rows)
    return [(row.event, row.url, row.body) for row in rows]


def test_who_is_to_be_told_is_told_in_the_same_transaction(opening: Callable[..., Store]) -> None:
    store = opening(HOOKED)
    case = one(store)
    casework.close(store, case.id, ANA, "lost", "price", note="swore at me", at=AT)
    (first, url, opened), (second, _, closed) = told(store)
    assert (first, second, url) == ("case.opened", "case.closed", "https://crm.example.com/hook")
    assert closed["case"] == {
        "id": 1, "url": "https://desk.example.com/cases/1", "customer_id": "C-1", "status": "closed", "priority": 90.0,
        "due_at": case.due_at.isoformat() if case.due_at else None, "owner": None, "outcome": "lost",
        "root_cause": "price", "second_failure": False,
    }  # fmt: skip
    assert closed["at"] == AT.isoformat()
    raw = json.dumps([opened, closed])
    for secret in ("words", "leaving", "never again", "today", "swore"):
        assert secret not in raw


def test_a_change_that_fails_tells_nobody(opening: Callable[..., Store]) -> None:
    store = opening(HOOKED)
    bad = [escalation("C-1", said("a", 90.0)), escalation("C-2", said("b", 80.0), text=None)]
    with pytest.raises(ValueError, match="every escalation needs text"):
        store.enqueue(listed(*bad), at=AT)
    assert told(store) == []
    assert cases(store) == []


def test_each_address_is_told_of_its_events_alone(opening: Callable[..., Store]) -> None:
    hooks = [Webhook(url="https://a.example.com", events=["case.closed"]), Webhook(url="https://b.example.com")]
    store = opening(Policy(webhooks=hooks))
    case = one(store)
    casework.close(store, case.id, ANA, "resolved", "price", at=AT)
    assert [(event, url[8]) for event, url, _ in told(store)] == [
        ("case.opened", "b"), ("case.closed", "a"), ("case.closed", "b"),
    ]  # fmt: skip
    assert told(store)[0][2]["case"]["url"] is None  # type: ignore[index]
