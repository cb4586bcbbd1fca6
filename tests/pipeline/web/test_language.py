"""What pages say, in every language that there is: all of it, with its facts, on every page, in its own form."""

from __future__ import annotations

import ast
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

import serve
from pipeline.config import ROOT
from pipeline.web import caseview
from pipeline.web.language import LOCALE, Language, chosen, endonyms, languages
from pipeline.web.messages import messages, skeleton

FILES = sorted(LOCALE.glob("*.po"))
PLACE = re.compile(r"%\((\w+)\)(.)|%(.)")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def said() -> Catalog:
    return messages()


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
    assert (german.date(NOW), german.date(NOW, year=False)) == ("23. Nov. 2026", "23.11.")
    assert (english.date(NOW), english.date(NOW, year=False)) == ("23 Nov 2026", "23 Nov")
    late = german.when(NOW - timedelta(hours=3), NOW)
    assert (late.exact, late.ago, late.span) == ("23. Nov. 2026, 09:00 UTC", "vor 3 Std.", "3 Std.")
    assert german.when(NOW, NOW).ago == "gerade eben"
    texts = [german.count("%(num)s text", "%(num)s texts", number) for number in (0, 1, 2, 1_234)]
    assert texts == ["0 Texte", "1 Text", "2 Texte", "1.234 Texte"]


def test_what_is_not_translated_is_said_in_english() -> None:
    german = Language("de")
    assert german.say("Nobody said this before") == "Nobody said this before"
    assert german.say("") == ""
    assert german.sentence("%(owner)s has case %(id)s", owner="bo", id=7) == "Bo hat Fall 7."
    left = "this case has %(left)s %(currency)s left; ask a lead for more"
    assert german.sentence(left, left=1_234.5, currency="EUR").startswith("Für diesen Fall sind noch 1.234,50 EUR")
    assert Language("en").sentence(left, left=1_234.5, currency="EUR").startswith("This case has 1,234.50 EUR left")
