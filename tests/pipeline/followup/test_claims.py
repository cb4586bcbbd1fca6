"""Who has a case: one at a time, for as long as they work on it; nobody calls a customer whom somebody else calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.followup import casework, claims
from pipeline.followup.case import Case, ConflictError
from pipeline.followup.store import Store, found
from tests.pipeline.followup.hands import ANA, AT, BO, LEA, at_once, cases, close, everything, fill, one
from tests.pipeline.followup.lists import escalation, listed, said

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LEASE = 30 * MINUTE


def test_a_case_taken_is_with_who_took_it_until_the_lease_runs_out(store: Store) -> None:
    case = one(store, ANA)
    assert (case.owner, case.lease_until, case.version, case.updated_at) == ("ana", AT + LEASE, 2, AT)
    assert case.held_by(AT + LEASE - MINUTE) == "ana"
    assert case.held_by(AT + LEASE) is None
    entry = store.case(case.id).events[-1]
    assert (entry.what, entry.detail) == ("taken", {"until": (AT + LEASE).isoformat()})


def test_who_comes_second_is_told_who_has_it(store: Store) -> None:
    case = one(store, ANA)
    before = everything(store)
    with pytest.raises(ConflictError, match=r"^ana has case 1$") as raised:
        claims.take(store, case.id, BO, at=AT + MINUTE)
    assert raised.value.owner == "ana"
    assert everything(store) == before


def test_who_has_it_may_take_it_again_and_has_it_longer(store: Store) -> None:
    case = one(store, ANA)
    assert claims.take(store, case.id, ANA, at=AT + 10 * MINUTE).lease_until == AT + 40 * MINUTE
    # What was held longer before, such as until a call-back, is not cut short by taking it again.
    casework.no_answer(store, case.id, ANA, AT + DAY, at=AT + 11 * MINUTE)
    assert claims.take(store, case.id, ANA, at=AT + 12 * MINUTE).lease_until == AT + DAY + LEASE


def test_a_lease_that_ran_out_leaves_the_case_to_others(store: Store) -> None:
    case = one(store, ANA)
    taken = claims.take(store, case.id, BO, at=AT + LEASE)
    assert (taken.owner, taken.lease_until) == ("bo", AT + 2 * LEASE)
    with pytest.raises(ConflictError, match=r"^bo has case 1$"):
        casework.contacted(store, case.id, ANA, at=AT + LEASE + MINUTE)


def test_who_let_the_lease_run_out_takes_the_case_again_first(store: Store) -> None:
    case = one(store, ANA)
    with pytest.raises(ConflictError, match=r"^case 1 is not with you; take it first$") as raised:
        casework.contacted(store, case.id, ANA, at=AT + LEASE)
    assert raised.value.owner is None
    claims.take(store, case.id, ANA, at=AT + LEASE)
    assert casework.contacted(store, case.id, ANA, at=AT + LEASE).status == "contacted"


@pytest.mark.parametrize("version", [0, 2, -1, 10**30])
def test_a_stale_version_loses(store: Store, version: int) -> None:
    case = one(store, None)
    with pytest.raises(ConflictError, match=r"^case 1 was changed since you opened it$"):
        claims.take(store, case.id, ANA, version=version, at=AT)
    assert claims.take(store, case.id, ANA, version=1, at=AT).version == 2
    for work in (claims.release, casework.contacted):
        with pytest.raises(ConflictError, match=r"^case 1 was changed since you opened it$"):
            work(store, case.id, ANA, version=version + 1, at=AT)
    assert claims.release(store, case.id, ANA, version=2, at=AT).version == 3


def test_a_closed_case_is_not_taken(store: Store) -> None:
    case = one(store, None)
    close(store, case.id)
    for work in (claims.take, claims.release, casework.contacted):
        with pytest.raises(ConflictError, match=r"^case 1 is closed$"):
            work(store, case.id, ANA, at=AT)


def test_a_released_case_is_free_at_once(store: Store) -> None:
    case = one(store, ANA)
    with pytest.raises(ConflictError, match=r"^ana has case 1$"):
        claims.release(store, case.id, BO, at=AT)
    released = claims.release(store, case.id, ANA, at=AT)
    assert (released.owner, released.lease_until, released.version) == (None, None, 3)
    assert store.case(case.id).events[-1].what == "released"
    with pytest.raises(ConflictError, match="not with you; take it first"):
        claims.release(store, case.id, ANA, at=AT)
    assert claims.take(store, case.id, BO, at=AT).owner == "bo"


def test_leases_that_ran_out_are_returned_and_the_log_says_whose(store: Store) -> None:
    first, second, third = fill(store, 90.0, 80.0, 70.0)
    claims.take(store, first.id, ANA, at=AT)
    claims.take(store, second.id, BO, at=AT + MINUTE)
    claims.take(store, third.id, BO, at=AT)
    casework.close(store, third.id, BO, "lost", "price", at=AT)
    assert claims.give_back(store, at=AT + LEASE - MINUTE) == 0
    assert claims.give_back(store, at=AT + LEASE) == 1
    assert claims.give_back(store, at=AT + LEASE) == 0
    now = store.case(first.id)
    assert (now.owner, now.lease_until, now.version) == (None, None, 3)
    assert (now.events[-1].what, now.events[-1].who, now.events[-1].detail) == (
        "returned",
        "the clock",
        {"owner": "ana"},
    )
    assert store.case(second.id).owner == "bo"
    assert store.audit() == []


def next_one(store: Store, lead: bool = False, **more: timedelta) -> str | None:
    case = claims.take_next(store, LEA if lead else ANA, lead=lead, at=AT + more.get("after", timedelta()))
    return None if case is None else case.case_key


def test_the_next_case_is_the_most_important_free_one(store: Store) -> None:
    fill(store, 70.0, 90.0, 80.0, 90.0)
    assert [case.case_key for case in cases(store)] == ["C-2", "C-4", "C-3", "C-1"]
    claims.take(store, 3, BO, at=AT)
    assert [next_one(store) for _ in range(4)] == ["C-2", "C-4", "C-1", None]
    assert {case.owner for case in cases(store)} == {"ana", "bo"}


def test_what_is_due_sooner_comes_before_what_is_a_little_more_urgent(store: Store) -> None:
    soon = escalation("soon", said("a", 60.0), urgency="critical")
    late = escalation("late", said("b", 70.0), urgency="low")
    store.enqueue(listed(soon, late), at=AT)
    assert [next_one(store), next_one(store)] == ["soon", "late"]


def test_there_may_be_no_next_case(store: Store) -> None:
    before = everything(store)
    assert next_one(store) is None
    assert everything(store) == before


def test_a_call_back_is_not_free_before_its_time(store: Store) -> None:
    case = one(store, ANA)
    casework.no_answer(store, case.id, ANA, AT + 2 * HOUR, at=AT)
    claims.release(store, case.id, ANA, at=AT)
    assert next_one(store, after=2 * HOUR - MINUTE) is None
    assert cases(store, "free") == []
    assert next_one(store, after=2 * HOUR) == "C-1"


def test_a_second_failure_is_for_a_lead_alone(store: Store) -> None:
    fill(store, 90.0, 50.0)
    close(store, 2, "lost")
    store.enqueue(listed(escalation("C-2", said("again", 55.0))), at=AT)
    assert cases(store)[0].case_key == "C-2"
    assert [next_one(store), next_one(store)] == ["C-1", None]
    assert next_one(store, lead=True) == "C-2"


def test_the_next_case_may_be_one_whose_lease_ran_out_a_moment_ago(store: Store) -> None:
    case = one(store, BO)
    assert next_one(store, after=LEASE - MINUTE) is None
    assert next_one(store, after=LEASE) == "C-1"
    assert [event.what for event in store.case(case.id).events] == ["opened", "taken", "returned", "taken"]


def test_of_many_who_take_one_case_one_wins_and_the_others_learn_who(
    store: Store, opening: Callable[..., Store]
) -> None:
    case = one(store, None)
    agents = [BO._replace(name=f"agent {number}") for number in range(8)]
    stores = [opening() for _ in agents]
    results = at_once(*[
        lambda own=own, who=who: claims.take(own, case.id, who, version=1, at=AT)
        for own, who in zip(stores, agents, strict=True)
    ])  # fmt: skip
    [winner] = [result for result in results if isinstance(result, Case)]
    losers = [result for result in results if isinstance(result, ConflictError)]
    assert len(losers) == 7
    assert {loser.owner for loser in losers} == {winner.owner}
    assert {str(loser) for loser in losers} == {f"{winner.owner} has case {case.id}"}
    assert [event.who for event in store.case(case.id).events] == ["nightly run", winner.owner]
    assert store.audit() == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # of SQLite's writers one is at work at a time
def test_who_takes_the_next_case_does_not_wait_for_who_is_just_taking_one(store: Store) -> None:
    fill(store, 90.0, 80.0)
    with store.change(BO, AT) as change:
        found(change.connection, 1, lock=True)
        assert next_one(store) == "C-2"
        assert next_one(store) is None
    assert next_one(store) == "C-1"


def test_eight_who_take_the_next_case_again_and_again_share_them_all(
    store: Store, opening: Callable[..., Store]
) -> None:
    many = 200
    fill(store, *[float(number % 90) for number in range(many)])
    agents = [BO._replace(name=f"agent {number}") for number in range(8)]

    def work(own: Store, who: claims.Actor) -> list[int]:
        taken = []
        while (case := claims.take_next(own, who, at=AT)) is not None:
            taken.append(case.id)
        return taken

    stores = [opening() for _ in agents]
    shares = at_once(*[lambda own=own, who=who: work(own, who) for own, who in zip(stores, agents, strict=True)])
    assert sorted(number for share in shares for number in share) == list(range(1, many + 1))
    for who, share in zip(agents, shares, strict=True):
        assert {store.case(number).owner for number in share} <= {who.name}
    assert store.audit() == []
