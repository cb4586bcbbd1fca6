"""Answers after the call: each joins the call before it, once; whom to ask, and who was asked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.followup import casework, claims
from pipeline.followup.answers import asked, due_to_ask, join
from pipeline.followup.audit import NIGHT as JOB
from pipeline.followup.case import Case, ConflictError, UnknownCaseError
from pipeline.followup.policy import FollowUp, Policy
from pipeline.followup.store import Store
from tests.pipeline.followup.hands import ANA, AT, BO, LATER, NIGHT, Fresh, close, everything, fill, one
from tests.pipeline.followup.lists import escalation, listed, said

DAY = timedelta(days=1)
SCHEMA = pa.schema(
    [("id", pa.string()), ("customer_id", pa.string()), ("created_at", pa.string()), ("nps", pa.float64())]
)


def answers(*rows: tuple[str | None, datetime | None, float | None]) -> pa.Table:
    """Return what the night wrote of customer, time and NPS."""
    return pa.Table.from_pylist(
        [{"id": f"{place}", "customer_id": who, "created_at": at.isoformat() if at else None, "nps": nps}
         for place, (who, at, nps) in enumerate(rows)], schema=SCHEMA
    )  # fmt: skip


def joined(store: Store, *rows: tuple[str | None, datetime | None, float | None], at: datetime = LATER) -> int:
    with store.change(JOB, at) as change:
        return join(change, store.policy, answers(*rows))


def reached(store: Store, case: Case, at: datetime = AT) -> Case:
    claims.take(store, case.id, ANA, at=at)
    return casework.contacted(store, case.id, ANA, at=at)


def test_an_answer_joins_the_closed_case(store: Store) -> None:
    [case] = fill(store, 90.0)
    close(store, case.id)
    answered = AT + 15 * DAY
    assert joined(store, ("C-1", answered, 9.0), at=answered + DAY) == 1
    after = store.case(case.id)
    assert (after.nps_after, after.answered_at, after.asked_at) == (9.0, answered, answered)
    assert after.version == case.version + 3
    assert after.events[-1].what == "answered"
    assert after.events[-1].detail == {"before": None, "after": 9.0, "answered_at": answered.isoformat()}
    assert store.audit() == []


def test_before_and_after_are_told_together(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("leaving", 90.0, nps=2.0))), at=NIGHT)
    reached(store, store.case(1))
    assert joined(store, ("C-1", AT + DAY, 8.0)) == 1
    assert store.case(1).nps_before == 2.0
    assert store.case(1).events[-1].detail["before"] == 2.0


def test_a_case_that_was_contacted_and_is_still_open_has_an_answer_too(store: Store) -> None:
    [case] = fill(store, 90.0)
    reached(store, case)
    assert joined(store, ("C-1", AT + DAY, 7.0)) == 1
    assert (store.case(case.id).status, store.case(case.id).nps_after) == ("contacted", 7.0)


@pytest.mark.parametrize("days", [-1, 0, 91])
def test_an_answer_of_before_the_call_or_too_long_after_it_joins_nothing(store: Store, days: int) -> None:
    [case] = fill(store, 90.0)
    close(store, case.id)
    before = everything(store)
    assert joined(store, ("C-1", AT + days * DAY, 9.0)) == 0
    assert everything(store) == before


def test_the_window_is_the_policys_and_its_last_moment_counts(opening: Callable[..., Store]) -> None:
    store = opening(Policy(follow_up=FollowUp(window_days=3)))
    first, second = fill(store, 90.0, 80.0)
    for case in (first, second):
        close(store, case.id)
    late = AT + 3 * DAY + timedelta(microseconds=1)
    assert joined(store, ("C-1", AT + 3 * DAY, 9.0), ("C-2", late, 9.0)) == 1
    assert (store.case(first.id).nps_after, store.case(second.id).nps_after) == (9.0, None)


def test_what_cannot_be_placed_is_passed_over(store: Store) -> None:
    first, second, _third = fill(store, 90.0, 80.0, 70.0)
    close(store, first.id)
    close(store, second.id, "lost")  # nobody was reached
    ancient = datetime(1, 1, 1, tzinfo=UTC)
    rows = [("C-1", None, 9.0), ("C-1", AT + DAY, None), (None, AT + DAY, 9.0), ("C-2", AT + DAY, 9.0),
            ("C-3", AT + DAY, 9.0), ("C-4", AT + DAY, 9.0), ("C-1", ancient, 9.0)]  # fmt: skip
    assert joined(store, *rows) == 0
    assert joined(store) == 0


def test_the_first_answer_counts_and_the_same_night_again_changes_nothing(store: Store) -> None:
    [case] = fill(store, 90.0)
    close(store, case.id)
    rows = [("C-1", AT + 3 * DAY, 4.0), ("C-1", AT + 2 * DAY, 8.0)]
    assert joined(store, *rows) == 1
    assert store.case(case.id).nps_after == 8.0
    before = everything(store)
    assert joined(store, *rows, at=LATER + DAY) == 0
    assert joined(store, ("C-1", AT + 4 * DAY, 1.0)) == 0
    assert everything(store) == before


def test_of_two_cases_the_newer_call_is_the_one_that_is_answered(store: Store) -> None:
    """And when it has its answer, no other answer falls back to the older one."""
    [old] = fill(store, 90.0)
    close(store, old.id)
    store.enqueue(listed(escalation("C-1", said("again", 95.0))), at=AT + 20 * DAY)
    new = next(case for case in map(store.case, (1, 2)) if case.id != old.id)
    reached(store, new, AT + 21 * DAY)
    rows = [("C-1", AT + 22 * DAY, 6.0), ("C-1", AT + 23 * DAY, 7.0)]
    assert joined(store, *rows) == 1
    assert (store.case(old.id).nps_after, store.case(new.id).nps_after) == (None, 6.0)
    assert joined(store, *rows) == 0
    assert joined(store, ("C-1", AT + 20 * DAY, 3.0)) == 1  # of between the two calls
    assert (store.case(old.id).nps_after, store.case(new.id).nps_after) == (3.0, 6.0)


def test_an_answer_that_opens_its_case_again_does_not_wander_to_an_older_one(store: Store) -> None:
    [older] = fill(store, 90.0)
    close(store, older.id)
    store.enqueue(listed(escalation("C-1", said("again", 95.0))), at=AT + 20 * DAY)
    close(store, 2, at=AT + 21 * DAY)
    row = ("C-1", AT + 30 * DAY, 1.0)
    assert joined(store, row) == 1
    store.enqueue(listed(escalation("C-1", said("worse than ever", 99.0))), at=AT + 31 * DAY)
    assert (store.case(2).status, store.case(2).nps_after, store.case(2).first_contact_at) == ("open", None, None)
    assert joined(store, row) == 0
    assert store.case(older.id).nps_after is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(
    st.lists(st.tuples(st.sampled_from(["C-1", "C-2"]), st.integers(-2, 100), st.integers(0, 10)), max_size=6),
    st.randoms(use_true_random=False),
)
def test_any_night_twice_in_any_order_is_once(fresh: Fresh, rows: list[tuple[str, int, int]], chance: Random) -> None:
    night = [(who, AT + days * DAY, float(nps)) for who, days, nps in rows]
    again = chance.sample(night, len(night))
    with fresh() as url, closing(Store.open(url)) as store:
        for case in fill(store, 90.0, 80.0):
            close(store, case.id)
        done = joined(store, *night)
        assert done == len({who for who, days, _ in rows if 0 < days <= 90})
        for number, who in ((1, "C-1"), (2, "C-2")):
            first = min(((days, nps) for name, days, nps in rows if name == who and 0 < days <= 90), default=(0, None))
            assert store.case(number).nps_after == first[1]
        before = everything(store)
        assert joined(store, *again, at=LATER + DAY) == 0
        assert everything(store) == before
        assert store.audit() == []


# ---- whom to ask -----------------------------------------------------------------------------------------------------


def test_who_is_to_be_asked_and_when(store: Store) -> None:
    first, second, third, fourth = fill(store, 90.0, 80.0, 70.0, 60.0)
    close(store, second.id, at=AT)
    close(store, first.id, at=AT + DAY)
    close(store, third.id, "lost", at=AT)  # never reached: nothing to ask
    reached(store, fourth)
    assert due_to_ask(store, AT + 14 * DAY - timedelta(seconds=1)) == []
    assert [case.id for case in due_to_ask(store, AT + 14 * DAY)] == [second.id]
    assert [case.id for case in due_to_ask(store, AT + 15 * DAY)] == [second.id, first.id]
    joined(store, ("C-2", AT + 2 * DAY, 9.0))
    assert [case.id for case in due_to_ask(store, AT + 15 * DAY)] == [first.id]
    assert asked(store, first.id, ANA, at=AT + 15 * DAY).asked_at == AT + 15 * DAY
    assert due_to_ask(store, AT + 99 * DAY) == []
    assert store.case(first.id).events[-1].what == "asked"
    assert joined(store, ("C-1", AT + 16 * DAY, 9.0)) == 1
    assert store.case(first.id).asked_at == AT + 15 * DAY
    assert store.audit() == []


def test_asked_twice_is_once(store: Store) -> None:
    first, second = fill(store, 90.0, 80.0)
    for case in (first, second):
        close(store, case.id)
    asked(store, first.id, ANA, at=AT + 14 * DAY)
    joined(store, ("C-2", AT + DAY, 9.0))
    before = everything(store)
    assert asked(store, first.id, BO, at=AT + 15 * DAY).asked_at == AT + 14 * DAY
    assert asked(store, second.id, BO, at=AT + 15 * DAY).asked_at == AT + DAY
    assert everything(store) == before


def test_a_case_that_is_open_is_called_and_not_asked(store: Store) -> None:
    case = one(store)
    with pytest.raises(ConflictError, match=r"^case 1 is open again: call its customer first$"):
        asked(store, case.id, BO)
    for number in (7, 2**70):
        with pytest.raises(UnknownCaseError, match=f"there is no case {number}"):
            asked(store, number, BO)
