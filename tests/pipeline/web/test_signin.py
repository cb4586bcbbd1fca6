"""Coming in and going out: cookies, passwords, links that work once, languages, and the address of one's calendar."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import func, select, update
from starlette.testclient import TestClient

from pipeline.followup import people, sessions
from pipeline.followup.audit import Actor
from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from pipeline.followup.tables import ATTEMPTS, LINKS, SESSIONS
from pipeline.triage.scoring import Scorer
from pipeline.web.access import COOKIE, DEMO_COOKIE
from pipeline.web.app import create_app
from tests.pipeline.web.conftest import BASE, Browser

ADMIN = Actor("test", "test")
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def _with_password(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "amends.db"
    made = Store.open(f"sqlite:///{path}")
    people.add_user(made, ADMIN, "pia", "agent", PASSWORD)
    made.close()
    return path


@pytest.fixture
def store(tmp_path: Path, _with_password: Path) -> Iterator[Store]:
    """A store in which pia has a password; it takes long to make one."""
    shutil.copy(_with_password, tmp_path / "amends.db")
    opened = Store.open(f"sqlite:///{tmp_path}/amends.db")
    yield opened
    opened.close()


@pytest.fixture
def nobody(app: FastAPI, store: Store) -> Browser:
    """Somebody who has not signed in."""
    return Browser(app, store)


def cookies(answer: Response) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the value and the attributes of each cookie that is set."""
    out = {}
    for header in answer.headers.get_list("set-cookie"):
        first, *rest = header.split("; ")
        name, _, value = first.partition("=")
        pairs = [part.partition("=") for part in rest]
        out[name] = (value.strip('"'), {key.lower(): given.lower() for key, _, given in pairs})
    return out


def session_of(answer: Response) -> str:
    assert answer.status_code == 303
    return cookies(answer)[COOKIE][0]


def test_the_cookie_is_for_this_host_and_no_script(nobody: Browser) -> None:
    answer = nobody.press("/sign-in", name=" pia ", password=PASSWORD, next="/cases/7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/cases/7")
    assert list(cookies(answer)) == [COOKIE]
    assert COOKIE.startswith("__Host-")  # which browsers take with Secure and Path=/ and without Domain alone
    assert cookies(answer)[COOKIE][1] == {
        "httponly": "", "max-age": "43200", "path": "/", "samesite": "lax", "secure": ""
    }  # fmt: skip


def test_a_demo_has_a_second_cookie_without_tls(store: Store, client: TestClient) -> None:
    people.add_user(store, ADMIN, "demo", "admin", None)
    answer = client.get(f"/enter/{sessions.link(store, 'demo')}")
    given = cookies(answer)
    assert set(given) == {COOKIE, DEMO_COOKIE}
    assert given[DEMO_COOKIE][1] == {"httponly": "", "max-age": "43200", "path": "/", "samesite": "strict"}
    assert given[COOKIE][0] == given[DEMO_COOKIE][0]
    headers = {"Cookie": f"{DEMO_COOKIE}={given[DEMO_COOKIE][0]}"}
    assert "Demo." in client.get("/", headers=headers).text
    token = re.search(r'name="token" value="([^"]+)"', client.get("/account", headers=headers).text)
    assert token
    gone = client.post("/sign-out", data={"token": token[1]}, headers=headers | {"sec-fetch-site": "same-origin"})
    assert cookies(gone)[DEMO_COOKIE][1]["max-age"] == "0"
    assert client.get("/", headers=headers).status_code == 303


def test_a_session_begins_anew_and_the_one_before_ends(app: FastAPI, store: Store, nobody: Browser) -> None:
    fixed = {"Cookie": f"{COOKIE}=planted-by-somebody"}
    form = {"token": nobody.token, "name": "pia", "password": PASSWORD}
    first = session_of(nobody.post("/sign-in", data=form, headers=fixed | {"origin": BASE}))
    assert first != "planted-by-somebody"
    assert nobody.get("/", headers=fixed).status_code == 303
    browser = Browser(app, store, first)
    second = session_of(browser.press("/sign-in", name="pia", password=PASSWORD))
    assert second != first
    assert browser.get("/").status_code == 303
    third = session_of(Browser(app, store, second).get(f"/enter/{sessions.link(store, 'pia')}"))
    assert [Browser(app, store, token).get("/").status_code for token in (second, third)] == [303, 200]
    with store.engine.connect() as connection:
        kept = list(connection.execute(select(SESSIONS.c.digest)).scalars())
    assert kept == [people.digest(third)]  # and the token itself is written down nowhere


def test_signing_out_ends_this_session_alone(app: FastAPI, store: Store, agent: Browser) -> None:
    elsewhere = Browser(app, store, sessions.sign_in_known(store, "ana", "test", how="test"))
    answer = agent.press("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    value, attributes = cookies(answer)[COOKIE]
    assert (value, attributes["max-age"], attributes["path"], attributes["secure"]) == ("", "0", "/", "")
    assert agent.get("/").status_code == 303
    assert elsewhere.get("/").status_code == 200


def test_who_may_not_come_in_is_told_no_more_than_that(store: Store, nobody: Browser) -> None:
    people.add_user(store, ADMIN, "gone", "agent", PASSWORD)
    people.change_user(store, ADMIN, "gone", active=False)
    people.add_user(store, ADMIN, "no-password", "agent", None)
    for name in ("nobody-of-this-name", "no-password", "gone", "", "x" * 5_000, "a\x00b", "ÄNÄ", "pia"):
        given = PASSWORD if name == "gone" else "not my password"
        answer = nobody.press("/sign-in", name=name, password=given, next="/ask")
        assert (answer.status_code, cookies(answer)) == (403, {})
        assert "This name and password do not go together." in answer.text
        assert 'name="next" value="/ask"' in answer.text
        assert given not in answer.text


def test_a_password_is_the_one_or_it_is_not(nobody: Browser) -> None:
    for password in ("", f"{PASSWORD} ", PASSWORD.upper() + "\x00", "x" * 2_000):
        assert nobody.press("/sign-in", name="pia", password=password).status_code == 403


def test_the_door_closes_to_guesses_and_opens_again(store: Store, nobody: Browser) -> None:
    for _ in range(store.policy.sign_in.attempts):
        assert nobody.press("/sign-in", name="pia", password="a guess").status_code == 403
    for name in ("pia", "PIA"):  # the right password, or the name in other letters, opens no closed door
        closed = nobody.press("/sign-in", name=name, password=PASSWORD)
        assert (closed.status_code, cookies(closed)) == (403, {})
        assert "Too many wrong passwords; try again in 1 minute." in closed.text
    with store.engine.begin() as connection:
        connection.execute(update(ATTEMPTS).values(closed_until=datetime.now(UTC)))
    nobody.press("/sign-in", name="pia", password="one more guess")
    assert "try again in 2 minutes." in nobody.press("/sign-in", name="pia", password=PASSWORD).text
    with store.engine.begin() as connection:
        connection.execute(update(ATTEMPTS).values(closed_until=datetime.now(UTC)))
    assert nobody.press("/sign-in", name="pia", password=PASSWORD).status_code == 303
    with store.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(ATTEMPTS)).scalar() == 0


LEADS_AWAY = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "http://evil.example",
    "http:evil.example", "https:/evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example", "",
    " //evil.example", "/\t/evil.example", "/\n/evil.example", "/a\\..\\..//evil.example", "%2F%2Fevil.example",
    "/\x00//evil.example", "\u2044/evil.example", "/\u2028/evil.example", "@evil.example", "?next=//evil.example",
]  # fmt: skip


def test_no_link_leads_elsewhere(nobody: Browser, enter: Callable[..., Browser]) -> None:
    lea = enter("lea", "lead")
    for address in LEADS_AWAY:
        asked = f"/sign-in?next={quote(address, safe='')}"
        assert 'name="next" value="/"' in nobody.get(asked).text, address
        assert lea.get(asked).headers["location"] == "/", address
    for address in LEADS_AWAY[:3]:
        wrong = nobody.press("/sign-in", name="pia", password="wrong", next=address)
        assert 'name="next" value="/"' in wrong.text
        assert nobody.press("/sign-in", name="pia", password=PASSWORD, next=address).headers["location"] == "/"


def test_a_link_inside_is_followed(agent: Browser) -> None:
    for address in ("/", "/cases/7", "/?tab=mine&q=late bill", "/%2F/evil.example", "/%5Cevil.example",
                    "/?q=//x.example", "/.//evil.example", "/\uff0fevil.example", "/@evil.example"):  # fmt: skip
        location = agent.get(f"/sign-in?next={quote(address, safe='')}").headers["location"]
        assert urlsplit(urljoin(f"{BASE}/sign-in", location)).netloc == urlsplit(BASE).netloc
        assert location == quote(address, safe="/%?&=@:,")


def test_where_one_was_going_is_where_one_comes(nobody: Browser) -> None:
    """Through both pages, as a browser would."""
    asked = nobody.get("/?tab=all&q=%22late%22 %26 bill")
    page = nobody.get(asked.headers["location"]).text
    goes_to = re.search(r'name="next" value="([^"]*)"', page)
    assert goes_to
    answer = nobody.press("/sign-in", name="pia", password=PASSWORD, next=unescape(goes_to[1]))
    assert answer.headers["location"] == "/?tab=all&q=%22late%22%20%26%20bill"


def test_a_link_works_once(app: FastAPI, store: Store, nobody: Browser) -> None:
    link = sessions.link(store, "pia")
    assert nobody.head(f"/enter/{link}").status_code == 405  # to look at it does not use it up
    session = session_of(nobody.get(f"/enter/{link}"))
    assert Browser(app, store, session).get("/").status_code == 200
    late, old, gone = sessions.link(store, "pia"), sessions.link(store, "pia"), "guessed"
    with store.engine.begin() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(LINKS).where(LINKS.c.digest == people.digest(late)).values(expires_at=past))
    people.change_user(store, ADMIN, "pia", role="lead")
    for token in (link, late, old, gone, "x" * 3_000, "%00", "%ff"):
        answer = nobody.get(f"/enter/{token}")
        assert (answer.status_code, cookies(answer)) == (403, {})
        assert "This link was used before or is too old; ask for a new one." in answer.text


def test_single_sign_on_is_there_where_it_is_set_up(nobody: Browser) -> None:
    for path in ("/oidc/begin", "/oidc/finish?code=x&state=y"):
        assert (nobody.get(path).status_code, "Single sign-on is not set up here." in nobody.get(path).text) == (
            404,
            True,
        )
    assert "/oidc/begin" not in nobody.get("/sign-in").text


def test_how_long_a_session_lasts_is_a_rule(store: Store, scorer: Scorer) -> None:
    short = Store(store.engine, Policy.model_validate({"sign_in": {"session_hours": 0.5}}))
    answer = TestClient(create_app(store=short, scorer=scorer), base_url=BASE, follow_redirects=False).get(
        f"/enter/{sessions.link(store, 'pia')}"
    )
    assert cookies(answer)[COOKIE][1]["max-age"] == "1800"
    token = session_of(answer)
    for minutes, there in ((29, True), (31, False)):
        at = datetime.now(UTC) + timedelta(minutes=minutes)
        assert (sessions.session_user(short, token, at=at) is not None) == there
