"""What pages say, in every language that there is: all of it, with its facts, on every page, in its own form."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

import serve
from models.promise import Promise
from pipeline.config import ROOT
from pipeline.followup import people
from pipeline.followup.store import Store
from pipeline.web import caseview
from pipeline.web.app import create_app
from pipeline.web.language import LOCALE, Language, chosen, endonyms, languages
from pipeline.web.messages import messages, skeleton
from pipeline.web.scorer import Loading
from tests.pipeline.web.conftest import BASE, Browser, sign_in
from tests.pipeline.web.worked import ANA, WORDS, Seen, live, work

DE = {"accept-language": "de-AT,de;q=0.9,en;q=0.5"}
FILES = sorted(LOCALE.glob("*.po"))
PLACE = re.compile(r"%\((\w+)\)(.)|%(.)")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
# What stands on a page as it is in any language: names, codes, numbers of customers, what a program is given.
ANYWHERE = re.compile(
    r"Amends|.* — Amends|CSV|Excel|API|English|Deutsch|Enter|UTC|EUR|\(UTC\)|(· )?email|en|ana|bo|lea|foo|bar\.?|\(?foo\)?|Foo\."
    r"|Xyzzy.*|\w{1,2}|[CKP]-\d+|.*\bEUR\b.*|[\d.,]+ %|python score\.py .*|user-\w+|http:.*|10\.0\.0\.\d|score\.py|test"
)


@pytest.fixture(scope="module")
def said() -> Catalog:
    return messages()


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


def texts_of(message: Message) -> list[tuple[str, str]]:
    """Return each translated form of a message with the form that it translates."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    return [(message.id[min(place, 1)], form) for place, form in enumerate(message.string)]


def read(language: str) -> Catalog:
    with (LOCALE / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def of(catalogue: Catalog) -> dict[Any, Message]:
    return {message.id: message for message in catalogue if message.id}


def test_german_is_there() -> None:
    assert "de" in languages()
    assert endonyms() == {"en": "English", "de": "Deutsch"} | {k: v for k, v in endonyms().items() if k not in "en de"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sentence_is_translated_and_none_is_left_over(path: Path, said: Catalog) -> None:
    """After a sentence was changed: python serve.py messages de > new.po, translate what is empty, put it in place."""
    there, wanted = of(read(path.stem)), of(said)
    assert there.keys() - wanted.keys() == set()
    assert wanted.keys() - there.keys() == set()
    assert [
        one for one, message in there.items() if message.fuzzy or not all(form for _, form in texts_of(message))
    ] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_translation_says_the_same_facts_in_the_same_shape(path: Path) -> None:
    catalogue = read(path.stem)
    for message in of(catalogue).values():
        assert list(message.check(catalogue)) == []
        for english, form in texts_of(message):
            assert sorted(PLACE.findall(form)) == sorted(PLACE.findall(english)), english
            assert (form[:1].isspace(), form[-1:].isspace()) == (False, False)
            assert "  " not in form
            assert english.endswith((".", "?")) is form.endswith((".", "?")), english


@pytest.mark.parametrize("code", ["de", "fr", "pl", "ja", "ar"])
def test_a_new_file_holds_every_sentence_and_the_plurals_of_its_language(code: str, said: Catalog) -> None:
    made = read_po(io.BytesIO(skeleton(code).encode()), locale=code)
    assert of(made).keys() == of(said).keys()
    forms = {"de": 2, "fr": 2, "pl": 3, "ja": 1, "ar": 6}[code]
    assert made.num_plurals == forms
    assert {len(one.string) for one in of(made).values() if not isinstance(one.id, str)} == {forms}
    kept = {one.id: one.string for one in of(made).values() if any(form for _, form in texts_of(one))}
    there = {one.id: one.string for one in of(read(code)).values()} if code in languages() else {}
    assert kept == there


def test_the_command_prints_a_file_or_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(["messages", "fr"]) == 0
    assert capsys.readouterr().out == skeleton("fr").rstrip("\n") + "\n"
    for code in ("xx", "../x", "", "de_AT", "DE"):
        assert serve.main(["messages", code]) == 2
        assert capsys.readouterr() == (
            "",
            f"serve.py: {code!r} is the code of no language; codes are such as fr or pl\n",
        )


def test_every_kind_of_entry_has_a_sentence() -> None:
    """Whatever is noted in the log is told there in words: the names are the first argument of `note`."""
    noted = set()
    for path in (ROOT / "pipeline" / "followup").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "note":
                names = [one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)]
                noted |= {name for name in names if isinstance(name, str)}
    assert len(noted) > 20
    assert noted - caseview.SENTENCES.keys() == set()


PAGES = [
    "/", "/?tab=mine", "/?tab=overdue", "/?tab=review", "/?tab=all", "/?tab=closed", "/?marked=1", "/?marked=13",
    "/?q=nowhere", "/?tab=all&page=9", "/?tab=all&channel=email", "/account", "/ledger", "/ledger?days=365&by_agent=true",
    "/log", "/log?before=60", "/thanks", "/thanks?page=2", "/ask", "/nowhere", "/cases/999",
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
    from pipeline.followup import sessions

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


@given(st.text() | st.lists(st.sampled_from([*"abde-*;=q,. 0189", "de", "en", ";q=", "inf", "nan"])).map("".join))
def test_no_browser_asks_for_a_language_in_a_way_that_breaks_the_page(accepted: str) -> None:
    assert chosen(accepted) in languages()
    assert chosen(accepted, "de") == "de"
    assert chosen(accepted, accepted) in languages()


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"), ("*", "en"), ("de", "de"), ("DE", "de"), ("de-AT,en;q=0.5", "de"), ("xx, de", "de"),
        ("xx;q=0.9, de;q=0.8, en;q=0.7", "de"), ("en, de;q=0.9", "en"), ("de;q=0.9, en", "en"), ("de ; q=0.9", "de"),
        ("de;q=0, en;q=0.1", "en"), ("de;q=nan, en;q=0.1", "en"), ("de;q=1e9, en;q=0.1", "en"), ("de;q=-1", "en"),
        ("de;q=.5", "de"), ("en;q=0.5, de;q=1.000", "de"), ("x," * 30 + "de", "en"),
    ],
)  # fmt: skip
def test_the_first_language_that_a_browser_accepts_is_spoken(accepted: str, language: str) -> None:
    assert chosen(accepted) == language


def test_numbers_and_days_are_written_as_in_german() -> None:
    german, english = Language("de"), Language("en")
    assert [german.number(1_234.5, places) for places in (0, 1, 2)] == ["1.234", "1.234,5", "1.234,50"]
    assert [english.number(1_234.5, places) for places in (0, 1, 2)] == ["1,234", "1,234.5", "1,234.50"]
    assert (german.date(NOW), german.date(NOW, year=False)) == ("23. Nov. 2026", "23. Nov.")
    assert (english.date(NOW), english.date(NOW, year=False)) == ("23 Nov 2026", "23 Nov")
    late = german.when(NOW - timedelta(hours=3), NOW)
    assert (late.exact, late.ago, late.span) == ("23. Nov. 2026, 09:00 UTC", "vor 3 Std.", "3 Std.")
    assert german.when(NOW, NOW).ago == "gerade eben"
    texts = [german.count("%(num)s text", "%(num)s texts", number) for number in (0, 1, 2, 1_234)]
    assert texts == ["0 Texte", "1 Text", "2 Texte", "1.234 Texte"]


def test_pages_write_numbers_as_in_german(german: Browser, store: Store) -> None:
    queue = german.get("/").text
    assert all(shown in queue for shown in ("1.200", "90,", "Rufen Sie diese 1.234 zuerst an", "zu 90 % garantiert"))
    (given,) = (case.id for case in live(store) if case.spent)
    page = german.get(f"/cases/{given}").text
    assert "hat 12,50 EUR gegeben: foo" in page
    assert re.search(r"<time[^>]*>\d+\. \w+\.? \d{4}, \d\d:\d\d UTC</time>", page)


def test_what_is_not_translated_is_said_in_english() -> None:
    german = Language("de")
    assert german.say("Nobody said this before") == "Nobody said this before"
    assert german.say("") == ""
    assert german.sentence("%(owner)s has case %(id)s", owner="bo", id=7) == "Bo hat Fall 7."
    assert german.sentence("this case has %(left)s %(currency)s left; ask a lead for more", left=1234.5, currency="EUR") \
        == "Für diesen Fall sind noch 1.234,50 EUR übrig; fragen Sie für mehr die Teamleitung."  # fmt: skip


def test_buttons_fit_a_phone(german: Browser, store: Store) -> None:
    """Of 375 px, some 300 are left for the words of a button."""
    free = next(case.id for case in live(store) if case.owner is None)
    button = re.compile(r'<(?:button|a) class="button[^>]*>(.*?)(?:<kbd|</button>|</a>)', re.DOTALL)
    pages = [german.get(path).text for path in ("/", f"/cases/{free}", "/cases/1", "/ask", "/thanks", "/account")]
    german.press(f"/cases/{free}/take", version=store.case(free).version)
    pages.append(german.get(f"/cases/{free}").text)
    words = {" ".join(found.split()) for page in pages for found in button.findall(page)}
    assert {"Fall übernehmen", "Nächsten Fall", "Erreicht", "Fall schließen", "Übergeben"} <= words
    assert {one for one in words if len(one) > 22} == set()
