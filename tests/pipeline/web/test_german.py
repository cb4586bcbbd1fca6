"""The desk in German: no page and no error mixes its languages, numbers are German ones, and buttons stay short."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from models.promise import Promise
from pipeline.followup import people, sessions
from pipeline.followup.store import Store
from pipeline.web.app import create_app
from pipeline.web.scorer import Loading
from tests.pipeline.web.conftest import BASE, Browser, sign_in
from tests.pipeline.web.test_language import PLACE, of, read, texts_of
from tests.pipeline.web.worked import ANA, Seen, live, work

DE = {"accept-language": "de-AT,de;q=0.9,en;q=0.5"}
# What stands on a page as it is in any language: names, codes, numbers of customers, what a program is given.
NAMES = r"(?:Amends|ana|bo|lea|foo|bar|[CKP]-\d+)"
ANYWHERE = re.compile(
    rf"\(?{NAMES}\)?\.?|{NAMES} — Amends|CSV|Excel|English|Deutsch|Enter|\(?UTC\)?|(?:· )?email|en|Foo\.|Xyzzy.*|\w"
    r"|[\d.,]+ EUR(?: · foo)?|python score\.py .*|10\.0\.0\.\d|score\.py|test"
)


@pytest.fixture
def app(store: Store) -> FastAPI:
    promise = Promise("detractor", 1_234, 1_000)
    return create_app(store=store, scorer=Loading(lambda: pytest.fail("nobody scores here")), promise=lambda: promise)


@pytest.fixture
def german(app: FastAPI, store: Store) -> Browser:
    """An admin called lea at a desk where everything was done, whose browser speaks German."""
    work(store)
    browser = Browser(app, store, sign_in(store, "lea", "admin"))
    browser.headers.update(DE)
    return browser


PAGES = [
    "/", "/?tab=mine", "/?tab=overdue", "/?tab=review", "/?tab=all", "/?tab=closed", "/?marked=1", "/?marked=13",
    "/?q=nowhere", "/?tab=all&page=9", "/?tab=all&channel=email", "/account", "/ledger", "/log",
    "/ledger?days=365&by_agent=true", "/log?before=60", "/thanks", "/thanks?page=2", "/ask", "/nowhere", "/cases/999",
]  # fmt: skip
QUIET = ["/", "/?tab=mine", "/?tab=overdue", "/?tab=review", "/?tab=all", "/?tab=closed", "/ledger", "/thanks", "/ask"]


def looks(browser: TestClient, paths: list[str]) -> dict[str, set[str]]:
    pages = {path: browser.get(path) for path in paths}
    assert {path: page.status_code for path, page in pages.items() if page.status_code not in (200, 404)} == {}
    return {path: Seen(page.text).texts for path, page in pages.items()}


def in_both(browser: TestClient, paths: list[str]) -> Iterator[tuple[str, set[str], set[str]]]:
    """Yield each path with what it shows in German, and in English."""
    browser.headers["accept-language"] = "en"
    english = looks(browser, paths)
    browser.headers.update(DE)
    german = looks(browser, paths)
    yield from ((path, german[path], english[path]) for path in paths)


def check(browser: TestClient, paths: list[str]) -> None:
    """No page in German shows a sentence in English: not one that was translated, and not one that never could be."""
    translated = [(english, form) for message in of(read("de")).values() for english, form in texts_of(message)]
    same = {english for english, form in translated if english == form}
    patterns = [
        re.escape(english) for english, form in translated if english != form and PLACE.sub("", english).strip()
    ]
    places = [re.sub(r"%\\\(\w+\\\)s", ".+", pattern.replace("%%", "%")) for pattern in patterns]
    any_english = re.compile("|".join(places))
    for path, german, english in in_both(browser, paths):
        assert {text for text in german if any_english.fullmatch(text)} == set(), path
        untouched = {text for text in german & english if re.search(r"[^\W\d_]", text)} - same
        assert {text for text in untouched if not ANYWHERE.fullmatch(text)} == set(), path


def test_no_page_of_a_busy_desk_mixes_its_languages(german: Browser) -> None:
    check(german, PAGES)


def test_no_case_mixes_its_languages(german: Browser, app: FastAPI, store: Store) -> None:
    cases = [f"/cases/{case.id}" for case in live(store)] + ["/cases/1", "/cases/4", "/cases/12"]
    check(german, cases)
    holder = Browser(app, store, sessions.sign_in_known(store, ANA.name, "test", how="test"))
    check(holder, cases)


def test_no_page_of_an_empty_desk_mixes_its_languages(app: FastAPI, store: Store) -> None:
    check(Browser(app, store, sign_in(store, "lea", "lead")), QUIET)


def test_who_is_not_in_yet_is_met_in_their_language(app: FastAPI, store: Store) -> None:
    nobody = Browser(app, store)
    check(nobody, ["/sign-in", "/nowhere"])
    page = nobody.get("/sign-in", headers=DE).text
    assert '<html lang="de">' in page
    assert "Anmelden" in page


def test_what_was_chosen_outweighs_the_browser(german: Browser, store: Store) -> None:
    people.change_user(store, ANA, "lea", language="en")
    assert "Who to call first" in german.get("/").text
    assert german.press("/account/language", language="de").status_code == 303
    german.headers["accept-language"] = "en"
    assert "Wen Sie zuerst anrufen" in german.get("/").text


def test_a_demo_is_a_demo_in_any_language(store: Store) -> None:
    scorer = Loading(lambda: pytest.fail("nobody scores here"))
    app = create_app(store=store, scorer=scorer, demo=True)
    check(TestClient(app, base_url=BASE, follow_redirects=False), ["/sign-in"])


def test_what_is_wrong_is_said_in_their_language(german: Browser, app: FastAPI, store: Store) -> None:
    said = {
        "/cases/999": "Es gibt keinen Fall 999.",
        "/nowhere": "Unter dieser Adresse gibt es nichts.",
        "/?tab=nowhere": "Diese Liste gibt es nicht; die Listen sind free, mine, overdue, review, all, closed.",
        "/?value=100%25": "Value muss eine Zahl von 0 bis 1000000000000 sein, nicht &#39;100%&#39;.",
        "/?value=%3Cb%3E": "nicht &#39;&lt;b&gt;&#39;.",
        "/?page=0": "Diese Adresse fragt nach etwas, das es nicht gibt.",
        "/ledger?days=7": "Die Bilanz gibt es über die letzten 30, 90, 365 Tage.",
        "/oidc/begin": "Die Anmeldung mit dem Firmenkonto ist hier nicht eingerichtet.",
    }
    for path, sentence in said.items():
        answer = german.get(path)
        assert (answer.status_code // 100, sentence in answer.text) == (4, True), path
    free = next(case for case in live(store) if case.owner is None)
    theirs = next(case for case in live(store) if case.owner == "ana")
    german.press(f"/cases/{free.id}/take", version=free.version)
    forms: list[tuple[str, dict[str, object], str]] = [
        ("/thanks/1", {}, "Ana hat sich schon bedankt."),
        ("/thanks/99", {}, "Niemand auf der Liste hat die Nummer 99."),
        (f"/ask/{free.id}", {}, f"Fall {free.id} ist wieder offen: Rufen Sie zuerst an."),
        ("/views", {"name": " "}, "Geben Sie der Ansicht einen Namen."),
        (f"/cases/{free.id}/dance", {}, "Etwas mit diesem Namen lässt sich mit einem Fall nicht tun."),
        (f"/cases/{free.id}/note", {"note": " "}, "Schreiben Sie etwas."),
        (f"/cases/{free.id}/give", {"amount": "1000", "what": "x"}, "Für diesen Fall sind noch 50,00 EUR übrig"),
        (f"/cases/{free.id}/give", {"amount": "<b>", "what": "x"}, "&#39;&lt;b&gt;&#39; ist kein Betrag wie 12,50."),
        (f"/cases/{theirs.id}/contacted", {}, f"Ana hat Fall {theirs.id}."),
        ("/account/password", {"new": "short"}, "Ein Passwort hat 12 bis 1.024 Zeichen."),
        ("/account/language", {"language": "xx"}, "Diese Sprache gibt es hier nicht."),
    ]
    for path, fields, sentence in forms:
        answer = german.press(path, **fields)
        assert (answer.status_code // 100, sentence in answer.text) == (4, True), (path, Seen(answer.text).texts)
    agent = Browser(app, store, sign_in(store, "al", "agent"))
    assert "Das ist mit Ihrer Rolle nicht erlaubt" in agent.get("/log", headers=DE).text
    nobody = Browser(app, store)
    nobody.headers.update(DE)
    for sentence in ["Name und Passwort passen nicht zusammen."] * 5 + ["versuchen Sie es in 1 Minute wieder."]:
        assert sentence in nobody.press("/sign-in", name="ana", password="wrong").text


def test_pages_write_numbers_as_in_german(german: Browser, store: Store) -> None:
    queue = german.get("/").text
    assert all(shown in queue for shown in ("1.200", "90,", "Rufen Sie diese 1.234 zuerst an", "zu 90 % garantiert"))
    (given,) = (case.id for case in live(store) if case.spent)
    page = german.get(f"/cases/{given}").text
    assert "hat 12,50 EUR gegeben: foo" in page
    assert re.search(r"<time[^>]*>\d+\. \w+\.? \d{4}, \d\d:\d\d UTC</time>", page)


def test_buttons_fit_a_phone(german: Browser, store: Store) -> None:
    """Of 375 px, some 300 are left for the words of a button."""
    free = next(case.id for case in live(store) if case.owner is None)
    button = re.compile(r'<(?:button|a) class="button[^>]*>(.*?)(?:<kbd|</button>|</a>)', re.DOTALL)
    pages = [german.get(path).text for path in ("/", f"/cases/{free}", "/cases/1", "/ask", "/thanks", "/account")]
    german.press(f"/cases/{free}/take", version=store.case(free).version)
    pages.append(german.get(f"/cases/{free}").text)
    words = {" ".join(found.split()) for page in pages for found in button.findall(page)}
    assert {"Fall übernehmen", "Nächsten übernehmen", "Erreicht", "Fall schließen", "Übergeben"} <= words
    assert {one for one in words if len(one) > 22} == set()
