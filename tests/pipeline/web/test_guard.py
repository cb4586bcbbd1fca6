"""What holds of every answer: the right host, the headers that keep a page to itself, and what a proxy may say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

from pipeline.followup import casework, claims
from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from pipeline.triage.scoring import Scorer
from pipeline.web.app import create_app
from tests.pipeline.followup.hands import ANA, LEA, cases, fill
from tests.pipeline.web.conftest import BASE, Browser, sign_in

SITE = "https://desk.example.com"
BEHIND = "http://desk.example.com"  # a proxy speaks TLS with people, and plainly with us
HOSTS = ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:65535", "127.9.9.9", "[::1]", "[::1]:8000"]
STRANGERS = [
    "evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "desk.example.com",
    "evil.example:80@localhost", "127.0.0.1:x", "0.0.0.0", "192.168.0.1", "169.254.169.254", "[::1", "[::]", "::1",
    "a b", "user@",
]  # fmt: skip


@pytest.fixture
def placed(store: Store, scorer: Scorer) -> FastAPI:
    """Return a desk that people reach as `SITE`."""
    return create_app(store=Store(store.engine, Policy(site=SITE)), scorer=scorer)


@pytest.mark.parametrize("host", HOSTS)
def test_the_machine_itself_is_answered(agent: Browser, host: str) -> None:
    assert agent.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", STRANGERS)
def test_another_host_is_refused(agent: Browser, host: str) -> None:
    answer = agent.get("/", headers={"host": host})
    assert answer.status_code == 400
    assert "answers only to its own address; set it as `site` in configs/desk.yaml" in answer.text
    assert agent.get("/v1/escalations", headers={"host": host}).json()["detail"].startswith("This server answers only")
    # What asks whether we are alive knows us by any address.
    assert [agent.get(path, headers={"host": host}).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_a_site_is_answered_and_no_other(placed: FastAPI, store: Store) -> None:
    browser = Browser(placed, store, sign_in(store, "ana", "agent"), BEHIND)
    for host in ("desk.example.com", "Desk.Example.com", "desk.example.com:443", "127.0.0.1:8000"):
        assert browser.get("/", headers={"host": host}).status_code == 200
    for host in ("evil.example", "desk.example.com.evil.example", "xdesk.example.com", "desk.example.com:443:1"):
        assert browser.get("/", headers={"host": host}).status_code == 400


def test_what_a_proxy_forwards_is_not_believed(app: FastAPI, store: Store) -> None:
    told = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "x-forwarded-for": "6.6.6.6",
            "forwarded": "for=6.6.6.6;host=evil.example;proto=https", "x-original-url": "/log"}  # fmt: skip
    [case] = fill(store, 90.0)
    browser = Browser(app, store, sign_in(store, "ana", "agent"))
    browser.headers.update(told)
    answer = browser.press(f"/cases/{case.id}/take")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{case.id}")
    assert store.case(case.id).events[-1].origin == "testclient"
    feed = browser.press("/account/calendar").text
    assert f"{BASE}/calendar/" in feed
    assert "evil" not in feed
    assert "strict-transport-security" not in answer.headers
    assert browser.get("/", headers={"host": "evil.example", "x-forwarded-host": "127.0.0.1"}).status_code == 400


def test_behind_a_proxy_forms_are_ours_and_addresses_are_those_of_the_site(placed: FastAPI, store: Store) -> None:
    [case] = fill(store, 90.0)
    browser = Browser(placed, store, sign_in(store, "ana", "agent"), BEHIND)
    form = {"token": browser.token, "note": "seen"}
    ours = {"origin": SITE, "sec-fetch-site": "same-origin", "referer": f"{SITE}/cases/1"}
    for wrong in ("https://evil.example", BEHIND, f"{SITE}:8443", "null"):
        refused = browser.post(f"/cases/{case.id}/note", data=form, headers=ours | {"origin": wrong})
        assert (refused.status_code, "did not come from a page of the desk" in refused.text) == (403, True)
    assert browser.post(f"/cases/{case.id}/note", data=form, headers=ours).status_code == 303
    assert browser.post(f"/cases/{case.id}/take", data=form, headers=ours).status_code == 303
    feed = browser.post("/account/calendar", data=form, headers=ours).text
    address = re.search(rf"{SITE}/calendar/[\w-]+\.ics", feed)
    assert address
    casework.no_answer(store, case.id, ANA, datetime.now(UTC) + timedelta(hours=3))
    calendar = browser.get(address[0].removeprefix(SITE)).text
    assert f"\r\nURL:{SITE}/cases/{case.id}\r\n" in calendar
    assert f"curl {SITE}/v1/escalations" in browser.get("/docs").text


def test_a_desk_under_tls_stays_under_it(placed: FastAPI, app: FastAPI) -> None:
    under = TestClient(placed, base_url=BEHIND, follow_redirects=False)
    for path in ("/", "/sign-in", "/nowhere", "/static/desk.css", "/healthz"):
        assert under.get(path).headers["strict-transport-security"] == "max-age=31536000"
        assert "strict-transport-security" not in TestClient(app, base_url=BASE).get(path).headers


def answers(app: FastAPI, store: Store, enter: Callable[..., Browser]) -> Iterator[tuple[str, int, Response]]:
    """Yield one answer of every kind that there is: what it is called, its status, and itself."""
    fill(store, 90.0, 80.0)
    first, second = (case.id for case in cases(store))
    claims.take(store, second, LEA)
    agent, admin, nobody = enter("ana", "agent"), enter("ada", "admin"), Browser(app, store)
    json = {"content-type": "application/json"}
    feed = re.search(r"/calendar/[\w-]+\.ics", agent.press("/account/calendar").text)
    assert feed
    pages = ("/", f"/cases/{first}", "/thanks", "/ask", "/ledger", "/account", "/docs", "/counts", "/export.csv",
             "/export.xlsx", "/openapi.json", "/healthz", "/readyz", feed[0])  # fmt: skip
    yield from ((path, 200, agent.get(path)) for path in pages)
    yield "log", 200, admin.get("/log")
    yield "sign in", 200, nobody.get("/sign-in")
    yield "asked to sign in", 303, nobody.get("/")
    yield "taken", 303, agent.press(f"/cases/{first}/take")
    yield "other host", 400, nobody.get("/", headers={"host": "evil.example"})
    yield "no key", 401, nobody.get("/v1/escalations")
    yield "no role", 403, agent.get("/log")
    yield "foreign form", 403, agent.post("/take-next", data={"token": "x"})
    yield "wrong password", 403, nobody.press("/sign-in", name="ana", password="wrong")
    yield "no page", 404, agent.get("/nowhere")
    yield "no address of the API", 404, nobody.get("/v1/nowhere")
    yield "no style", 404, nobody.get("/static/nowhere.css")
    yield "no method", 405, agent.delete("/")
    yield "options", 405, nobody.options("/v1/score")
    yield "somebody was faster", 409, agent.press(f"/cases/{second}/take")
    yield "too long", 413, agent.press("/views", query="x" * 100_000)
    yield "no form", 415, agent.post("/views", content="{}", headers=json)
    yield "bad filter", 422, agent.get("/?tab=lost")
    yield "bad case", 422, agent.press(f"/cases/{first}/close", outcome="fled")


def test_every_answer_keeps_to_itself(app: FastAPI, store: Store, enter: Callable[..., Browser]) -> None:
    for name, status, answer in answers(app, store, enter):
        assert answer.status_code == status, name
        kept_to_itself(answer.headers, name)
        assert answer.headers["cache-control"] == "no-store", name


def test_the_style_may_be_kept_and_nothing_else(app: FastAPI) -> None:
    answer = TestClient(app, base_url=BASE).get("/static/desk.css?1")
    kept_to_itself(answer.headers, "style")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_failure_shows_neither_its_cause_nor_its_text(
    app: FastAPI, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    token = sign_in(store, "ana", "agent")
    fill(store, 90.0)
    client = TestClient(app, base_url=BASE, raise_server_exceptions=False, headers={"Cookie": f"__Host-amends={token}"})
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE cases RENAME TO elsewhere")
    for path in ("/", "/cases/1", "/export.xlsx"):
        answer = client.get(path)
        assert (answer.status_code, "Something broke on our side" in answer.text) == (500, True)
        assert "sqlite" not in answer.text.lower()
        kept_to_itself(answer.headers, path)
        assert answer.headers["cache-control"] == "no-store"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["detail"][:31]) == (503, "the case store does not answer:")
    assert "words of C-1" not in caplog.text
    assert "GET failed: OperationalError" in caplog.text


def test_a_page_that_is_not_there_knows_who_asks(agent: Browser, app: FastAPI, store: Store) -> None:
    assert "Back to the queue" in agent.get("/nowhere").text
    assert 'href="/sign-in">Sign in' in Browser(app, store).get("/nowhere").text


def kept_to_itself(of: Mapping[str, str], name: str) -> None:
    policy = dict(part.strip().split(" ", 1) for part in of["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'", name
    assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
    assert set(policy.values()) == {"'none'", "'self'"}, name  # no unsafe-*, no other host, no data:
    assert (of["x-content-type-options"], of["x-frame-options"]) == ("nosniff", "DENY"), name
    assert (of["cross-origin-opener-policy"], of["cross-origin-resource-policy"]) == ("same-origin", "same-origin")
    assert of["referrer-policy"] == "same-origin"
    assert "server" not in of
