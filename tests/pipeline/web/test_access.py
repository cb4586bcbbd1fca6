"""Who may do what: every address of the desk, asked by everybody there is, and every form that is not ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from httpx2 import Response
from sqlalchemy import update
from starlette.testclient import TestClient

from pipeline.followup import claims, people, sessions
from pipeline.followup.audit import Actor
from pipeline.followup.store import Store
from pipeline.followup.tables import SESSIONS
from pipeline.triage.scoring import Scorer
from pipeline.web.access import ACCESS, COOKIE, DEMO_COOKIE
from pipeline.web.app import create_app
from pipeline.web.casepage import ACTIONS
from tests.pipeline.followup.hands import ANA, everything, fill
from tests.pipeline.followup.hands import close as closed
from tests.pipeline.web.conftest import BASE, Browser, sign_in

PEOPLE, KEYS = ("agent", "lead", "admin"), ("key:score", "key:read", "key:feedback")
PLACES = {"case_id": "1", "action": "note", "token": "guessed", "view_id": "1", "promoter_id": "1"}
REFUSALS = ("This is not for your role", "You are no longer signed in", "send a key", "this key may not")
OURS = {"origin": BASE, "sec-fetch-site": "same-origin"}
UNSAFE = [
    path
    for method, pattern in ACCESS
    if method == "POST" and not pattern.startswith("/v1/")
    for path in ([f"/cases/1/{action}" for action in ACTIONS] if "{action}" in pattern else [pattern.format(**PLACES)])
]
FIELDS = {
    "outcome": "resolved", "root_cause": "process", "note": "they were kind", "to": "lea", "amount": "5",
    "what": "flowers", "step": "own", "done": "1", "label": "urgency:low", "text": "1", "name": "mine",
    "query": "tab=all", "language": "en", "old": "", "new": "a long new password", "again": "3 h", "password": "wrong",
}  # fmt: skip


@pytest.fixture
def keys(store: Store) -> dict[str, dict[str, str]]:
    """Return the headers of a program with a key for each scope, and of one whose key was revoked."""
    by = Actor("test", "test")
    made = {f"key:{scope}": people.add_key(store, by, scope, [scope]) for scope in people.SCOPES}
    made["revoked"] = people.add_key(store, by, "old", people.SCOPES)
    people.revoke_key(store, by, "old")
    return {name: {"authorization": f"Bearer {key}"} for name, key in made.items()}


def ask(browser: TestClient, method: str, path: str, headers: dict[str, str] | None = None) -> Response:
    if path.startswith("/v1/") and method == "POST":
        return browser.post(path, json={"records": [{"text": "late again"}]}, headers=headers)
    if method == "POST":
        token = browser.token if isinstance(browser, Browser) else ""
        return browser.post(path, data={"token": token, "note": "seen"}, headers=OURS | (headers or {}))
    return browser.get(path, headers=headers)


def admitted(answer: Response) -> bool:
    if answer.status_code == 303:
        return not answer.headers["location"].startswith("/sign-in?next=")
    return answer.status_code != 401 and not any(sentence in answer.text for sentence in REFUSALS)


def known_as(visitor: str, path: str) -> str:
    """Return as whom a visitor counts there: programs have no pages, and people no keys."""
    return visitor if visitor in (KEYS if path.startswith("/v1/") else PEOPLE) else "nobody"


def test_the_table_names_every_route_and_no_other(app: FastAPI) -> None:
    contexts = list(iter_route_contexts(app.routes))
    routes = {(method, str(one.path)) for one in contexts for method in one.methods or ()}
    assert routes == set(ACCESS)
    # The one address without a method is the folder of the style and the script, which hold nothing of anybody.
    assert [one.path for one in contexts if not one.methods] == ["/static"]


def test_what_is_open_to_whom() -> None:
    """The table once more, from the other side: who adds a way in for nobody or for a program says so here."""
    of = {who: {path for (_, path), may in ACCESS.items() if who in may} for who in ("nobody", "agent", "lead", *KEYS)}
    assert of["nobody"] == {
        "/healthz", "/readyz", "/docs", "/openapi.json", "/sign-in", "/enter/{token}", "/oidc/begin", "/oidc/finish",
        "/calendar/{token}",
    }  # fmt: skip
    assert of["agent"] == of["lead"] == {path for _, path in ACCESS if not path.startswith("/v1/")} - {"/log"}
    assert [of[key] for key in KEYS] == [{"/v1/score"}, {"/v1/escalations"}, {"/v1/feedback"}]


@pytest.mark.parametrize("visitor", ["nobody", *PEOPLE, *KEYS, "revoked"])
def test_everybody_may_do_what_the_table_says_and_nothing_else(
    app: FastAPI, store: Store, keys: dict[str, dict[str, str]], visitor: str
) -> None:
    fill(store, 90.0)
    wrong = []
    if visitor in PEOPLE:
        sign_in(store, visitor, visitor)
    for (method, pattern), allowed in ACCESS.items():
        # A session of its own for each: some of them end it.
        token = sessions.sign_in_known(store, visitor, "test", how="test") if visitor in PEOPLE else None
        answer = ask(Browser(app, store, token), method, pattern.format(**PLACES), keys.get(visitor))
        if admitted(answer) != (known_as(visitor, pattern) in allowed):
            wrong.append((method, pattern, answer.status_code))
    assert not wrong


def test_how_somebody_is_refused(app: FastAPI, store: Store, agent: Browser, keys: dict[str, dict[str, str]]) -> None:
    nobody = Browser(app, store)
    page = nobody.get("/?tab=mine&q=late bill")
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=/%3Ftab%3Dmine%26q%3Dlate%2520bill")
    change = nobody.press("/take-next")
    assert (change.status_code, "so nothing was changed. Sign in and try again." in change.text) == (403, True)
    counts = nobody.get("/counts")
    assert (counts.status_code, counts.json()) == (401, {"detail": "you are no longer signed in; go to /sign-in"})
    log = agent.get("/log")
    assert (log.status_code, "This is not for your role; ask whoever runs the desk." in log.text) == (403, True)
    for headers in ({}, keys["revoked"], {"authorization": "Basic YTpi"}, {"authorization": b"Bearer x\xff"}):
        program = nobody.get("/v1/escalations", headers=headers)
        assert (program.status_code, program.json()["detail"][:41]) == (
            401,
            "send a key: Authorization: Bearer amends_",
        )
    scope = nobody.get("/v1/escalations", headers=keys["key:score"])
    assert (scope.status_code, scope.json()["detail"]) == (403, "this key may not do this; its scopes are others")


@pytest.mark.parametrize("path", ["/new", "/v1/new"])
def test_what_is_not_in_the_table_is_for_nobody(
    app: FastAPI, store: Store, enter: Callable[..., Browser], keys: dict[str, dict[str, str]], path: str
) -> None:
    app.add_api_route(path, lambda: "secret", methods=["GET", "POST"])
    admin, nobody = enter("ada", "admin"), Browser(app, store)
    for method in ("GET", "POST"):
        answers = [ask(admin, method, path), ask(nobody, method, path)]
        answers += [ask(nobody, method, path, headers) for headers in keys.values()]
        assert {answer.status_code for answer in answers} <= {401, 403}
        assert not [answer for answer in answers if "secret" in answer.text]


def test_a_program_needs_no_key_at_a_demo_alone(
    client: TestClient, app: FastAPI, store: Store, keys: dict[str, dict[str, str]]
) -> None:
    assert admitted(ask(client, "GET", "/v1/escalations"))
    assert ask(client, "POST", "/v1/score").status_code == 200
    assert ask(client, "GET", "/v1/escalations", keys["revoked"]).status_code == 401  # it does not become nobody's
    assert ask(client, "GET", "/v1/escalations", keys["key:score"]).status_code == 403
    assert ask(client, "GET", "/").status_code == 303  # people sign in at a demo too
    assert ask(Browser(app, store), "GET", "/v1/escalations").status_code == 401


def test_the_cookie_of_a_demo_opens_a_demo_alone(client: TestClient, app: FastAPI, store: Store) -> None:
    cookie = {"Cookie": f"{DEMO_COOKIE}={sign_in(store, 'ana', 'agent')}"}
    assert client.get("/", headers=cookie).status_code == 200
    assert Browser(app, store).get("/", headers=cookie).status_code == 303


BREACHES: dict[str, tuple[str | None, dict[str, str]]] = {
    "no token": (None, OURS),
    "empty token": ("", OURS),
    "token of somebody else": ("of lea", OURS),
    "token of another session": ("of before", OURS),
    "token of nobody": ("of nobody", OURS),
    "foreign page": ("right", {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}),
    "origin without a name": ("right", {"origin": "null", "sec-fetch-site": "same-origin"}),
    "origin and fetch at odds": ("right", OURS | {"origin": "http://evil.example"}),
    "another port": ("right", {"origin": "http://127.0.0.1:8001"}),
    "another scheme": ("right", {"origin": "https://127.0.0.1:8000"}),
    "broken origin": ("right", {"origin": "http://[::1"}),
    "foreign referer": ("right", OURS | {"referer": "http://evil.example/"}),
    "subdomain": ("right", {"sec-fetch-site": "same-site"}),
    "cross-site": ("right", OURS | {"sec-fetch-site": "cross-site"}),
    "typed": ("right", {"sec-fetch-site": "none"}),
    "says nothing": ("right", {}),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_form_that_is_not_ours_changes_nothing(
    app: FastAPI, store: Store, agent: Browser, lead: Browser, breach: str
) -> None:
    fill(store, 90.0)
    claims.take(store, 1, ANA)
    before = sessions.sign_in_known(store, "ana", "test", how="test")
    token, headers = BREACHES[breach]
    tokens = {"of lea": lead.token, "of before": Browser(app, store, before).token, "of nobody": app.state.token}
    tokens |= {"right": agent.token}
    fields = FIELDS | ({} if token is None else {"token": tokens.get(token, token)})
    was = everything(store)
    answers = {path: agent.post(path, data=fields, headers=headers) for path in UNSAFE}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(UNSAFE, 403)
    said = ("did not come from a page of the desk", "You have signed in anew since this page was opened")
    assert all(any(sentence in answer.text for sentence in said) for answer in answers.values())
    assert everything(store) == was


def test_the_same_forms_from_our_own_pages_are_taken(store: Store, agent: Browser, lead: Browser) -> None:
    cases = [case.id for case in fill(store, *[90.0] * len(ACTIONS))]
    for case, action in zip(cases, ACTIONS, strict=True):
        if action == "reopen":
            closed(store, case, at=datetime.now(UTC))
        elif action != "take":
            claims.take(store, case, ANA)
        fields: dict[str, Any] = FIELDS | {"text": case}
        assert agent.press(f"/cases/{case}/{action}", **fields).status_code == 303, action
    # The last one ends the session.
    for path in ("/take-next", "/views", "/views/1/remove", "/account/language", "/sign-out"):
        assert agent.press(path, **FIELDS).status_code == 303, path
    assert (agent.get("/").status_code, lead.get("/").status_code) == (303, 200)


def test_a_referer_alone_is_enough_where_a_browser_sends_no_more(store: Store, agent: Browser) -> None:
    fill(store, 90.0)
    form = {"token": agent.token, "note": "seen"}
    assert agent.post("/cases/1/note", data=form, headers={"referer": f"{BASE}/cases/1"}).status_code == 303


@pytest.mark.parametrize("change", [{"active": False}, {"role": "lead"}, {"password": "a long new password"}])
def test_who_is_changed_is_out_at_once(store: Store, agent: Browser, lead: Browser, change: dict[str, Any]) -> None:
    assert agent.get("/").status_code == 200
    people.change_user(store, Actor("test", "test"), "ana", **change)
    assert agent.get("/").status_code == 303
    assert agent.press("/take-next").status_code == 403
    assert lead.get("/").status_code == 200


def test_a_session_ends(store: Store, agent: Browser, app: FastAPI) -> None:
    with store.engine.begin() as connection:
        connection.execute(update(SESSIONS).values(expires_at=datetime.now(UTC)))
    assert agent.get("/").status_code == 303
    for token in ("", "guessed", "x" * 5_000, "a b", "%00", '"'):
        assert Browser(app, store).get("/", headers={"Cookie": f"{COOKIE}={token}"}).status_code == 303


def test_a_key_opens_nothing_once_it_is_revoked(store: Store, app: FastAPI, scorer: Scorer) -> None:
    by = Actor("test", "test")
    headers = {"authorization": f"bearer  {people.add_key(store, by, 'crm', ['read'])} "}
    client = TestClient(create_app(store=store, scorer=scorer), base_url=BASE)
    assert client.get("/v1/escalations", headers=headers).status_code == 200
    people.revoke_key(store, by, "crm")
    assert client.get("/v1/escalations", headers=headers).status_code == 401
