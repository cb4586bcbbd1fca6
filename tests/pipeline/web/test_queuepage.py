"""The queue in a browser: its lists, filters and views, the next case, the word on the last one, and its exports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pytest

from models.promise import Promise
from pipeline.followup import casework, claims, views
from pipeline.followup.store import Store
from pipeline.triage.scoring import Scorer
from pipeline.web.app import create_app
from tests.pipeline.followup.hands import ANA, BO, cases, fill
from tests.pipeline.followup.hands import close as closed
from tests.pipeline.followup.lists import escalation, listed, said
from tests.pipeline.web.conftest import Browser, escalations, sign_in
from tests.pipeline.web.looking import Page, crowd, customers, in_book, in_csv, seen

TABS = {
    "free": "1 customer is waiting for a call.", "mine": "What you have taken", "overdue": "They should have heard",
    "review": "The model was not sure.", "all": "Everybody whose matter is still open.", "closed": "How it ended",
}  # fmt: skip


@pytest.fixture
def mixed(store: Store) -> dict[str, list[str]]:
    """Fill the desk with a case in every state, and return who is in which list of ana's."""
    now = datetime.now(UTC)
    fill(store, 90.0, 80.0, 70.0, 60.0, 50.0, at=now)
    late = now - timedelta(days=9)
    store.enqueue(listed(escalation("R", said("unclear", 20.0), review=True, review_reason="unsure")), at=late)
    by_name = {case.case_key: case.id for case in cases(store)}
    for who, name in ((ANA, "C-2"), (BO, "C-3"), (ANA, "C-4")):
        claims.take(store, by_name[name], who)
    casework.no_answer(store, by_name["C-4"], ANA, now + timedelta(hours=2))
    closed(store, by_name["C-5"], at=now)
    return {
        "free": ["R", "C-1"], "mine": ["C-2", "C-4"], "overdue": ["R"], "review": ["R"],
        "all": ["R", "C-1", "C-2", "C-3", "C-4"], "closed": ["C-5"],
    }  # fmt: skip


def test_each_tab_shows_its_cases_and_how_many_they_are(agent: Browser, mixed: dict[str, list[str]]) -> None:
    counts = agent.get("/counts").json()
    assert counts == {tab: len(found) for tab, found in mixed.items()}
    for tab, found in mixed.items():
        answer = agent.get(f"/?tab={tab}")
        assert sorted(customers(answer)) == sorted(found), tab
        page = Page(answer.text)
        shown = {name["data-count"] for tag, name in page.elements if tag == "span" and "data-count" in name}
        assert shown == set(counts)
        assert [given["href"] for tag, given in page.elements if given.get("aria-current") == "page"][-1] == (
            "/" if tab == "free" else f"/?tab={tab}"
        )
        lead = TABS[tab].replace("1 customer is", "2 customers are").removesuffix(".") if tab == "free" else TABS[tab]
        assert lead in page.text
    assert customers(agent.get("/")) == customers(agent.get("/?tab=free"))


def test_each_case_says_how_it_stands(agent: Browser, mixed: dict[str, list[str]]) -> None:
    page = seen(agent.get("/?tab=all"))
    assert all(words in page for words in ("you have it", "with bo", "read it yourself", "overdue", "1,200", "90.0"))
    assert "Resolved" in seen(agent.get("/?tab=closed"))


@pytest.mark.parametrize(
    ("tab", "words"),
    [("free", "Nobody to call yet"), ("mine", "You have no case"), ("overdue", "Nobody waits too long"),
     ("review", "Nothing to read"), ("all", "No open case"), ("closed", "Nothing closed yet")],
)  # fmt: skip
def test_an_empty_list_says_so_kindly(agent: Browser, tab: str, words: str) -> None:
    page = seen(agent.get(f"/?tab={tab}"))
    assert words in page
    assert ("python score.py data/sample --output data/local/tonight --enqueue" in page) == (tab == "free")


FILTERED = {
    "urgency=critical": ["A"], "complaint_type=delivery": ["B-9"], "channel=chat": ["B-9"], "lang=de": ["A", "C"],
    "value=900": ["A", "C"], "value=900.5": ["C"], "age=1": ["A", "B-9", "C"], "age=0": [], "q=refund": ["B-9"],
    "q=B-9": ["B-9"], "q=Geld zurück": ["C"], "q=nothing of it": [], "q=": ["A", "B-9", "C"], "urgency=nonsense": [],
    "urgency=critical&lang=en": [], "urgency=&value=": ["A", "B-9", "C"], "lang=de&sort=value": ["C", "A"],
    "sort=newest": ["C", "B-9", "A"], "sort=value&tab=all": ["C", "A", "B-9"], "elsewhere=1": ["A", "B-9", "C"],
}  # fmt: skip


@pytest.fixture
def various(store: Store) -> None:
    now = datetime.now(UTC)
    rows = [
        escalation("A", said("cut off", 90.0, lang="de"), urgency="critical", customer_value=900.0),
        escalation("B-9", said("no refund yet", 80.0, channel="chat"), complaint_type="delivery", customer_value=None),
        escalation("C", said("Geld zurück bitte", 70.0, lang="de"), customer_value=1e6 + 0.25),
    ]
    for row in rows:
        store.enqueue(listed(row), at=now)


def test_a_filter_narrows_the_page_and_its_exports_alike(agent: Browser, various: None) -> None:
    for query, found in FILTERED.items():
        answer = agent.get(f"/?{query}")
        assert customers(answer) == found, query
        for kind, read in (("csv", in_csv), ("xlsx", in_book)):
            export = agent.get(f"/export.{kind}?{query}")
            assert read(export) == found, (kind, query)
            assert export.headers["content-disposition"].startswith('attachment; filename="amends-')
        if not found:
            assert "Nobody fits" in seen(answer)


def test_a_page_keeps_what_was_asked(agent: Browser, various: None) -> None:
    asked = {"tab": "all", "q": 'say "late" & <b>', "urgency": "high", "channel": "chat", "lang": "de",
             "value": "1234567.5", "age": "30", "sort": "value"}  # fmt: skip
    answer = agent.get(f"/?{urlencode(asked)}")
    page = Page(answer.text)
    assert [page.values(name) for name in ("tab", "q", "value", "age")] == [
        ["all"],
        [asked["q"]],
        ["1234567.5"],
        ["30"],
    ]
    chosen = [given["value"] for tag, given in page.elements if tag == "option" and "selected" in given]
    assert chosen == ["high", "chat", "de", "value"]
    links = [str(given["href"]) for tag, given in page.elements if tag == "a" and "export" in str(given.get("href"))]
    assert len(links) == 2
    for link in links:
        assert agent.get(link).status_code == 200
        assert Page(agent.get(link.replace(link.partition("?")[0], "/")).text).values("q") == [asked["q"]]


BAD = {
    "tab=lost": "There is no such list; the lists are free, mine, overdue, review, all, closed.",
    "sort=lost": "A list can be sorted by standing,",
    "value=abc": "Value takes a number from 0 to 1000000000000; got 'abc'.",
    "value=100%25 %25d %25(x)s": "got '100% %d %(x)s'.",
    "value=<script>alert(1)</script>": "got '<script>alert(1)</script>'.",
    "value=nan": "got 'nan'.", "value=inf": "got 'inf'.", "value=-1": "got '-1'.", "value=1e400": "got '1e400'.",
    "age=36501": "Age takes a number from 0 to 36500; got '36501'.", "age=1e12": "got '1e12'.",
    "page=0": "This address asks for something that there is not.", "page=x": "This address asks",
    f"page={'9' * 5_000}": "This address asks", "marked=0": "This address asks", "marked=x": "This address asks",
}  # fmt: skip


def test_a_bad_value_is_said_in_a_sentence(agent: Browser) -> None:
    for query, sentence in BAD.items():
        answer = agent.get(f"/?{quote(query, safe='=&%')}")
        assert (answer.status_code, sentence in seen(answer)) == (422, True), (query, seen(answer))
        if not query.startswith(("page", "marked")):
            assert agent.get(f"/export.csv?{quote(query, safe='=&%')}").status_code == 422
            kept = agent.press("/views", name="x", query=quote(query, safe="=&%"))
            assert (kept.status_code, sentence in seen(kept)) == (422, True)


def test_a_view_is_kept_replaced_and_removed(agent: Browser, lead: Browser, store: Store) -> None:
    wanted = {"tab": "all", "q": "über " * 40, "value": "1234567.25", "urgency": "critical"}
    kept = agent.press("/views", name="  the   loud  ones ", query=urlencode(wanted))
    assert (kept.status_code, kept.headers["location"][:7]) == (303, "/?q=%C3")
    page = Page(agent.get(kept.headers["location"]).text)
    assert (page.values("q"), page.values("value")) == ([wanted["q"]], ["1234567.25"])
    assert "the loud ones" in page.text
    [view] = views.views(store, "ana")
    assert f'href="/?{view.query.replace("&", "&amp;")}" aria-current="true"' in agent.get(f"/?{view.query}").text
    assert "the loud ones" not in lead.get("/").text
    agent.press("/views", name="the loud ones", query="tab=mine")
    [same] = views.views(store, "ana")
    assert (same.id, same.query) == (view.id, "tab=mine")
    for stranger in (lead, agent):
        assert stranger.press(f"/views/{view.id}/remove").headers["location"] == "/"
        assert len(views.views(store, "ana")) == (1 if stranger is lead else 0)
    for number in ("999", "99999999999999999999", "0", "-1"):
        assert agent.press(f"/views/{number}/remove").status_code == 303
    assert agent.press("/views/x/remove").status_code == 404
    nameless = agent.press("/views", name=" \t ", query="")
    assert (nameless.status_code, "Give the view a name." in seen(nameless)) == (422, True)


def test_nobody_keeps_too_many_views(agent: Browser, store: Store) -> None:
    for number in range(views.MOST):
        assert agent.press("/views", name=f"view {number}", query="").status_code == 303
    assert agent.press("/views", name="view 3", query="tab=all").status_code == 303
    refused = agent.press("/views", name="one more", query="")
    assert (refused.status_code, "You have 20 views already; remove one first." in seen(refused)) == (422, True)
    agent.press(f"/views/{views.views(store, 'ana')[0].id}/remove")
    assert agent.press("/views", name="one more", query="").status_code == 303
    assert agent.press("/views", name="view 0", query="").status_code == 422  # it was removed, and is one more


def test_take_next_takes_the_most_important_free_case(
    agent: Browser, store: Store, mixed: dict[str, list[str]]
) -> None:
    assert agent.get("/counts").json()["free"] == 2
    taken = [agent.press("/take-next").headers["location"] for _ in range(3)]
    ids = {case.case_key: case.id for case in cases(store)}
    assert taken == [f"/cases/{ids['R']}", f"/cases/{ids['C-1']}", "/?tab=free"]
    assert agent.get("/counts").json()["free"] == 0  # counted anew, and not two seconds later
    assert "Everyone on the list has heard from a person." in seen(agent.get(taken[-1]))


def test_take_next_leaves_second_failures_to_leads(agent: Browser, lead: Browser, store: Store) -> None:
    [case] = fill(store, 90.0)
    closed(store, case.id, at=datetime.now(UTC))
    store.enqueue(escalations("again"), at=datetime.now(UTC))  # somebody else, C-0
    store.enqueue(listed(escalation("C-1", said("once more", 20.0))), at=datetime.now(UTC))
    assert customers(agent.get("/")) == ["C-1", "C-0"]
    assert "let down again: for a lead" in seen(agent.get("/"))
    assert agent.press("/take-next").headers["location"] != f"/cases/{case.id}"
    assert agent.press("/take-next").headers["location"] == "/?tab=free"
    assert lead.press("/take-next").headers["location"] == f"/cases/{case.id}"


def test_the_last_case_is_told_of_and_its_end_can_be_undone(
    agent: Browser, enter: Callable[..., Browser], store: Store
) -> None:
    enter("bo", "agent")
    ids = [case.id for case in fill(store, 90.0, 80.0, 70.0, 60.0)]
    for case in ids:
        agent.press(f"/cases/{case}/take")
    done = {
        "close": ({"outcome": "resolved", "root_cause": "process"}, "C-1: closed. Undo"),
        "no-answer": ({"again": "3 h"}, "C-2: to be called again."),
        "hand-over": ({"to": "bo", "note": "yours"}, "C-3: with bo."), "release": ({}, "C-4: put back."),
    }  # fmt: skip
    for case, (action, (fields, words)) in zip(ids, done.items(), strict=True):
        answer = agent.press(f"/cases/{case}/{action}", **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/?marked={case}")
        assert words in seen(agent.get(answer.headers["location"])), action
    page = Page(agent.get(f"/?marked={ids[0]}").text)
    assert ("form", f"/cases/{ids[0]}/reopen") in [(tag, given.get("action")) for tag, given in page.elements]
    assert page.values("version") == [str(store.case(ids[0]).version)]
    assert agent.press(f"/cases/{ids[0]}/reopen", version=page.values("version")[0]).status_code == 303
    assert store.case(ids[0]).held_by(datetime.now(UTC)) == "ana"
    for unknown in ("999", "99999999999999999999"):
        assert 'class="notice"' not in agent.get(f"/?marked={unknown}").text


def test_the_promise_stands_over_the_whole_list_alone(store: Store, scorer: Scorer) -> None:
    promised = create_app(store=store, scorer=scorer, promise=lambda: Promise("detractor", 1_200, 950))
    agent = Browser(promised, store, sign_in(store, "ana", "agent"))
    said_so = 'Call these 1,200 first. "Likely detractor" is true of at least 950 of them'
    assert said_so in seen(agent.get("/"))
    for query in ("?tab=all", "?q=late", "?urgency=high"):
        assert said_so not in seen(agent.get(f"/{query}"))


def test_every_case_is_on_one_page_of_the_list(agent: Browser, store: Store) -> None:
    everybody = crowd(store, 1_051)
    pages = [agent.get(f"/?sort=standing&page={number}") for number in (1, 2, 20, 21, 22, 23)]
    assert customers(pages[0]) + customers(pages[1]) == everybody[:100]
    assert [customers(page) for page in pages[2:]] == [
        everybody[950:1_000],
        everybody[1_000:1_050],
        everybody[1_050:],
        [],
    ]
    ways = [("Earlier ranks" in page.text, "Later ranks" in page.text) for page in pages]
    assert ways == [(False, True), (True, True), (True, True), (True, True), (True, False), (True, False)]
    assert '<ol class="queue" start="51">' in pages[1].text
    assert "The list ends before this page" in seen(pages[-1])
    assert "?sort=due&amp;tab=all&amp;page=2" in agent.get("/?tab=all&sort=due").text


def test_an_export_has_all_cases_of_a_long_list(agent: Browser, store: Store) -> None:
    everybody = crowd(store, 10_001)
    assert in_csv(agent.get("/export.csv")) == everybody
    assert in_csv(agent.get("/export.csv?tab=mine")) == []
