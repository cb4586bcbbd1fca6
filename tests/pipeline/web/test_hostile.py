"""85 hostile texts in every field, on every page, in every export and form: each page is made of what ours are made of.

Each page is held against the same page of a desk with harmless texts: the same elements with the same attributes in the
same order, and nothing of a text outside of what stands between them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from httpx2 import Response

from pipeline.followup import casework, claims, people, promoters, views
from pipeline.followup.audit import NIGHT
from pipeline.followup.policy import Policy, Thanks
from pipeline.followup.queue import Filter, page
from pipeline.followup.store import Store
from pipeline.triage.answers import PROMOTERS
from pipeline.web.app import create_app
from pipeline.web.marking import visible
from pipeline.web.scorer import Loading
from tests.pipeline.followup.hands import ANA
from tests.pipeline.followup.lists import escalation, listed, said
from tests.pipeline.web.conftest import Browser, sign_in
from tests.pipeline.web.hostile import HOSTILE
from tests.pipeline.web.looking import Page, in_book, in_csv

NOW = datetime.now(UTC)
# Half of a pair comes no further than the API, which says so (test_api); Arrow and forms cannot even carry it.
TEXTS = [re.sub("[\ud800-\udfff]", "\ufffd", text) for text in HOSTILE]
PLAIN = [f"plain words {number}" for number in range(len(TEXTS))]
FIRST = len(TEXTS) - 60  # the last sixty stay open; of the others some are mine, some closed, some to be called again
POLICY = Policy(thanks=Thanks(most=200))


@dataclass
class Desk:
    """A desk on which texts stand in every field there is; `cases` are the numbers of theirs, in their order."""

    store: Store
    texts: list[str]
    cases: list[int]
    ana: Browser
    nobody: Browser


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    yield from _desk(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    yield from _desk(tmp_path_factory.mktemp("hostile"), TEXTS)


def _desk(folder: Path, texts: list[str]) -> Iterator[Desk]:
    store = Store.open(f"sqlite:///{folder}/amends.db", POLICY)
    app = create_app(store=store, scorer=Loading(lambda: pytest.fail("no page needs a model")))
    ana = Browser(app, store, sign_in(store, "ana", "admin"))
    sign_in(store, "bo", "agent")
    rows = [
        escalation(
            f"K-{number}", said(text, 98.0 - number / 10, id="lead", channel=text, lang=text, labels=[text]),
            said(f"again: {text}", 5.0, id=text, source=text, channel=text, lang=text, labels=[text], nps=3.0),
            customer_id=text, channel=text, lang=text, urgency=text, complaint_type=text, sentiment=text,
            signals=[text, text], review=True, review_reason=text, model_version=text,
            reasons=[{"factor": text, "contribution": 60.0, "words": [text]},
                     {"factor": "urgency", "contribution": 30.0, "words": []}],
        )
        for number, text in enumerate(texts)
    ]  # fmt: skip
    store.enqueue(listed(*rows), at=NOW - timedelta(days=20))
    by_key = {case.case_key: case.id for case in page(store, Filter("all"), "ana", limit=1_000).cases}
    cases = [by_key[f"K-{number}"] for number in range(len(texts))]
    for number, (case, text) in enumerate(zip(cases[:FIRST], texts, strict=False)):
        _work(store, case, text, number % 3)
    praise = [
        {"case_key": f"P-{number}", "id": text, "customer_id": text, "customer_value": 1.0, "reach": None, "nps": 10.0,
         "channel": text, "lang": text, "created_at": None, "text": text, "source": text}
        for number, text in enumerate(texts)
    ]  # fmt: skip
    with store.change(NIGHT) as change:
        promoters.take_in(change, POLICY, pa.Table.from_pylist(praise, schema=PROMOTERS))
    promoters.thank(store, 1, ANA)
    yield Desk(store, texts, cases, ana, Browser(app, store))
    store.close()


def _work(store: Store, case: int, text: str, state: int) -> None:
    at = (NOW, NOW, NOW - timedelta(days=19))[state]
    claims.take(store, case, ANA, at=at)
    casework.remark(store, case, ANA, text, at=at)
    casework.give(store, case, ANA, 0.5, text, at=at)
    if state == 1:
        casework.no_answer(store, case, ANA, NOW + timedelta(days=1), note=text, at=at)
    if state == 2:
        casework.close(store, case, ANA, "lost", "price", note=text, at=at)


def shape(answer: Response) -> list[tuple[str, tuple[str, ...]]]:
    """Return what a page is made of; marked words and hidden characters have elements of their own, one for each."""
    parsed = Page(answer.text)
    for tag, given in parsed.elements:
        for name in ("href", "src", "action"):
            address = given.get(name)
            assert address is None or re.fullmatch(r"(/(?![/\\])|#)[\x21-\x7e]*", address), (tag, name, address)
    assert all(value.isprintable() for value in answer.headers.values())
    ours = [(tag, tuple(given)) for tag, given in parsed.elements]
    return [one for one in ours if one not in (("mark", ()), ("span", ("class", "title")))]


def same(hostile: Response, plain: Response, *statuses: int) -> None:
    assert hostile.status_code == plain.status_code
    assert hostile.status_code in (statuses or (200,))
    assert shape(hostile) == shape(plain)


def nothing_hides(answer: Response) -> None:
    hiding = "[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
    assert not re.search(hiding, Page(answer.text).text)


PAGES = [
    "/", "/?page=2", "/?tab=all", "/?tab=all&page=2", "/?tab=mine", "/?tab=overdue", "/?tab=review", "/?tab=closed",
    "/thanks", "/thanks?page=2", "/ask", "/log", "/account", "/docs", "/ledger", "/ledger?days=365&by_agent=true",
    "/?marked=1", "/?tab=all&sort=value", "/sign-in", "/nowhere",
]  # fmt: skip


def test_every_page_is_made_as_ever(hostile: Desk, plain: Desk) -> None:
    for path in PAGES:
        answer = hostile.ana.get(path)
        same(answer, plain.ana.get(path), 200, 303, 404)
        nothing_hides(answer)


def test_every_case_is_made_as_ever_and_shows_the_whole_text(hostile: Desk, plain: Desk) -> None:
    for text, one, other in zip(hostile.texts, hostile.cases, plain.cases, strict=True):
        answer = hostile.ana.get(f"/cases/{one}")
        same(answer, plain.ana.get(f"/cases/{other}"))
        nothing_hides(answer)
        assert Page(answer.text).text.count(" ".join(visible(text.replace("\x00", "\u2400")).split())) >= 2


TYPED = {"no-answer": ("exact", "note"), "give": ("amount", "what"), "close": ("outcome", "note"),
         "hand-over": ("to", "note"), "label": ("label", "text"), "step": ("step", "note")}  # fmt: skip


def test_what_is_typed_comes_back_as_words(hostile: Desk, plain: Desk) -> None:
    path = f"/cases/{plain.cases[0]}"
    made = {action: plain.ana.press(f"{path}/{action}", **dict.fromkeys(TYPED[action], "plain")) for action in TYPED}
    for number, text in enumerate(hostile.texts):
        for action in [list(TYPED)[number % len(TYPED)], "close"]:
            fields = dict.fromkeys(TYPED[action], text[:4_000])
            same(hostile.ana.press(f"/cases/{hostile.cases[0]}/{action}", **fields), made[action], 422)


def test_what_an_address_asks_for_is_words(hostile: Desk, plain: Desk) -> None:
    asked = ("q", "channel", "value", "lang", "sort", "urgency", "tab", "age", "page", "marked")
    known = {one for path in (*PAGES, "/?value=x", "/?page=x", "/?q=x") for one in shape(plain.ana.get(path))}
    for number, text in enumerate(hostile.texts):
        for name in {"q", "channel", "value", asked[number % len(asked)]}:
            answer = hostile.ana.get("/", params={name: text[:2_000]})
            assert answer.status_code in (200, 422)
            assert set(shape(answer)) <= known, (name, text)
        coming = hostile.nobody.get("/sign-in", params={"next": text[:2_000]})
        assert Page(coming.text).values("next") == ["/"]
    for text in hostile.texts[::20]:
        refused = hostile.nobody.press("/sign-in", name=text[:2_000], password=text[:2_000], next=text[:2_000])
        assert (refused.status_code, Page(refused.text).values("name")) == (403, [text[:2_000].strip()])
        assert set(shape(refused)) <= set(shape(hostile.nobody.get("/sign-in"))) | {("p", ("class", "role"))}


def test_an_export_has_every_text_and_none_of_them_runs(hostile: Desk) -> None:
    for kind, read in (("csv", in_csv), ("xlsx", in_book)):
        found = read(hostile.ana.get(f"/export.{kind}?tab=all"))
        assert len(found) == len([case for case in hostile.cases if hostile.store.case(case).live])
        assert not [cell for cell in found if kind == "csv" and re.match(r"[=+\-@\t\r]", cell)]


def test_the_api_and_the_calendar_hold_every_text_as_data(hostile: Desk) -> None:
    key = people.add_key(hostile.store, ANA, "crm", ["read"])
    found = hostile.nobody.get("/v1/escalations?limit=1000", headers={"authorization": f"Bearer {key}"})
    assert found.content.isascii()
    live = [case for case in hostile.cases if hostile.store.case(case).live]
    assert {row["id"]: row["text"] for row in found.json()["escalations"]} == {
        case: hostile.store.case(case).text for case in live
    }
    address = re.search(r"/calendar/[\w-]+\.ics", hostile.ana.press("/account/calendar").text)
    assert address
    feed = hostile.nobody.get(address[0]).text
    lines = {re.split("[:;]", line)[0] for line in feed.split("\r\n") if line and not line.startswith(" ")}
    assert not lines & {"ATTACH", "ATTENDEE", "X", "Set-Cookie"}
    later = [case for case in live if hostile.store.case(case).next_at]
    assert feed.count("BEGIN:VEVENT") == feed.count("END:VEVENT") == len(later) > 0


def test_the_name_of_a_view_is_words(hostile: Desk, plain: Desk) -> None:
    for start in range(0, len(hostile.texts), views.MOST):
        pages = []
        for desk in (hostile, plain):
            for number, text in enumerate(desk.texts[start : start + views.MOST]):
                # The number comes first, so that no two are the same once they are cut.
                answer = desk.ana.press("/views", name=f"{number} {text[:999]}", query=f"q={text[:99]}")
                assert answer.status_code == 303
            pages.append(desk.ana.get("/?tab=closed"))
            for view in views.views(desk.store, "ana"):
                views.remove(desk.store, ANA, view.id)
        same(*pages)
        nothing_hides(pages[0])


def test_no_log_line_holds_what_was_written(hostile: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for path in ("/?tab=all", f"/cases/{hostile.cases[0]}", "/log", "/export.csv"):
        hostile.ana.get(path)
    for text in hostile.texts:
        hostile.ana.press(f"/cases/{hostile.cases[0]}/note", note=text)
        hostile.ana.get("/", params={"value": text[:500]})
    # The test's own client tells what it asks for; nobody else has anything to say.
    assert [record.getMessage() for record in caplog.records if not record.name.startswith("httpx2")] == []
