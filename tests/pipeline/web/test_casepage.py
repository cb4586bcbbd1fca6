"""The case page: everything that can be done with a case, and what happens to whoever comes too late or types amiss."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.followup import claims
from pipeline.followup.case import OUTCOMES, STEPS, Case
from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from pipeline.triage.scoring import Scorer
from pipeline.web.app import create_app
from pipeline.web.casepage import ACTIONS, AGAIN
from tests.pipeline.followup.hands import ANA, close, fill
from tests.pipeline.followup.lists import escalation, listed, said
from tests.pipeline.web.conftest import Browser, sign_in
from tests.pipeline.web.looking import Page, seen

HOUR = timedelta(hours=1)


@pytest.fixture
def free(store: Store) -> int:
    """Return a case that nobody has."""
    return fill(store, 90.0, at=datetime.now(UTC))[0].id


@pytest.fixture
def mine(store: Store, agent: Browser, free: int) -> int:
    """Return a case that ana has."""
    claims.take(store, free, ANA)
    return free


def last(store: Store, case_id: int) -> tuple[str, str, dict[str, Any]]:
    """Return who did what with the case last."""
    event = store.case(case_id).events[-1]
    return event.who, event.what, event.detail


def closed(store: Store, case: int) -> None:
    close(store, case, at=datetime.now(UTC))


def test_a_case_is_called_and_made_right(agent: Browser, store: Store, free: int) -> None:
    """A call from the first press to the last, each with the version that the page before it carried."""

    def press(action: str, **fields: Any) -> str:
        version = Page(agent.get(f"/cases/{free}").text).values("version")[0]
        answer = agent.press(f"/cases/{free}/{action}", version=version, view="case", **fields)
        assert answer.status_code == 303, seen(answer)
        return str(answer.headers["location"])

    assert press("take") == f"/cases/{free}"
    assert "You have this case" in seen(agent.get(f"/cases/{free}"))
    assert press("no-answer", again="1 h", note="rang twice") == f"/?marked={free}"
    assert last(store, free)[2]["note"] == "rang twice"
    assert press("contacted", note="reached her") == f"/cases/{free}"
    for step in STEPS:
        press("step", step=step, done="1")
    press("step", step="thank", done="0")
    assert press("give", amount="12,5", what="flowers") == f"/cases/{free}"
    press("note", note="likes tulips")
    page = seen(agent.get(f"/cases/{free}"))
    assert all(words in page for words in ("In touch", "12.50 EUR · flowers (ana)", "likes tulips", "Calls2"))
    assert set(store.case(free).steps) == set(STEPS) - {"thank"}
    assert press("close", outcome="resolved", root_cause="people", note="all good") == f"/?marked={free}"
    case = store.case(free)
    assert (case.status, case.outcome, case.root_cause, case.owner) == ("closed", "resolved", "people", None)
    assert [event.what for event in case.events] == [
        "opened", "taken", "no_answer", "contacted", *["step_done"] * 5, "step_undone", "gave", "noted", "closed"
    ]  # fmt: skip
    assert {event.origin for event in case.events[1:]} == {"testclient"}
    assert "Resolved" in seen(agent.get(f"/cases/{free}"))
    assert press("reopen") == f"/cases/{free}"
    assert store.case(free).status == "contacted"
    assert store.audit() == []


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_way_to_end_is_a_button(agent: Browser, store: Store, mine: int, outcome: str) -> None:
    page = Page(agent.get(f"/cases/{mine}").text)
    assert outcome in page.values("outcome")
    agent.press(f"/cases/{mine}/close", outcome=outcome, root_cause="price")
    assert (store.case(mine).outcome, store.case(mine).root_cause) == (outcome, "price")


@pytest.mark.parametrize("again", AGAIN)
def test_every_pause_is_in_the_future_and_of_the_calendar(agent: Browser, store: Store, mine: int, again: str) -> None:
    assert again in Page(agent.get(f"/cases/{mine}").text).values("again")
    agent.press(f"/cases/{mine}/no-answer", again=again)
    next_at = store.case(mine).next_at
    assert next_at is not None
    away = next_at - datetime.now(UTC)
    assert timedelta(minutes=59) < away <= timedelta(days=10)
    assert "days" not in again or next_at.weekday() < 5


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles"])
def test_a_time_that_is_typed_is_of_the_desks_zone(store: Store, scorer: Scorer, free: int, zone: str) -> None:
    zoned = Store(store.engine, Policy.model_validate({"calendar": {"zone": zone}}))
    agent = Browser(create_app(store=zoned, scorer=scorer), store, sign_in(store, "ana", "agent"))
    claims.take(store, free, ANA)
    wanted = (datetime.now(UTC) + 30 * HOUR).replace(second=0, microsecond=0)
    local = wanted.astimezone(zoned.clock.calendar.zone).strftime("%Y-%m-%dT%H:%M")
    assert agent.press(f"/cases/{free}/no-answer", exact=local, again="3 h").status_code == 303
    assert store.case(free).next_at == wanted
    for odd in ("0001-01-01T00:00", "9999-12-31T23:59", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"):
        refused = agent.press(f"/cases/{free}/no-answer", exact=odd, note="do not lose this")
        assert (refused.status_code, "do not lose this" in seen(refused)) == (422, True)


AMISS: dict[str, tuple[str, dict[str, str], str]] = {
    "no pause": ("no-answer", {"again": "soon"}, "Say when to try again."),
    "no time": ("no-answer", {"exact": "tomorrow %d"}, "'tomorrow %d' is no date and time such as 2026-11-23T09:30."),
    "the past": ("no-answer", {"exact": "2020-01-01T10:00"}, "Try again at a time within the next 60 days."),
    "far away": ("no-answer", {"exact": "2999-01-01"}, "Try again at a time within the next 60 days."),
    "no outcome": ("close", {"root_cause": "price"}, "A case ends as one of resolved, lost, not_detractor; say which."),
    "no cause": ("close", {"outcome": "lost", "root_cause": ""}, "A case is closed with one of the root causes"),
    "nobody": ("hand-over", {"to": "<b>"}, "Nobody here is called '<b>'."),
    "no amount": ("give", {"amount": "lots", "what": "do not lose this"}, "'lots' is no amount such as 12.50."),
    "nothing": ("give", {"amount": "0.001", "what": "do not lose this"}, "Give an amount above 0."),
    "not a number": ("give", {"amount": "nan", "what": "do not lose this"}, "Give an amount above 0."),
    "below nothing": ("give", {"amount": "-5", "what": "do not lose this"}, "Give an amount above 0."),
    "without end": ("give", {"amount": "inf", "what": "do not lose this"}, "Give an amount above 0."),
    "for nothing": ("give", {"amount": "5.55", "what": " "}, "Say what it is given for."),
    "too much": ("give", {"amount": "50.01", "what": "do not lose this"}, "This case has 50.00 EUR left; ask a lead"),
    "no step": ("step", {"step": "dance"}, "A step is one of own, fix, make_up, cause, thank."),
    "no label": ("label", {"text": "1", "label": "urgency:soon"}, "Choose a label that the heads have."),
    "no head": ("label", {"text": "1", "label": ":"}, "Choose a label that the heads have."),
    "yes or no": ("label", {"text": "1", "label": "detractor:yes"}, "Choose a label that the heads have."),
    "no text": ("label", {"text": "9999", "label": "urgency:low"}, "Case 1 has no such text."),
    "no number": ("label", {"text": "x", "label": "urgency:low"}, "Case 1 has no such text."),
    "blank": ("note", {"note": " \r\n "}, "Write something."),
    "no word": ("hand-over", {"to": "ana", "note": "  "}, "Write what your colleague must know."),
}  # fmt: skip


@pytest.mark.parametrize("amiss", AMISS)
def test_what_cannot_be_is_said_and_what_was_typed_is_kept(agent: Browser, store: Store, mine: int, amiss: str) -> None:
    action, fields, sentence = AMISS[amiss]
    before = store.case(mine)
    answer = agent.press(f"/cases/{mine}/{action}", **{"note": "do not lose this\nnor this", "version": "99"} | fields)
    page = Page(answer.text)
    assert (answer.status_code, sentence in page.text) == (422, True), page.text[:900]
    typed = [*page.values("amount"), *page.values("what"), *page.values("exact"), *page.words]
    if action in ("no-answer", "close", "hand-over") and "note" not in fields:
        assert any("do not lose this\nnor this" in words for words in page.words)
    assert all(any(value in str(one) for one in typed) for key, value in fields.items() if key in ("amount", "exact"))
    assert "what" not in fields or fields["what"] in page.values("what")
    if action in ("no-answer", "close", "hand-over", "give"):  # and the form that it was typed into stands open
        assert "open" in next(given for tag, given in page.elements if tag == "details" and given.get("id") == action)
    assert store.case(mine) == before


LATE = {"no-answer": {"again": "3 h"}, "contacted": {}, "close": {"outcome": "lost", "root_cause": "price"},
        "hand-over": {"to": "lea"}, "release": {}, "take": {}, "step": {"step": "own", "done": "1"}}  # fmt: skip


@pytest.mark.parametrize("action", LATE)
def test_whoever_comes_second_is_told_who_was_first(
    agent: Browser, lead: Browser, store: Store, free: int, action: str
) -> None:
    opened = Page(agent.get(f"/cases/{free}").text).values("version")[0]
    lead.press(f"/cases/{free}/take")
    before = store.case(free)
    answer = agent.press(
        f"/cases/{free}/{action}", version=opened, note="told her <b>everything</b>\nand more", **LATE[action]
    )
    page = Page(answer.text)
    assert answer.status_code == 409
    assert f"Lea has case {free}." in page.text
    assert "lea has this case until" in page.text
    assert any("told her <b>everything</b>\nand more" in words for words in page.words)
    assert "What you typed is kept below." in page.text
    assert store.case(free) == before


def test_a_gift_that_came_too_late_is_kept_too(agent: Browser, lead: Browser, free: int) -> None:
    lead.press(f"/cases/{free}/take")
    answer = agent.press(f"/cases/{free}/give", amount="5", what="a long letter of apology")
    assert (answer.status_code, "a long letter of apology" in seen(answer)) == (409, True)
    nothing = agent.press(f"/cases/{free}/take")
    assert (nothing.status_code, "What you typed" in seen(nothing)) == (409, False)


def test_a_case_that_changed_under_ones_hands_is_not_overwritten(agent: Browser, store: Store, mine: int) -> None:
    opened = Page(agent.get(f"/cases/{mine}").text).values("version")[0]
    store.enqueue(listed(escalation("C-1", said("and now this too", 95.0))), at=datetime.now(UTC))
    late = agent.press(f"/cases/{mine}/close", version=opened, outcome="resolved", root_cause="price", note="my note")
    assert (late.status_code, f"Case {mine} was changed since you opened it." in seen(late)) == (409, True)
    page = Page(late.text)
    assert "and now this too" in page.text  # what they must know before they close it
    kept = [given["value"] for _, given in page.elements if "checked" in given or "selected" in given]
    assert {"resolved", "price"} <= set(kept)
    assert any("my note" in words for words in page.words)
    again = agent.press(
        f"/cases/{mine}/close", version=page.values("version")[0], outcome="resolved", root_cause="price"
    )
    assert again.status_code == 303


def test_what_is_closed_stays_so_until_it_is_opened(agent: Browser, store: Store, mine: int) -> None:
    agent.press(f"/cases/{mine}/close", outcome="lost", root_cause="price")
    for action in ("take", "contacted", "release", "close"):
        answer = agent.press(f"/cases/{mine}/{action}", outcome="resolved", root_cause="price", note="too late")
        assert (answer.status_code, f"Case {mine} is closed." in seen(answer)) == (409, True)
        assert action == "take" or "too late" in seen(answer)
    assert agent.press(f"/cases/{mine}/reopen").status_code == 303
    twice = agent.press(f"/cases/{mine}/reopen")
    assert (twice.status_code, f"Case {mine} is not closed." in seen(twice)) == (409, True)


def test_a_second_failure_is_for_a_lead(agent: Browser, lead: Browser, store: Store, free: int) -> None:
    closed(store, free)
    store.enqueue(listed(escalation("C-1", said("once more", 95.0))), at=datetime.now(UTC))
    assert "let down again: for a lead" in seen(agent.get(f"/cases/{free}"))
    refused = agent.press(f"/cases/{free}/take")
    sentence = "This is the second time that this customer was let down: a lead takes it."
    assert (refused.status_code, sentence in seen(refused)) == (409, True)
    assert store.case(free).owner is None
    assert lead.press(f"/cases/{free}/take").status_code == 303
    assert lead.press(f"/cases/{free}/hand-over", to="ana", note="you know her").status_code == 303
    assert agent.press(f"/cases/{free}/contacted").status_code == 303  # a lead has said so


def test_notes_keep_their_lines_their_script_and_their_length(agent: Browser, store: Store, mine: int) -> None:
    for note in ("one\r\ntwo\nthree", "客" * 2_000, "😡" * 1_000, "\r\n".join("x" * 19 for _ in range(100))):
        assert agent.press(f"/cases/{mine}/note", note=note).status_code == 303
        assert last(store, mine)[2]["note"] == note.replace("\r\n", "\n").strip()
    assert agent.press(f"/cases/{mine}/note", note="nul \x00").status_code == 303
    assert last(store, mine)[2]["note"] == "nul \u2400"


def test_only_what_can_be_done_is_done(agent: Browser, free: int) -> None:
    odd = agent.press(f"/cases/{free}/delete")
    assert (odd.status_code, "Nothing of this name can be done with a case." in seen(odd)) == (404, True)
    assert [agent.get(f"/cases/{free}/{action}").status_code for action in ACTIONS] == [405] * len(ACTIONS)


def test_nobody_is_handed_a_case_who_cannot_come_in(
    agent: Browser, enter: Callable[..., Browser], store: Store, mine: int
) -> None:
    enter("bo", "agent")
    page = Page(agent.get(f"/cases/{mine}").text)
    assert "bo" in page.text
    assert agent.press(f"/cases/{mine}/hand-over", to="bo", note="yours\nplease").status_code == 303
    case: Case = store.case(mine)
    assert (case.held_by(datetime.now(UTC)), last(store, mine)[2]) == ("bo", {"to": "bo", "note": "yours\nplease"})
