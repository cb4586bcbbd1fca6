"""The desk by keyboard alone, in a real Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.pipeline.web.browsing import Chromium, Desk, Watched, _chromium, _desk, _serving, press  # noqa: F401

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

# Whether each of two submissions would go out.
SENT_TWICE = """(form) => {
  const sent = [];
  addEventListener("submit", (event) => { sent.push(!event.defaultPrevented); event.preventDefault(); });
  form.requestSubmit(); form.requestSubmit();
  return sent;
}"""


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
        assert page.locator("#give form").evaluate(SENT_TWICE) == [True, False]
        page.reload()
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
