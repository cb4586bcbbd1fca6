"""The desk's pages: what they show, who may change what, and that no customer's text can do anything to them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from pipeline.followup.store import Store
from pipeline.followup.tables import METADATA
from pipeline.triage.scoring import Scorer
from pipeline.web.app import create_app
from tests.pipeline.web.conftest import BASE, NIGHT, escalations

HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    '"><a href="javascript:window.hit=1">press</a>',
    "</p></article><form action=/cases/1/mark method=post><button>",
    "{{ 7 * 7 }} {% for x in y %}",
    "<!-- hidden -->",
    "<iframe src=//example.com></iframe>",
    "paid \u202e54321\u202c and \u200bhidden",
    "nul \x01 and bell \x07",
    "w" * 3_000,
    "&lt;b&gt; is not <b>",
]


def queue_of(store: Store, *texts: str, words: list[str] | None = None) -> list[int]:
    store.enqueue(escalations(*texts, words=words), at=NIGHT)
    return [case.id for case in store.queue()]


def test_the_queue_shows_who_to_call_and_why(client: TestClient, store: Store) -> None:
    queue_of(store, "I am leaving today, cancel it all.", "Late again.", words=["leaving", "today"])
    page = client.get("/").text
    assert "<title>Amends — who to call first</title>" in page
    assert page.index("C-0") < page.index("C-1")
    assert "<mark>leaving</mark>" in page
    assert all(shown in page for shown in ("97.3", "1,200", "High", "Billing", "2 customers are waiting"))


def test_an_empty_desk_says_what_to_do(client: TestClient) -> None:
    page = client.get("/").text
    assert "Nobody to call yet" in page
    assert "python score.py data/sample --output data/local/tonight --enqueue" in page
    assert "Nothing resolved yet" in client.get("/?status=resolved").text


def test_the_points_shown_add_up_to_the_priority_shown(client: TestClient, store: Store) -> None:
    (case,) = queue_of(store, "I am leaving today.", words=["leaving"])
    page = client.get(f"/cases/{case}").text
    points = [round(float(found) * 10) for found in re.findall(r'class="bar-points">([\d.]+)<', page)]
    assert len(points) == 3
    assert sum(points) == 973


def test_a_case_is_marked_and_goes_to_its_list(client: TestClient, store: Store, mark: Callable[..., Any]) -> None:
    first, second = queue_of(store, "one", "two")
    assert mark(first, "contacted", 1).headers["location"] == f"/cases/{first}"
    done = mark(first, "resolved", 2)
    assert (done.status_code, done.headers["location"]) == (303, f"/?marked={first}")
    assert store.counts() == {"open": 1, "contacted": 0, "resolved": 1, "dismissed": 0}
    assert "is now under <strong>Resolved</strong>" in client.get(done.headers["location"]).text
    assert mark(second, "dismissed", 1).status_code == 303


def test_whoever_comes_second_is_told(store: Store, mark: Callable[..., Any]) -> None:
    (case,) = queue_of(store, "one")
    mark(case, "contacted", 1)
    late = mark(case, "dismissed", 1)
    assert late.status_code == 409
    assert "was changed since you opened it; it is contacted now" in late.text
    assert store.case(case).status == "contacted"


@pytest.mark.parametrize(
    "change",
    [
        {"form": {"token": "guessed"}},
        {"form": {"token": ""}},
        {"headers": {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}},
        {"headers": {"sec-fetch-site": "same-site"}},
        {"headers": {"origin": "null"}},
    ],
)
def test_a_form_that_is_not_ours_changes_nothing(store: Store, mark: Callable[..., Any], change: Any) -> None:
    (case,) = queue_of(store, "one")
    assert mark(case, "resolved", 1, **change).status_code == 403
    assert store.case(case).status == "open"


def test_a_form_without_any_origin_is_refused(client: TestClient, store: Store, token: str) -> None:
    (case,) = queue_of(store, "one")
    form = {"token": token, "status": "resolved", "version": "1"}
    assert client.post(f"/cases/{case}/mark", data=form).status_code == 403


@pytest.mark.parametrize("form", [{"status": "lost"}, {"version": "x"}, {"view": "elsewhere"}])
def test_a_form_that_names_nothing_is_refused(store: Store, mark: Callable[..., Any], form: dict[str, str]) -> None:
    (case,) = queue_of(store, "one")
    assert mark(case, "resolved", 1, form=form).status_code == 422


@pytest.mark.parametrize(
    "path", ["/cases/99", "/cases/0", "/cases/99999999999", "/cases/x", "/?status=lost", "/nowhere"]
)
def test_what_is_not_there_is_said_in_the_same_look(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_every_answer_keeps_to_itself(client: TestClient, store: Store) -> None:
    (case,) = queue_of(store, "one")
    for path in ("/", f"/cases/{case}", "/docs", "/nowhere", "/v1/escalations"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert headers["referrer-policy"] == "same-origin"


def test_another_host_is_refused(client: TestClient) -> None:
    answer = client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "answers only to localhost" in answer.text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_words_and_nothing_else(client: TestClient, store: Store, text: str) -> None:
    (case,) = queue_of(store, text, words=["script", "onerror"])
    for path in ("/", f"/cases/{case}"):
        page = client.get(path).text
        assert not re.search(r"<(?:img|iframe|svg onload|script>|!--)", page)
        assert "javascript:" not in "".join(re.findall(r'(?:href|src|action)="([^"]*)"', page))
        assert "49" not in html.unescape(page) or "{{ 7 * 7 }}" not in text
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x01\x07]", page)


def test_what_hides_is_made_visible(client: TestClient, store: Store) -> None:
    (case,) = queue_of(store, "paid \u202e54321\u202c now")
    assert "⟨U+202E⟩" in client.get(f"/cases/{case}").text


def test_a_failure_shows_neither_its_cause_nor_its_text(store: Store, scorer: Scorer) -> None:
    app = create_app(store=store, scorer=scorer, demo=True)
    client = TestClient(app, base_url=BASE, raise_server_exceptions=False)
    store.enqueue(escalations("a secret of a customer"), at=NIGHT)
    METADATA.drop_all(store.engine)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert "sqlite" not in answer.text.lower()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/readyz").status_code == 503
