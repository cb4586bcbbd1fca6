"""The desk in a real Chromium: without JavaScript, by two at once, in the viewer's own time and zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from pipeline.followup import claims, people
from pipeline.web.access import COOKIE
from tests.pipeline.web.browsing import TEST, Chromium, Desk, Watched, _chromium, _desk, _serving, press  # noqa: F401

pytestmark = pytest.mark.browser


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
        page.locator("#note textarea").press_sequentially("too late for today")
        people.change_user(desk.store, TEST, "ana", role="lead")  # which ends her session
        with page.expect_navigation() as found:
            page.click("#note button")
        assert found.value.status == 403
        page.goto(desk.way_in("ana"))
        page.goto(f"/cases/{case.id}")
        expect(page.locator("#note textarea")).to_have_value("too late for today")
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
