"""The queue: which cases a tab, a filter and an order show, and that what is counted is what is shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.followup import casework, claims
from pipeline.followup.case import Case
from pipeline.followup.queue import SORTS, TABS, Filter, above, callbacks, counts, every, facets, page
from pipeline.followup.store import Store
from tests.pipeline.followup.hands import ANA, AT, BO, cases, close, fill, one
from tests.pipeline.followup.lists import escalation, listed, said

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def keys(found: list[Case]) -> list[str]:
    return [case.case_key for case in found]


def shown(store: Store, who: str = "ana", *, at: object = AT, **wanted: object) -> list[str]:
    found = page(store, Filter(**wanted), who, limit=1_000, at=at)  # type: ignore[arg-type]
    assert found.total == len(found.cases)
    assert found.counted
    return keys(found.cases)


@pytest.fixture
def mixed(store: Store) -> Store:
    """Return a store with a case in every state there is."""
    fill(store, 90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0)
    rows = [escalation("R", said("look at this", 20.0), review=True, review_reason="unsure")]
    store.enqueue(listed(*rows), at=AT - MINUTE)
    claims.take(store, 2, ANA, at=AT)
    claims.take(store, 3, BO, at=AT)
    claims.take(store, 4, BO, at=AT - HOUR)  # whose lease ran out
    claims.take(store, 5, ANA, at=AT)
    casework.no_answer(store, 5, ANA, AT + 2 * HOUR, at=AT)
    claims.take(store, 6, ANA, at=AT)
    casework.no_answer(store, 6, ANA, AT + HOUR, at=AT)
    claims.release(store, 6, ANA, at=AT)
    close(store, 7)
    return store


def test_each_tab_shows_its_cases(mixed: Store) -> None:
    assert shown(mixed, tab="free") == ["C-1", "C-4", "R"]
    assert shown(mixed, tab="mine") == ["C-2", "C-5"]
    assert shown(mixed, "bo", tab="mine") == ["C-3"]
    # Due eight hours after a Saturday's night; a call-back at its time.
    assert shown(mixed, tab="overdue") == ["C-1", "C-2", "C-3", "C-4"]
    assert shown(mixed, tab="review") == ["R"]
    assert sorted(shown(mixed, tab="all")) == ["C-1", "C-2", "C-3", "C-4", "C-5", "C-6", "R"]
    assert shown(mixed, tab="closed") == ["C-7"]
    assert counts(mixed, "ana", at=AT) == {"free": 3, "mine": 2, "overdue": 4, "review": 1, "all": 7, "closed": 1}
    assert counts(mixed, "nobody", at=AT)["mine"] == 0


def test_a_call_back_is_free_again_and_overdue_when_its_time_has_come(mixed: Store) -> None:
    later = AT + HOUR
    assert "C-6" in shown(mixed, tab="free", at=later)
    assert "C-6" not in shown(mixed, tab="overdue", at=later)
    assert "C-6" in shown(mixed, tab="overdue", at=later + MINUTE)
    assert shown(mixed, tab="mine", at=later) == ["C-5"]  # what was not a call-back ran out after half an hour


def test_the_call_backs_of_a_person_come_in_the_order_of_their_times(mixed: Store) -> None:
    claims.take(mixed, 1, ANA, at=AT)
    casework.no_answer(mixed, 1, ANA, AT + HOUR, at=AT)
    assert keys(callbacks(mixed, "ana")) == ["C-1", "C-5"]
    assert callbacks(mixed, "bo") == []


def test_a_case_that_is_handed_on_is_in_one_tab_of_the_two(mixed: Store) -> None:
    claims.take(mixed, 4, ANA, at=AT)
    assert "C-4" in shown(mixed, tab="mine")
    assert "C-4" not in shown(mixed, "bo", tab="mine") + shown(mixed, tab="free")


@pytest.fixture
def varied(store: Store) -> Store:
    early, late = "2026-11-01T08:00:00", "2026-11-02T08:00:00"
    store.enqueue(listed(
        escalation("A", said("a", 50.0, channel="phone", lang="de", created_at=None), customer_value=None,
                   urgency="low", complaint_type="refund"),
        escalation("B", said("b", 60.0, channel="email", lang="de", created_at=late), customer_value=900.0,
                   urgency="critical"),
    ), at=AT - 3 * DAY)  # fmt: skip
    store.enqueue(listed(
        escalation("C", said("c", 55.0, channel="email", lang="en", created_at=early), customer_value=900.5),
        escalation("D", said("d", 99.0, channel="E_mail", lang=None, created_at=late), customer_value=0.0),
    ), at=AT - HOUR)  # fmt: skip
    return store


LET_THROUGH: list[tuple[dict[str, Any], str]] = [
    ({}, "ABCD"),
    ({"channel": "email"}, "BC"),
    ({"channel": "e%"}, ""),
    ({"channel": "E_mail"}, "D"),
    ({"lang": "de"}, "AB"),
    ({"lang": "a\x00b"}, ""),
    ({"channel": "a\ud800b"}, ""),
    ({"min_value": 900.0}, "BC"),
    ({"min_value": 900.25}, "C"),
    ({"min_value": 0.0}, "BCD"),
    ({"max_age_days": 1.0}, "CD"),
    ({"max_age_days": 3.0}, "ABCD"),
    ({"max_age_days": 0.0}, ""),
    ({"max_age_days": 1e12}, "ABCD"),
    ({"labels": (("urgency", "high"),)}, "CD"),
    ({"labels": (("urgency", "low"), ("complaint_type", "refund"))}, "A"),
    ({"labels": (("urgency", "low"), ("complaint_type", "billing"))}, ""),
    ({"labels": (("urgency", "hig"),)}, ""),
    ({"labels": (("urgency", "%"),)}, ""),
    ({"labels": (("urgency", "hi_h"),)}, ""),
    ({"labels": (("mood", "high"),)}, ""),
    ({"labels": (("urgency", "a\x00b"),)}, ""),
    ({"labels": (("ur\"ge'ncy", "high\\"),)}, ""),
    ({"channel": "email", "lang": "de", "min_value": 1.0, "max_age_days": 7.0, "query": "b"}, "B"),
]


def test_each_filter_lets_through_what_it_says(varied: Store) -> None:
    for wanted, found in LET_THROUGH:
        assert "".join(sorted(shown(varied, tab="all", **wanted))) == found, wanted
        assert Filter(**wanted).narrowed is bool(wanted)
        exported = keys(list(every(varied, Filter("all", **wanted), "ana")))
        assert "max_age_days" in wanted or "".join(sorted(exported)) == found, wanted


@pytest.mark.parametrize(
    ("sort", "order"),
    [("standing", "DBCA"), ("due", "BDCA"), ("waiting", "CBDA"), ("value", "CBDA"), ("newest", "CDAB")],
)
def test_each_order_is_the_one_it_says(varied: Store, sort: str, order: str) -> None:
    assert "".join(shown(varied, tab="all", sort=sort)) == order
    assert "".join(keys(list(every(varied, Filter("all", sort=sort), "ana")))) == order


def test_there_is_no_other_list_and_no_other_order() -> None:
    with pytest.raises(
        ValueError, match="there is no such list; the lists are free, mine, overdue, review, all, closed"
    ):
        Filter("everything")
    with pytest.raises(ValueError, match="a list can be sorted by standing, due, waiting, value"):
        Filter(sort="id; DROP TABLE cases")
    assert not Filter("mine", sort="due").narrowed


def test_of_two_that_stand_alike_the_one_that_came_first_is_first(store: Store) -> None:
    fill(store, *[50.0] * 5)
    assert [case.id for case in cases(store)] == [1, 2, 3, 4, 5]


def test_second_failures_stand_above_all(store: Store) -> None:
    fill(store, 99.0, 10.0)
    close(store, 2, "lost")
    store.enqueue(listed(escalation("C-2", said("again", 11.0))), at=AT)
    assert shown(store, tab="all") == ["C-2", "C-1"]


def test_what_was_closed_last_comes_first_among_the_closed(store: Store) -> None:
    fill(store, 90.0, 80.0, 70.0)
    for number, hours in ((2, 1), (1, 3), (3, 2)):
        close(store, number, at=AT + hours * HOUR)
    assert shown(store, tab="closed") == ["C-1", "C-3", "C-2"]


def test_pages_follow_one_another_without_gap_or_double(store: Store) -> None:
    fill(store, *[float(number % 7) for number in range(23)])
    whole = [case.id for case in cases(store)]
    parts = [page(store, Filter("all"), "ana", limit=5, offset=offset, at=AT) for offset in range(0, 30, 5)]
    assert [case.id for part in parts for case in part.cases] == whole
    assert {part.total for part in parts} == {23}
    assert [case.id for case in every(store, Filter("all"), "ana")] == whole
    assert [case.id for case in every(store, Filter("all"), "ana", most=4)] == whole[:4]


def test_the_filters_offer_what_live_cases_have(varied: Store) -> None:
    assert facets(varied) == {"channel": ["E_mail", "email", "phone"], "lang": ["de", "en"]}
    for case in cases(varied):
        close(varied, case.id)
    assert facets(varied) == {"channel": [], "lang": []}


def test_the_one_above_is_the_one_before(mixed: Store) -> None:
    close(mixed, 1, "lost")
    mixed.enqueue(listed(escalation("C-1", said("again", 1.0)), escalation("X", said("x", 0.5))), at=AT)
    order = cases(mixed)
    assert order[0].second_failure
    assert above(mixed, order[0]) is None
    assert [above(mixed, case) for case in order[1:]] == order[:-1]


def test_why_not_higher_has_an_answer_among_those_that_stand_alike(store: Store) -> None:
    one(store, None)
    assert above(store, store.case(1)) is None
    store.enqueue(listed(*(escalation(f"E-{n}", said(f"words {n}", 50.0)) for n in range(4))), at=AT)
    order = cases(store)
    assert [above(store, case) for case in order] == [None, *order[:-1]]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "no_answer", "close", "release", "contacted", "wait"]),
        st.integers(1, 6),
        st.sampled_from([ANA, BO]),
        st.integers(1, 40),
    ),
    max_size=14,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_the_counts_of_the_tabs_are_those_of_their_pages(
    anew: Callable[..., Store], steps: list[tuple[str, int, object, int]]
) -> None:
    store, at = anew(), AT
    fill(store, *[50.0] * 6)
    for name, number, by, hours in steps:
        work = {
            "take": lambda n, by: claims.take(store, n, by, at=at),  # noqa: B023
            "release": lambda n, by: claims.release(store, n, by, at=at),  # noqa: B023
            "contacted": lambda n, by: casework.contacted(store, n, by, at=at),  # noqa: B023
            "no_answer": lambda n, by: casework.no_answer(store, n, by, at + 3 * HOUR, at=at),  # noqa: B023
            "close": lambda n, by: casework.close(store, n, by, "lost", "price", at=at),  # noqa: B023
        }
        at += hours * HOUR / 4
        for each in ("take", name) if name != "wait" else ():
            try:
                work[each](number, by)
            except ValueError:
                break
    agree(store, at)


def agree(store: Store, at: object) -> None:
    for who in ("ana", "bo", "nobody"):
        pages = {tab: page(store, Filter(tab), who, limit=100, at=at) for tab in TABS}  # type: ignore[arg-type]
        assert counts(store, who, at=at) == {tab: found.total for tab, found in pages.items()}  # type: ignore[arg-type]
        assert all(len(found.cases) == found.total for found in pages.values())
        assert {case.owner for case in pages["mine"].cases} <= {who}
        overdue = [case.id for case in pages["all"].cases if case.overdue(at)]  # type: ignore[arg-type]
        assert [case.id for case in pages["overdue"].cases] == overdue
        mine = [case.id for case in pages["all"].cases if case.held_by(at) == who]  # type: ignore[arg-type]
        assert [case.id for case in pages["mine"].cases] == mine
        free = {case.id for case in pages["free"].cases}
        assert not free & {case.id for case in pages["all"].cases if case.held_by(at)}  # type: ignore[arg-type]


def test_every_order_is_an_order_of_all(store: Store) -> None:
    fill(store, *[float(number) for number in range(9)])
    for sort in SORTS:
        assert sorted(shown(store, tab="all", sort=sort)) == sorted(f"C-{number}" for number in range(1, 10))
