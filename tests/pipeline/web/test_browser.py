"""The desk in a real Chromium: by keyboard alone, without JavaScript, by two at once, in the viewer's own time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from pipeline.followup import casework, claims
from pipeline.web.access import COOKIE
from tests.pipeline.web.browsing import Chromium, Desk, Watched, _chromium, _desk, _migrated, _serving  # noqa: F401

pytestmark = pytest.mark.browser
# Every key that the script takes for itself: it keeps the browser from doing what it would do with it.
KNOWN = """() => {
  for (const kind of ["submit", "click"]) {
    addEventListener(kind, (event) => { event.preventDefault(); event.stopImmediatePropagation(); }, true);
  }
  const taken = [];
  for (let code = 32; code < 127; code++) {
    const key = String.fromCharCode(code);
    if (!document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }))) taken.push(key);
    document.querySelector("dialog").close();
  }
  return taken.sort();
}"""  # noqa: E501
TWICE = """(key) => { for (let n = 0; n < 2; n++) {
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })); } }"""


def press(page: Any, *keys: str) -> None:
    """Press keys one after the other, once the page takes any."""
    page.wait_for_selector("#show-keys:not([hidden])", state="attached")
    for key in keys:
        page.keyboard.press(key)


def line_at_hand(page: Any) -> str:
    return str(page.evaluate("document.activeElement.closest('.line')?.querySelector('bdi').textContent ?? ''"))


def test_a_customer_is_called_and_made_right_by_keyboard_alone(chromium: Chromium, desk: Desk) -> None:
    desk.fill("one", "two", "three")
    with Watched(chromium, desk, "ana") as seen:
        page = seen.page
        press(page, "n")
        expect(page.locator(".holder")).to_contain_text("You have this case")
        press(page, "m")
        page.keyboard.type("njkc? said so")  # keys are letters while one types
        press(page, "Tab", "Enter")
        expect(page.locator(".history li").first).to_contain_text("ana noted")
        expect(page.locator(".entry-note")).to_have_text("njkc? said so")
        press(page, "c")
        expect(page.locator(".tone-state").first).to_have_text("In touch")
        press(page, "g")
        page.keyboard.type("12.50")
        press(page, "Tab")
        page.keyboard.type("a voucher")
        press(page, "Enter")
        expect(page.locator("#give summary")).to_contain_text("37.50 EUR left")
        for key, outcome in (("l", "lost"), ("d", "not_detractor"), ("r", "resolved")):
            press(page, key)
            expect(page.locator("#close [name=outcome]:checked")).to_have_value(outcome)
            expect(page.locator("#close select")).to_be_focused()
            press(page, "Escape")
        press(page, "r")
        page.keyboard.type("proc")
        press(page, "Enter")
        expect(page.locator(".notice")).to_contain_text("C-0: closed.")
    [closed] = desk.cases("closed")
    assert (closed.outcome, closed.root_cause, closed.spent) == ("resolved", "process", 12.5)


def test_a_case_is_kept_for_later_handed_over_and_put_back_by_keyboard(chromium: Chromium, desk: Desk) -> None:
    desk.fill("one", "two", "three")
    desk.user("bo")
    with Watched(chromium, desk, "ana") as seen:
        page = seen.page
        press(page, "n")
        page.wait_for_url("**/cases/1")
        press(page, "a")
        expect(page.locator("#no-answer [value='3 h']")).to_be_focused()
        press(page, "ArrowDown", "Enter")
        expect(page.locator(".notice")).to_contain_text("C-0: to be called again.")
        press(page, "n")
        page.wait_for_url("**/cases/2")
        press(page, "h")
        page.keyboard.type("bo")
        press(page, "Tab")
        page.keyboard.type("only in the morning")
        press(page, "Tab", "Enter")
        expect(page.locator(".notice")).to_contain_text("C-1: with bo.")
        press(page, "n")
        page.wait_for_url("**/cases/3")
        press(page, "b")
        expect(page.locator(".notice")).to_contain_text("C-2: put back.")
        press(page, "j", "o")
        page.wait_for_url("**/cases/3")
        press(page, "t")
        expect(page.locator(".holder")).to_contain_text("You have this case")
    later, handed, taken = (desk.store.case(number) for number in (1, 2, 3))
    assert (later.attempts, handed.owner, taken.owner) == (1, "bo", "ana")


def test_the_queue_is_walked_by_keyboard(chromium: Chromium, desk: Desk) -> None:
    desk.fill("one", "two", "three")
    with Watched(chromium, desk, "ana") as seen:
        page = seen.page
        walked = []
        for key in "kjjjjkk":
            press(page, key)
            walked.append(line_at_hand(page))
        assert walked == ["C-0", "C-1", "C-2", "C-2", "C-2", "C-1", "C-0"]
        press(page, "j", "Enter")
        page.wait_for_url("**/cases/2")
        press(page, "j", "k", "o", "n", "/")  # nothing to walk, to take or to search here
        press(page, "u")
        expect(page.locator("h1")).to_have_text("Who to call first")
        press(page, "/")
        page.keyboard.type("three")
        press(page, "Enter")
        expect(page.locator(".line bdi")).to_have_text(["C-2"])
        expect(page.locator("[name=q]")).to_have_value("three")
    assert desk.cases("mine", "ana") == []


def test_people_are_thanked_by_keyboard(chromium: Chromium, desk: Desk) -> None:
    desk.praised("so kind", "so fast", "so good")
    with Watched(chromium, desk, "ana") as seen:
        page = seen.page
        page.goto("/thanks")
        press(page, "t")  # of nobody yet
        press(page, "j", "j", "t")
        expect(page.locator(".line.done")).to_have_count(1)
        expect(page.locator(".line.done bdi")).to_have_text("P-1")
        press(page, "j", "j", "j", "t")  # who was thanked is not thanked again
        press(page, "k", "t")
        expect(page.locator(".line.done")).to_have_count(2)
        expect(page.locator(".line bdi")).to_have_text(["P-0", "P-1", "P-2"])


def test_the_list_of_keys_has_every_key(chromium: Chromium, desk: Desk) -> None:
    with Watched(chromium, desk, "ana") as seen:
        page = seen.page
        press(page, "?")
        expect(page.locator("dialog#keys")).to_be_visible()
        press(page, "n", "u", "m")  # none of them works under it
        assert page.url == f"{desk.url}/"
        listed = [key for key in page.locator("dialog kbd").all_inner_texts() if key != "Enter"]
        press(page, "Escape")
        expect(page.locator("dialog#keys")).to_be_hidden()
        page.click("#show-keys")
        press(page, "Enter")  # the button under it
        expect(page.locator("dialog#keys")).to_be_hidden()
        assert page.evaluate(KNOWN) == sorted(listed)


def test_shortcuts_of_the_browser_stay_its_own(chromium: Chromium, desk: Desk) -> None:
    [case] = desk.fill("one")
    with Watched(chromium, desk, "ana") as seen:
        seen.page.goto(f"/cases/{case.id}")
        for held in ("Control", "Meta", "Alt"):
            press(seen.page, f"{held}+t", f"{held}+m")
            assert seen.page.evaluate("document.activeElement.tagName") == "BODY"
        seen.page.goto("/")
    assert desk.cases("mine", "ana") == []


def test_a_key_pressed_twice_sends_once(chromium: Chromium, desk: Desk) -> None:
    desk.fill("one", "two", "three")
    with Watched(chromium, desk, "ana") as seen:
        page = seen.page
        page.evaluate(TWICE, "n")
        page.wait_for_url("**/cases/1")
        page.locator("summary", has_text="Give something").click()
        page.fill("[name=amount]", "5")
        page.fill("[name=what]", "a voucher")
        page.locator("#give button").dblclick()
        expect(page.locator("#give summary")).to_contain_text("45.00 EUR left")
        page.go_back()
        page.goto("/")
        press(page, "n")  # and the next page takes keys again
        page.wait_for_url("**/cases/2")
        assert len([url for url in seen.requests if url.endswith("/take-next")]) == 2
    assert [case.spent for case in desk.cases("mine", "ana")] == [5.0, 0.0]


def test_all_of_it_works_without_javascript(chromium: Chromium, desk: Desk) -> None:
    desk.fill("the first bill is wrong", "two", "three")
    desk.praised("so kind")
    desk.user("bo")
    desk.user("ana", password="correct horse battery")
    with Watched(chromium, desk, java_script_enabled=False) as seen:
        page = seen.page
        page.goto("/?tab=all")
        page.get_by_label("Name").fill("ana")
        page.get_by_label("Password").fill("correct horse battery")
        page.locator("main").get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/?tab=all")
        expect(page.locator("#show-keys")).to_be_hidden()
        page.get_by_role("link", name="C-0").click()
        page.get_by_role("button", name="Take this case").click()
        page.get_by_role("button", name="Reached").click()
        page.locator("#close summary").click()
        page.get_by_label("Resolved").check()
        page.get_by_label("What caused it?").select_option("Process")
        page.locator("#close button").click()
        expect(page.locator(".notice")).to_contain_text("C-0: closed.")
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".tone-state").first).to_have_text("In touch")
        page.locator("#hand-over summary").click()
        page.locator("#hand-over select").select_option("bo")
        page.get_by_label("What must they know?").fill("only in the morning")
        page.locator("#hand-over button").click()
        expect(page.locator(".notice")).to_contain_text("C-0: with bo.")
        page.get_by_role("button", name="Take next").click()
        page.locator("#no-answer summary").click()
        page.get_by_label("on the next working day").check()
        page.locator("#no-answer button").click()
        expect(page.locator(".notice")).to_contain_text("C-1: to be called again.")
        page.locator(".filters > summary").click()
        page.get_by_label("Words in their texts").fill("first bill")
        page.get_by_role("button", name="Show").click()
        expect(page.locator(".empty h2")).to_have_text("Nobody fits")
        page.get_by_label("Keep this view as").fill("bills")
        page.get_by_role("button", name="Keep").click()
        page.goto("/")
        page.get_by_role("link", name="bills").click()
        expect(page.locator("[name=q]")).to_have_value("first bill")
        page.get_by_role("button", name="Remove the view bills").click()
        expect(page.locator(".views")).to_have_count(0)
        page.goto("/thanks")
        page.get_by_role("button", name="Thanked").click()
        expect(page.locator(".line.done")).to_contain_text("thanked by ana")
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("h1")).to_have_text("Sign in")
    handed, later = desk.store.case(1), desk.store.case(2)
    assert (handed.owner, handed.status, later.attempts) == ("bo", "contacted", 1)


def test_who_comes_second_learns_who_was_first_and_keeps_the_note(chromium: Chromium, desk: Desk) -> None:
    [case] = desk.fill("one")
    with Watched(chromium, desk, "ana") as first, Watched(chromium, desk, "bo") as second:
        for seen in (first, second):
            seen.page.goto(f"/cases/{case.id}")
        press(first.page, "t")
        expect(first.page.locator(".holder")).to_contain_text("You have this case")
        with second.page.expect_navigation() as found:
            press(second.page, "t")
        assert found.value.status == 409
        expect(second.page.locator(".notice")).to_contain_text("Ana has case 1.", ignore_case=True)
        # Ana types on while her case goes to Bo.
        press(first.page, "r")
        first.page.locator("#close select").select_option("price")
        first.page.locator("#close textarea").fill("she wants <her> money back")
        claims.release(desk.store, case.id, desk.user("ana"))
        claims.take(desk.store, case.id, desk.user("bo"))
        with first.page.expect_navigation() as found:
            first.page.locator("#close button").click()
        assert found.value.status == 409
        expect(first.page.get_by_role("alert")).to_contain_text("bo has case 1.", ignore_case=True)
        expect(first.page.locator("textarea.kept")).to_have_value("she wants <her> money back")


def test_a_form_with_a_mistake_keeps_all_that_was_typed(chromium: Chromium, desk: Desk) -> None:
    [case] = desk.fill("one")
    claims.take(desk.store, case.id, desk.user("ana"))
    with Watched(chromium, desk, "ana") as seen:
        page = seen.page
        page.goto(f"/cases/{case.id}")
        press(page, "g")
        page.keyboard.type("51")
        press(page, "Tab")
        page.keyboard.type('a "voucher"')
        press(page, "Enter")
        expect(page.get_by_role("alert")).to_contain_text("50.00 EUR left")
        expect(page.locator("#give [name=amount]")).to_have_value("51")
        expect(page.locator("#give [name=what]")).to_have_value('a "voucher"')


def test_a_note_half_written_outlives_what_else_is_pressed(chromium: Chromium, desk: Desk) -> None:
    [case] = desk.fill("one")
    claims.take(desk.store, case.id, desk.user("ana"))
    with Watched(chromium, desk, "ana") as seen:
        page = seen.page
        page.goto(f"/cases/{case.id}")
        press(page, "m")
        page.keyboard.type("her daughter pays the bill")
        press(page, "Escape", "c")
        expect(page.locator(".tone-state").first).to_have_text("In touch")
        expect(page.locator("#note textarea")).to_have_value("her daughter pays the bill")
        page.click("#note button")
        expect(page.locator(".entry-note")).to_have_text("her daughter pays the bill")
        expect(page.locator("#note textarea")).to_have_value("")
        page.locator("#note textarea").press_sequentially("nobody else's business")
        page.get_by_role("button", name="Sign out").click()
        page.goto(desk.way_in("ana"))
        page.goto(f"/cases/{case.id}")
        expect(page.locator("#note textarea")).to_have_value("")


def test_times_are_those_of_who_looks_and_of_who_types(chromium: Chromium, desk: Desk) -> None:
    at = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    [case] = desk.fill("one", at=at)
    shown = {}
    for zone in ("Pacific/Auckland", "America/Los_Angeles", "UTC", None):
        with Watched(chromium, desk, "ana", timezone_id=zone, locale="en", java_script_enabled=bool(zone)) as seen:
            seen.page.goto(f"/cases/{case.id}")
            opened = seen.page.locator(".history time").last
            expect(opened).to_have_attribute("datetime", at.isoformat())
            shown[zone] = re.sub(r"\s", " ", opened.inner_text())
    assert shown == {
        "Pacific/Auckland": "Nov 21, 2026, 12:30 PM", "America/Los_Angeles": "Nov 20, 2026, 3:30 PM",
        "UTC": "Nov 20, 2026, 11:30 PM", None: "20 Nov 2026, 23:30 UTC",
    }  # fmt: skip


@pytest.mark.parametrize("script", [True, False])
def test_a_call_back_is_set_in_the_time_of_who_types(chromium: Chromium, desk: Desk, script: bool) -> None:
    [case] = desk.fill("one")
    claims.take(desk.store, case.id, desk.user("ana"))
    typed = datetime.now(UTC).replace(hour=9, minute=30, second=0, microsecond=0, tzinfo=None) + timedelta(days=7)
    with Watched(chromium, desk, "ana", timezone_id="Asia/Tokyo", java_script_enabled=script) as seen:
        page = seen.page
        page.goto(f"/cases/{case.id}")
        page.locator("#no-answer summary").click()
        assert ("(UTC)" in page.locator("#no-answer").inner_text()) is not script
        page.fill("[name=exact]", f"{typed.replace(year=typed.year - 1):%Y-%m-%dT%H:%M}")
        page.locator("#no-answer button").click()
        expect(page.get_by_role("alert")).to_contain_text("within the next 60 days")
        expect(page.locator("[name=exact]")).to_have_value(f"{typed.replace(year=typed.year - 1):%Y-%m-%dT%H:%M}")
        page.fill("[name=exact]", f"{typed:%Y-%m-%dT%H:%M}")
        page.locator("#no-answer button").click()
        expect(page.locator(".notice")).to_contain_text("to be called again")
    meant = typed - timedelta(hours=9) if script else typed
    assert desk.store.case(case.id).next_at == meant.replace(tzinfo=UTC)


def test_counts_are_live(chromium: Chromium, desk: Desk) -> None:
    desk.fill("one")
    desk.user("ana")
    with Watched(chromium, desk) as seen:
        page = seen.page
        page.clock.install()
        page.goto(desk.way_in("ana"))
        count = page.locator("[data-count=free]")
        expect(count).to_have_text("1")
        desk.fill("one", "two", "three")
        for _ in range(50):  # the server counts anew every other second
            page.clock.run_for(15_000)
            page.wait_for_timeout(100)
            if count.inner_text() != "1":
                break
        expect(count).to_have_text("3")
        expect(page.locator("#news")).to_have_text("New customers are waiting. Reload the page to see them.")
        assert page.locator(".line").count() == 1


def test_a_browser_keeps_the_session_without_tls_on_this_machine(chromium: Chromium, desk: Desk) -> None:
    desk.user("ana")
    with Watched(chromium, desk) as seen:
        link = desk.way_in("ana")
        seen.page.goto(link)
        [cookie] = seen.context.cookies()
        assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == (COOKIE, True, True)
        assert seen.page.evaluate("document.cookie") == ""
        seen.page.goto("/account")
        expect(seen.page.locator("h1")).to_have_text("ana")
        assert seen.page.goto(link).status == 403  # once
