"""The ledger against a slow and plain count of the same cases."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from sqlalchemy import delete, func, insert, select

from pipeline.followup.audit import Actor
from pipeline.followup.casework import close, reopen
from pipeline.followup.claims import take
from pipeline.followup.figures import DAY, LEAST, Rate, change, contact
from pipeline.followup.ledger import Ledger, ledger
from pipeline.followup.policy import CalendarRules, Policy
from pipeline.followup.store import Store
from pipeline.followup.tables import AUDIT, CASES

# The clocks of Berlin go back on 25 October 2026, within the period.
SINCE = datetime(2026, 10, 7, 9, 30, tzinfo=UTC)
UNTIL = datetime(2026, 11, 19, 17, tzinfo=UTC)
KINDS = ["billing", "delivery", '50% "off" <b>', None]
LAST = int((UNTIL - SINCE).total_seconds())
MONDAY = int((datetime(2026, 10, 25, 23, tzinfo=UTC) - SINCE).total_seconds())  # midnight in Berlin

moments = st.sampled_from([0, 60.5, DAY * 60, DAY * 60 + 1, 2 * DAY * 60, 2 * DAY * 60 + 1]) | st.integers(0, 500_000)
scale = st.sampled_from([None, *map(float, range(11))])
drawn = st.fixed_dictionaries(
    {
        "opened": st.sampled_from([-1, 0, MONDAY - 1, MONDAY, LAST - 2000 * 60, LAST - 1, LAST])
        | st.integers(-500_000, LAST + 500_000),
        "person": st.integers(0, 12),
        "outcome": st.sampled_from(["resolved", "resolved", "lost", "not_detractor", None]),
        "contacted": st.none() | moments,
        "closed": moments,
        "kind": st.sampled_from(KINDS),
        "cause": st.sampled_from(["process", "people"]),
        "value": st.none() | st.integers(0, 10**7).map(lambda cents: cents / 100),
        "spent": st.sampled_from([0.0, 0.0, 12.5, 49.99]),
        "before": scale,
        "after": scale,
        "second": st.booleans(),
        "agent": st.sampled_from(["ann", "bo"]),
    }
)


def row(number: int, one: dict[str, Any], live: set[str]) -> dict[str, Any]:
    """Return a case as the table has it; a person has one live case at most."""
    opened = SINCE + timedelta(seconds=one["opened"])
    key, outcome = f"person:{one['person']}", one["outcome"]
    if outcome is None and key in live:
        key = f"person:{one['person']} as of case {number}"
    live |= {key} if outcome is None else set()
    first = None if one["contacted"] is None else opened + timedelta(seconds=one["contacted"])
    labels = {"urgency": "high"} | ({"complaint_type": one["kind"]} if one["kind"] else {})
    told = {
        "id": number, "case_key": key, "status": "closed" if outcome else "open", "second_failure": one["second"],
        "labels": labels, "customer_value": one["value"], "opened_at": opened, "updated_at": opened,
        "first_contact_at": first, "closed_at": opened + timedelta(seconds=one["closed"]) if outcome else None,
        "outcome": outcome, "root_cause": one["cause"] if outcome else None, "spent": one["spent"],
        "nps_before": one["before"], "nps_after": one["after"], "reasons": [], "steps": {}, "confidence": {},
        "text": "They never called back.",
    }  # fmt: skip
    others = [column for column in CASES.c if not column.nullable and column.name not in told]
    return told | {column.name: column.type.python_type() for column in others}


def closed(number: int, case: dict[str, Any], agent: str) -> dict[str, Any]:
    detail = {"outcome": case["outcome"], "root_cause": case["root_cause"]}
    return {"id": number, "at": case["closed_at"], "who": agent, "origin": "test", "what": "closed",
            "case_id": case["id"], "detail": detail, "rows": [], "hash": bytes(32)}  # fmt: skip


def write(store: Store, cases: list[dict[str, Any]], entries: list[dict[str, Any]]) -> None:
    with store.engine.begin() as connection:
        for table, rows in ((CASES, cases), (AUDIT, entries)):
            if rows:
                connection.execute(insert(table), rows)


def anew(store: Store, ones: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return all cases of the store and the entries about them; those of before are gone, but for their entries."""
    with store.engine.begin() as connection:
        connection.execute(delete(CASES))
        first = 1 + (connection.execute(select(func.max(AUDIT.c.id))).scalar() or 0)
    live: set[str] = set()
    cases = [row(number, one, live) for number, one in enumerate(ones, first)]
    entries = [closed(case["id"], case, one["agent"]) for case, one in zip(cases, ones, strict=True) if case["outcome"]]
    write(store, cases, entries)
    return cases, entries


def shares(hits: int, of: int) -> tuple[int, int, float | None, Any]:
    if of < LEAST:
        return hits, of, None, None
    interval = stats.binomtest(hits, of).proportion_ci(0.95, method="wilson")
    return hits, of, pytest.approx(hits / of), pytest.approx((interval.low, interval.high), abs=1e-12)


def told(rate: Rate) -> tuple[int, int, float | None, Any]:
    return rate.hits, rate.of, rate.share, rate.interval


def check_worth(found: Any, cases: list[dict[str, Any]], kind: object = ...) -> None:
    last = {case["case_key"]: case for case in cases if case["outcome"] in ("resolved", "lost")}
    both = (("resolved", found.kept, found.kept_unknown), ("lost", found.lost, found.lost_unknown))
    for outcome, value, unknown in both:
        mine = [case["customer_value"] for case in last.values() if case["outcome"] == outcome
                and (kind is ... or case["labels"].get("complaint_type") == kind)]  # fmt: skip
        assert value == pytest.approx(sum(one for one in mine if one is not None), abs=0.011)
        assert unknown == mine.count(None)


def check_change(found: Any, cases: list[dict[str, Any]], kind: object = ...) -> None:
    last = {case["case_key"]: case for case in cases
            if case["nps_before"] is not None and case["nps_after"] is not None}  # fmt: skip
    pairs = [(case["nps_before"], case["nps_after"]) for case in last.values()
             if kind is ... or case["labels"].get("complaint_type") == kind]  # fmt: skip
    assert found.persons == len(pairs)
    for rate, sign in ((found.up, 1), (found.same, 0), (found.down, -1)):
        assert told(rate) == shares(sum((after > before) - (after < before) == sign for before, after in pairs),
                                    len(pairs))  # fmt: skip
    if len(pairs) < LEAST:
        assert (found.before, found.after, found.change, found.interval, found.net_after) == (None,) * 5
        return
    before, after = (list(side) for side in zip(*pairs, strict=True))
    assert found.before == pytest.approx(math.fsum(before) / len(pairs))
    assert found.after == pytest.approx(math.fsum(after) / len(pairs))
    for answers, net in ((before, found.net_before), (after, found.net_after)):
        points = [1 if one >= 9 else -1 if one <= 6 else 0 for one in answers]
        assert net == pytest.approx(100 * sum(points) / len(points))
    if len({b - a for b, a in pairs}) > 1:
        interval = stats.ttest_rel(after, before).confidence_interval(0.95)
        assert found.interval == pytest.approx((interval.low, interval.high))
    else:
        assert found.interval == pytest.approx((found.change, found.change))


def check_contact(found: Ledger, cases: list[dict[str, Any]], now: datetime) -> None:
    taken = sorted(
        (case["first_contact_at"] - case["opened_at"]) / timedelta(minutes=1) if case["first_contact_at"] else math.inf
        for case in cases
    )
    never = [case for case in cases if case["first_contact_at"] is None]
    waiting = [case for case in never if case["outcome"] is None]
    fresh = [case for case in waiting if case["opened_at"] > now - timedelta(days=1)]
    assert (found.contact.never, found.contact.waiting, found.contact.fresh) == tuple(map(len, (never, waiting, fresh)))
    assert told(found.contact.within_day) == shares(sum(one <= DAY for one in taken), len(taken))
    assert told(found.contact.within_two_days) == shares(sum(one <= 2 * DAY for one in taken), len(taken))
    for share, time in ((0.5, found.contact.median), (0.9, found.contact.p90)):
        if len(taken) < LEAST:
            assert time is None
            continue
        # The smallest time such that this share of all took no longer.
        exact = next(one for one in taken if sum(other <= one for other in taken) >= share * len(taken) - 1e-9)
        assert time == (timedelta(minutes=math.ceil(exact)) if math.isfinite(exact) else None)


def check_weeks(found: Ledger, cases: list[dict[str, Any]]) -> None:
    def monday(moment: datetime) -> Any:
        day = moment.astimezone(zone).date()
        return day - timedelta(days=day.weekday())

    zone = found.weeks[0].begins.tzinfo
    opened, closed, resolved = Counter[Any](), Counter[Any](), Counter[Any]()
    for case in cases:
        if SINCE <= case["opened_at"] < UNTIL:
            opened[monday(case["opened_at"])] += 1
        if case["closed_at"] and SINCE <= case["closed_at"] < UNTIL:
            closed[monday(case["closed_at"])] += 1
            resolved[monday(case["closed_at"])] += case["outcome"] == "resolved"
    assert [monday(week.begins) for week in found.weeks] == [
        monday(SINCE) + timedelta(days=7 * number) for number in range(len(found.weeks))
    ]
    assert found.weeks[0].begins == SINCE
    assert all((week.begins.weekday(), week.begins.hour) == (0, 0) for week in found.weeks[1:])
    for counted, said in ((opened, "opened"), (closed, "closed"), (resolved, "resolved")):
        assert {monday(week.begins): getattr(week, said) for week in found.weeks} == {
            monday(week.begins): counted[monday(week.begins)] for week in found.weeks
        }
        assert sum(counted.values()) == sum(getattr(week, said) for week in found.weeks)


@pytest.fixture
def berlin(opening: Callable[..., Store]) -> Store:
    return opening(Policy(calendar=CalendarRules(zone="Europe/Berlin")))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ones=st.lists(drawn, max_size=9) | st.lists(drawn, min_size=30, max_size=70))
def test_the_ledger_says_what_a_plain_count_says(berlin: Store, ones: list[dict[str, Any]]) -> None:
    everything, entries = anew(berlin, ones)
    found = ledger(berlin, since=SINCE, until=UNTIL, at=UNTIL, by_agent=True)
    cases = [case for case in everything if SINCE <= case["opened_at"] < UNTIL]

    ended = Counter(case["outcome"] or "open" for case in cases)
    assert found.cases == len(cases)
    assert found.outcomes == {name: ended[name] for name in ("resolved", "lost", "not_detractor", "open")}
    assert told(found.rescue) == shares(ended["resolved"], ended["resolved"] + ended["lost"])
    assert told(found.second_failures) == shares(sum(case["second_failure"] for case in cases), len(cases))
    assert found.spent == pytest.approx(sum(case["spent"] for case in cases), abs=0.011)
    assert found.kept_per_spent == (pytest.approx(found.worth.kept / found.spent) if found.spent else None)
    causes = Counter(case["root_cause"] for case in cases if case["outcome"])
    assert list(found.causes) == sorted(causes.items(), key=lambda one: (-one[1], one[0]))
    check_worth(found.worth, cases)
    check_change(found.change, cases)
    check_contact(found, cases, UNTIL)
    check_weeks(found, everything)

    labels = Counter(case["labels"].get("complaint_type") for case in cases)
    assert {kind.label: kind.cases for kind in found.kinds} == labels
    assert [kind.cases for kind in found.kinds] == sorted(labels.values(), reverse=True)
    for kind in found.kinds:
        mine = Counter(
            case["outcome"] or "open" for case in cases if case["labels"].get("complaint_type") == kind.label
        )
        assert kind.outcomes == {name: mine[name] for name in found.outcomes}
        assert told(kind.rescue) == shares(mine["resolved"], mine["resolved"] + mine["lost"])
        check_worth(kind.worth, cases, kind.label)
        check_change(kind.change, cases, kind.label)

    who = {entry["case_id"]: entry["who"] for entry in entries}
    assert found.agents is not None
    assert {agent.name: agent.outcomes for agent in found.agents} == {
        name: {outcome: sum(case["outcome"] == outcome and who[case["id"]] == name for case in cases)
               for outcome in ("resolved", "lost", "not_detractor")}
        for name in {who[case["id"]] for case in cases if case["outcome"]}
    }  # fmt: skip


def case(number: int, **changes: Any) -> dict[str, Any]:
    one = {
        "opened": 3600, "person": number, "outcome": "resolved", "contacted": 60, "closed": 7200, "kind": "billing",
        "cause": "process", "value": 100.0, "spent": 0.0, "before": None, "after": None, "second": False,
    }  # fmt: skip
    return row(number, one | changes, set())


def test_nothing_is_told_of_nobody(store: Store) -> None:
    found = ledger(store, since=SINCE, until=UNTIL)
    assert (found.cases, found.kinds, found.causes, found.kept_per_spent) == (0, (), (), None)
    assert (found.contact.median, found.rescue.share, found.change.before, found.agents) == (None,) * 4
    assert [week.opened for week in found.weeks] == [0] * len(found.weeks)


def test_a_customer_who_came_back_counts_once_with_how_it_ended(store: Store) -> None:
    write(store, [case(1, person=7), case(2, person=7, opened=9000, outcome="lost", value=120.0)], [])
    found = ledger(store, since=SINCE, until=UNTIL)
    assert (found.worth.kept, found.worth.lost) == (0.0, 120.0)
    assert found.outcomes["resolved"] == 1


def test_another_head_can_say_the_type(store: Store) -> None:
    write(store, [case(1), case(2, kind=None)], [])
    kinds = ledger(store, since=SINCE, until=UNTIL, type_head="urgency").kinds
    assert [(kind.label, kind.cases) for kind in kinds] == [("high", 2)]
    hostile = ledger(store, since=SINCE, until=UNTIL, type_head="x') FROM cases; --").kinds
    assert [(kind.label, kind.cases) for kind in hostile] == [(None, 2)]


def test_who_closed_a_case_is_who_closed_it_last(store: Store) -> None:
    write(store, [case(1, outcome=None)], [])
    at = SINCE + timedelta(days=1)
    take(store, 1, Actor("ann", "test"), at=at)
    for number, name in enumerate(("ann", "bo")):
        actor = Actor(name, "test")
        if number:
            reopen(store, 1, actor, at=at + timedelta(hours=number))
        close(store, 1, actor, "lost", "process", at=at + timedelta(hours=number, minutes=5))
    agents = ledger(store, since=SINCE, until=UNTIL, by_agent=True).agents
    assert agents is not None
    assert [(agent.name, agent.outcomes["lost"]) for agent in agents] == [("bo", 1)]


@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.parametrize(("since", "until"), [(UNTIL, SINCE), (SINCE, SINCE), (SINCE, datetime(2027, 1, 1))])
def test_a_period_has_two_ends(store: Store, since: datetime, until: datetime) -> None:
    with pytest.raises(ValueError, match="a period has a beginning and a later end, both with a time zone; got"):
        ledger(store, since=since, until=until)


def test_who_was_never_contacted_is_later_than_everybody() -> None:
    found = contact({10: 5, 20: 3}, 16, 0, 0)
    assert (found.median, found.p90, found.never) == (timedelta(minutes=20), None, 8)
    assert contact({10: 5, 20: 3}, 17, 0, 0).median is None


def test_a_rate_of_few_is_not_told() -> None:
    assert (Rate(3, 4).share, Rate(3, 4).interval) == (None, None)
    assert change({(3.0, 9.0): 4}).change is None
    assert change({(3.0, 9.0): 5}).interval == (6.0, 6.0)
    assert Rate(5, 5).interval == pytest.approx((0.5655, 1.0), abs=1e-4)
