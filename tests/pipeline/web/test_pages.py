"""The pages beside the queue (people to thank and to ask again, the ledger, the log), and what every page has."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from pipeline.followup import casework, claims, promoters
from pipeline.followup.audit import NIGHT
from pipeline.followup.policy import Policy, Thanks
from pipeline.followup.store import Store
from pipeline.triage.answers import PROMOTERS
from tests.pipeline.followup.hands import ANA, fill
from tests.pipeline.followup.hands import close as closed
from tests.pipeline.followup.lists import escalation, listed, said
from tests.pipeline.web.conftest import BASE, Browser, sign_in
from tests.pipeline.web.looking import Page, customers, seen

PAGES = (
    "/",
    "/?tab=closed",
    "/cases/1",
    "/thanks",
    "/ask",
    "/ledger",
    "/account",
    "/docs",
    "/log",
    "/nowhere",
    "/sign-in",
)
DAY = timedelta(days=1)


def praise(store: Store, *values: float) -> None:
    """Put people on the list of those to thank, of these customer values."""
    rows = [
        {"case_key": f"P-{n}", "id": f"p-{n}", "customer_id": f"P-{n}", "customer_value": value, "nps": 10.0,
         "text": f"wonderful {n}", "created_at": "2026-11-20T08:00:00Z"} for n, value in enumerate(values)
    ]  # fmt: skip
    with store.change(NIGHT) as change:
        promoters.take_in(change, Policy(thanks=Thanks(most=200)), pa.Table.from_pylist(rows, schema=PROMOTERS))


def thanked(page: str) -> list[str]:
    return re.findall(r"<bdi>(P-\d+)</bdi>", page)


def test_people_are_thanked_by_one_key(agent: Browser, lead: Browser, store: Store) -> None:
    assert "Nobody to thank yet" in seen(agent.get("/thanks"))
    praise(store, 10.0, 1234.0)
    page = agent.get("/thanks")
    assert thanked(page.text) == ["P-1", "P-0"]
    assert all(words in seen(page) for words in ("10 of 10", "value 1,234", "wonderful 1"))
    keys = [given for tag, given in Page(page.text).elements if given.get("data-line-key") == "t"]
    assert len(keys) == 2
    assert agent.press("/thanks/2").headers["location"] == "/thanks"
    page = agent.get("/thanks")
    assert (thanked(page.text), "thanked by ana" in seen(page)) == (["P-0", "P-1"], True)
    again = lead.press("/thanks/2")
    assert (again.status_code, "Ana has thanked them already." in seen(again)) == (409, True)
    for number in ("3", "0", "99999999999", "-1"):
        nobody = agent.press(f"/thanks/{number}")
        assert (nobody.status_code, "Nobody to thank has the number" in seen(nobody)) == (404, True)
    assert agent.press("/thanks/x").status_code == 404


def test_many_people_are_on_several_pages(agent: Browser, store: Store) -> None:
    praise(store, *range(120, 0, -1))
    pages = [agent.get(f"/thanks?page={number}") for number in (1, 2, 3, 4)]
    assert [name for page in pages for name in thanked(page.text)] == [f"P-{n}" for n in range(120)]
    assert [("Earlier" in seen(page), "Later" in seen(page)) for page in pages] == [
        (False, True), (True, True), (True, False), (False, False)
    ]  # fmt: skip
    assert agent.get("/thanks?page=0").status_code == agent.get("/thanks?page=x").status_code == 422


def test_customers_are_asked_again_a_fortnight_later(agent: Browser, store: Store) -> None:
    now = datetime.now(UTC)
    first, second, lost = (case.id for case in fill(store, 90.0, 80.0, 70.0, at=now - 30 * DAY))
    for case, days in ((first, 20), (second, 13)):
        closed(store, case, at=now - days * DAY)
    claims.take(store, lost, ANA, at=now - 20 * DAY)  # nobody ever reached this one, so there is nothing to ask about
    casework.close(store, lost, ANA, "lost", "price", at=now - 20 * DAY)
    page = agent.get("/ask")
    assert customers(page) == ["C-1"]
    assert "It is 14 days and more since you made it right." in seen(page)
    assert agent.press(f"/ask/{first}").headers["location"] == "/ask"
    assert "Nobody to ask" in seen(agent.get("/ask"))
    assert (store.case(first).events[-1].who, store.case(first).events[-1].what) == ("ana", "asked")
    assert agent.press(f"/ask/{first}").status_code == 303  # twice is as once
    store.enqueue(listed(escalation("C-2", said("and again", 90.0))), at=now)
    opened = agent.press(f"/ask/{second}")
    assert (opened.status_code, f"Case {second} is open again: call its customer first." in seen(opened)) == (409, True)
    for number in ("99", "0", "99999999999"):
        nobody = agent.press(f"/ask/{number}")
        assert (nobody.status_code, f"There is no case {number}." in seen(nobody)) == (404, True)


def test_the_log_tells_an_admin_everything(enter: Callable[..., Browser], store: Store) -> None:
    ada = enter("ada", "admin")
    [case] = fill(store, 90.0)
    claims.take(store, case.id, ANA)
    for number in range(60):
        casework.remark(store, case.id, ANA, f"note {number}")
    page = ada.get("/log")
    assert all(words in seen(page) for words in ("ana", "noted", "10.0.0.1"))
    assert f'<a href="/cases/{case.id}">{case.id}</a>' in page.text
    assert "note 59" not in page.text  # what was written stands with the case
    numbers: list[int] = []
    way: str | None = "/log"
    while way:
        page = ada.get(way)
        numbers += [int(number) for number in re.findall(r"<tr><td>(\d+)</td>", page.text)]
        later = re.search(r'href="(/log\?before=\d+)"', page.text)
        way = later[1] if later else None
    assert numbers == list(range(len(numbers), 0, -1))
    assert len(numbers) > 60
    assert ada.get("/log?before=0").status_code == ada.get("/log?before=x").status_code == 422
    assert "Nothing here" in seen(ada.get("/log?before=1"))


def test_the_ledger_names_agents_to_leads_alone(
    agent: Browser, lead: Browser, enter: Callable[..., Browser], store: Store
) -> None:
    closed(store, fill(store, 90.0, at=datetime.now(UTC))[0].id, at=datetime.now(UTC))
    for days in (30, 90, 365):
        assert agent.get(f"/ledger?days={days}").status_code == 200
    assert "ana" not in seen(enter("bo", "agent").get("/ledger?by_agent=true"))
    assert "ana" in seen(lead.get("/ledger?by_agent=true"))
    assert "ana" not in seen(lead.get("/ledger"))
    wrong = agent.get("/ledger?days=7")
    assert (wrong.status_code, "The ledger is of the last 30, 90, 365 days." in seen(wrong)) == (422, True)
    assert [agent.get(f"/ledger?days={odd}").status_code for odd in ("x", "1e9", "9" * 30)] == [422] * 3


@pytest.fixture
def admin(enter: Callable[..., Browser], store: Store) -> Browser:
    fill(store, 90.0)
    return enter("ada", "admin")


def test_every_page_is_whole_and_holds_nothing_from_elsewhere(admin: Browser, app: object) -> None:
    for path in PAGES:
        answer = admin.get(path)
        page = Page(answer.text) if answer.status_code != 303 else Page(TestClient(app, base_url=BASE).get(path).text)  # type: ignore[arg-type]
        tags = [tag for tag, _ in page.elements]
        assert (tags.count("h1"), tags[: tags.index("body")].count("title"), tags.count("main")) == (1, 1, 1), path
        assert not [given for _, given in page.elements if "style" in given or any(n.startswith("on") for n in given)]
        assert "style" not in tags
        for tag, given in page.elements:
            for name in ("href", "src", "action"):
                assert given.get(name) is None or re.match(r"(/(?!/)|#)", str(given[name])), (path, tag)
            assert tag != "script" or ("src" in given and "defer" in given)
        ids = [given["id"] for _, given in page.elements if "id" in given]
        assert len(ids) == len(set(ids)), path
        posts = sum(given.get("method") == "post" for _, given in page.elements)
        assert len(page.values("token")) == posts, path


def test_the_style_and_the_script_are_there(admin: Browser) -> None:
    found = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', admin.get("/").text + admin.get("/ledger").text))
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    assert {re.sub(r".*(\.\w+)\?.*", r"\1", path) for path in found} == set(kinds)
    for path in found:
        answer = admin.get(path)
        assert (answer.status_code, len(answer.content) > 100) == (200, True)
        assert answer.headers["content-type"].startswith(kinds[re.sub(r".*(\.\w+)\?.*", r"\1", path)])
    for odd in ("", "../app.py", "%2e%2e/app.py", "..%2fapp.py", "%00", "/etc/passwd", "x" * 5_000):
        assert admin.get(f"/static/{odd}").status_code == 404, odd
    assert admin.post("/static/desk.css").status_code == 405


def test_a_role_sees_its_own_ways_alone(agent: Browser, admin: Browser, app: object) -> None:
    for browser, role in ((agent, "agent"), (admin, "admin")):
        ways = re.findall('<a href="([^"]+)"', browser.get("/account").text.partition("<nav")[2].partition("</nav>")[0])
        assert ways == ["/", "/thanks", "/ask", "/ledger", *(["/log"] if role == "admin" else []), "/account", "/docs"]
    nobody = TestClient(app, base_url=BASE).get("/docs").text  # type: ignore[arg-type]
    assert 'href="/thanks"' not in nobody
    assert 'href="/sign-in"' in nobody


def test_a_demo_says_on_every_page_that_it_is_one(client: TestClient, agent: Browser, store: Store) -> None:
    headers = {"Cookie": f"__Host-amends={sign_in(store, 'demo', 'admin')}"}
    fill(store, 90.0)
    for path in PAGES:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 303 or "Sample customers, on this machine only." in answer.text, path
    assert "Sample customers" not in agent.get("/").text
