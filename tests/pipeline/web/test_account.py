"""What somebody settles for themselves: the password, the language, the address of the calendar of call-backs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI

from pipeline.followup import casework, claims, people, sessions
from pipeline.followup.audit import Actor
from pipeline.followup.store import Store
from pipeline.web.access import COOKIE
from pipeline.web.language import languages
from tests.pipeline.followup.hands import ANA, BO, fill
from tests.pipeline.web.conftest import BASE, Browser

ADMIN = Actor("test", "test")
PASSWORD = "correct horse battery"


def test_a_new_password_ends_all_other_sessions(app: FastAPI, store: Store, agent: Browser) -> None:
    people.change_user(store, ADMIN, "ana", password=PASSWORD)
    first, other = (sessions.sign_in_known(store, "ana", "test", how="test") for _ in range(2))
    browser, nobody, new = Browser(app, store, first), Browser(app, store), "another horse, another battery"
    length, wrong = "A password has 12 to 1,024 characters.", "The old password is wrong."
    for old, wanted, said in ((PASSWORD, "short", length), (PASSWORD, "x" * 1_025, length), ("", new, wrong)):
        refused = browser.press("/account/password", old=old, new=wanted)
        assert (refused.status_code, said in refused.text, new in refused.text) == (422, True, False)
    assert Browser(app, store, other).get("/").status_code == 200
    link = sessions.link(store, "ana")
    changed = browser.press("/account/password", old=PASSWORD, new=new)
    assert changed.headers["location"] == "/account"
    fresh = str(changed.cookies[COOKIE])
    assert [Browser(app, store, token).get("/").status_code for token in (first, other, fresh)] == [303, 303, 200]
    assert nobody.get(f"/enter/{link}").status_code == 403
    assert nobody.press("/sign-in", name="ana", password=PASSWORD).status_code == 403
    assert nobody.press("/sign-in", name="ana", password=new).status_code == 303


def test_who_came_by_a_link_sets_a_first_password(agent: Browser, app: FastAPI, store: Store) -> None:
    assert agent.press("/account/password", old="", new=PASSWORD).status_code == 303
    assert Browser(app, store).press("/sign-in", name="ana", password=PASSWORD).status_code == 303


@pytest.mark.parametrize("code", languages())
def test_a_page_speaks_as_one_wishes(app: FastAPI, store: Store, agent: Browser, code: str) -> None:
    accepts = {"accept-language": f"xx, {code}-AT;q=0.9, en;q=0.1"}
    for path in ("/sign-in", "/nowhere", "/docs"):
        assert f'<html lang="{code}">' in Browser(app, store).get(path, headers=accepts).text
    assert agent.press("/account/language", language=code).headers["location"] == "/account"
    page = agent.get("/account", headers={"accept-language": "fr"}).text
    assert f'<html lang="{code}">' in page
    assert re.search(rf'<option value="{code}"[^>]* selected>', page)
    agent.press("/account/language", language="")
    assert f'<html lang="{code}">' in agent.get("/", headers=accepts).text
    refused = agent.press("/account/language", language="../../etc/passwd")
    assert (refused.status_code, "There is no such language here." in refused.text) == (422, True)


def test_a_calendar_has_a_secret_address_that_can_be_changed(
    app: FastAPI, store: Store, agent: Browser, enter: Callable[..., Browser]
) -> None:
    enter("bo", "agent")
    mine, other, free = fill(store, 90.0, 80.0, 70.0)
    soon = datetime.now(UTC) + timedelta(hours=3)
    for case, who in ((mine, ANA), (other, BO)):
        claims.take(store, case.id, who)
        casework.no_answer(store, case.id, who, soon)
    claims.take(store, free.id, ANA)  # taken, but not to be called at a set time
    assert "/calendar/" not in agent.get("/account").text
    addresses = []
    for _ in range(2):
        found = re.search(rf"{BASE}(/calendar/[\w-]{{32}}\.ics)", agent.press("/account/calendar").text)
        assert found
        addresses.append(found[1])
    calendar = Browser(app, store)  # nobody signs in there
    feed = calendar.get(addresses[1])
    assert (feed.status_code, feed.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert re.findall("SUMMARY:(.*)\r\n", feed.text) == ["Call C-1"]
    assert "words of" not in feed.text
    assert calendar.get(addresses[1].removesuffix(".ics")).text.splitlines()[0] == "BEGIN:VCALENDAR"
    people.change_user(store, ADMIN, "ana", active=False)
    for address in (*addresses, "/calendar/guessed.ics", "/calendar/.ics", "/calendar/%00"):
        gone = calendar.get(address)
        assert (gone.status_code, "There is no such calendar" in gone.text) == (404, True)
