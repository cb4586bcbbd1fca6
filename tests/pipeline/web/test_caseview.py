"""What the case page shows beside the texts: why this rank and no higher, the playbook, the budget, the labels."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from pipeline.followup import claims, playbooks
from pipeline.followup.store import Store
from pipeline.followup.tables import CORRECTIONS
from tests.pipeline.followup.hands import ANA, close, fill
from tests.pipeline.followup.lists import escalation, listed, said
from tests.pipeline.web.conftest import Browser
from tests.pipeline.web.looking import Page, seen


@pytest.fixture
def free(store: Store) -> int:
    """Return a case that nobody has."""
    return fill(store, 90.0, at=datetime.now(UTC))[0].id


def test_it_says_why_it_is_not_higher(agent: Browser, store: Store) -> None:
    now = datetime.now(UTC)
    top, below, last_one = (case.id for case in fill(store, 90.0, 60.0, 60.0, at=now))
    page = seen(agent.get(f"/cases/{below}"))
    assert "Why not higher C-1 stands right before: Urgency +18.0, Threatens to leave +12.0." in page
    assert "C-2 stands right before: as urgent, and here for longer." in seen(agent.get(f"/cases/{last_one}"))
    assert "Nobody stands before this customer." in seen(agent.get(f"/cases/{top}"))
    store.enqueue(listed(escalation("Z", said("burning", 50.0), urgency="critical")), at=now - timedelta(days=9))
    assert "Due sooner +" in seen(agent.get(f"/cases/{top}"))
    assert re.search(r"Risen in the queue by being overdue \+\d", seen(agent.get(f"/cases/{last_one + 1}")))
    close(store, below, at=now)
    assert "Why not higher" not in seen(agent.get(f"/cases/{below}"))
    store.enqueue(listed(escalation("C-2", said("once more", 10.0))), at=now)
    assert "C-2 stands right before: let down for the second time." in seen(agent.get(f"/cases/{last_one + 1}"))


def test_the_points_shown_add_up_to_the_priority_shown(agent: Browser, free: int) -> None:
    page = agent.get(f"/cases/{free}").text
    points = [round(float(found) * 10) for found in re.findall(r'class="bar-points">([\d.]+)<', page)]
    assert (len(points), sum(points)) == (2, 900)
    assert "<q>never again</q>" in page


@pytest.mark.parametrize("kind", ["billing", "delivery", "none", "of tomorrow", None])
def test_the_playbook_is_that_of_the_type(agent: Browser, store: Store, kind: str | None) -> None:
    store.enqueue(listed(escalation("C-1", said("late", 90.0), complaint_type=kind)), at=datetime.now(UTC))
    book = playbooks.playbook_for(playbooks.load(store.policy.playbooks), kind)
    page = seen(agent.get("/cases/1"))
    for lines in (book.say_first, book.own, book.fix, book.give, book.check, book.avoid):
        assert all(" ".join(line.split()) in page for line in lines)


def test_the_budget_that_is_left_is_shown_and_kept(agent: Browser, store: Store) -> None:
    cases = [case.id for case in fill(store, *[90.0] * 6)]
    for case in cases:
        claims.take(store, case, ANA)
    assert "50.00 EUR left" in seen(agent.get(f"/cases/{cases[0]}"))
    assert agent.press(f"/cases/{cases[0]}/give", amount="12.34", what="flowers").status_code == 303
    assert "37.66 EUR left" in seen(agent.get(f"/cases/{cases[0]}"))
    refused = agent.press(f"/cases/{cases[0]}/give", amount="37.67", what="flowers")
    assert (refused.status_code, "This case has 37.66 EUR left" in seen(refused)) == (422, True)
    for case in cases[1:4]:
        agent.press(f"/cases/{case}/give", amount="50", what="flowers")
    assert "37.66 EUR left" in seen(agent.get(f"/cases/{cases[4]}"))  # of the day's 200
    refused = agent.press(f"/cases/{cases[4]}/give", amount="37.67", what="flowers")
    assert (refused.status_code, "You have 37.66 EUR left today" in seen(refused)) == (422, True)
    assert sum(store.case(case).spent for case in cases) == pytest.approx(162.34)


def test_a_wrong_label_is_corrected(agent: Browser, store: Store, free: int) -> None:
    number = store.case(free).texts[0].number
    choices = [given["value"] for tag, given in Page(agent.get(f"/cases/{free}").text).elements if tag == "option"]
    assert {"urgency:low", "complaint_type:refund", "signals:legal_threat"} <= set(choices)
    assert not [choice for choice in choices if str(choice).startswith("detractor")]
    assert agent.press(f"/cases/{free}/label", text=number, label="urgency:low").status_code == 303
    case = store.case(free)
    assert (case.labels["urgency"], case.events[-1].who, case.events[-1].what) == ("low", "ana", "corrected")
    with store.engine.connect() as connection:
        row = connection.execute(select(CORRECTIONS)).one()
    assert (row.head, row.label, row.author, row.feedback_id) == ("urgency", "low", "ana", number)
    assert "corrected a label: Low" in seen(agent.get(f"/cases/{free}"))


@pytest.mark.parametrize("number", ["0", "99", "2147483648", "9" * 30, "-1", "x", "1.5", "%00", "１"])
def test_a_case_that_is_not_there(agent: Browser, number: str) -> None:
    shown, pressed = agent.get(f"/cases/{number}"), agent.press(f"/cases/{number}/take")
    assert (shown.status_code, pressed.status_code) == (404, 404)
    assert any(words in seen(shown) for words in ("There is no case", "Nothing lives at this address."))
