"""The cribs of the desk: complete in both languages, short enough for a glance, and refused where they are misspelt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipeline.config import ROOT, Config, ConfigError
from pipeline.followup.playbooks import Playbook, load, playbook_for
from pipeline.followup.policy import Policy

SHIPPED = Policy().playbooks
FILES = {"en": ROOT / "configs/playbooks.yaml", "de": ROOT / "configs/playbooks.de.yaml"}
KEYS = ["say_first", "own", "fix", "give", "check", "avoid"]
SIZES = {"en": ("small", "middle", "large"), "de": ("klein", "mittel", "groß")}


def raw(language: str) -> dict[str, dict[str, list[str]]]:
    books: dict[str, dict[str, list[str]]] = yaml.safe_load(FILES[language].read_text(encoding="utf-8"))["playbooks"]
    return books


def lines(language: str) -> Iterator[tuple[str, str, str]]:
    for label, book in raw(language).items():
        for key, those in book.items():
            yield from ((label, key, line) for line in those)


def of(word: str) -> dict[str, list[str]]:
    return {key: [f"{word} {key}"] for key in KEYS}


def written(folder: Path, books: Any, name: str = "cribs.yaml") -> str:
    path = folder / name
    path.write_text(yaml.safe_dump({"playbooks": books}), encoding="utf-8")
    return str(path)


def refused(path: str, language: str = "en") -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, language)
    return str(caught.value)


@pytest.mark.parametrize("language", FILES)
def test_every_complaint_type_has_a_playbook_of_its_own(language: str) -> None:
    types = next(head.labels for head in Config().schema_().heads if head.name == "complaint_type")
    assert len(types) == 14
    assert set(raw(language)) == {*types, "default"}
    assert set(load(SHIPPED, language)) == {*types, "default"}


@pytest.mark.parametrize("language", FILES)
def test_each_holds_the_same_keys_in_the_order_of_a_call(language: str) -> None:
    assert list(Playbook.model_fields) == KEYS
    assert {label: list(book) for label, book in raw(language).items()} == dict.fromkeys(raw("en"), KEYS)


def test_both_languages_say_as_much() -> None:
    """A line that one of them lacks is advice that half of a team never gets."""
    counts = [{(label, key): len(book[key]) for label, book in raw(code).items() for key in KEYS} for code in FILES]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("language", FILES)
def test_a_line_is_read_at_a_glance(language: str) -> None:
    for where in lines(language):
        line = where[-1]
        assert 0 < len(line) <= 140, where
        assert line == " ".join(line.split()), where
        assert not [mark for mark in ("://", "www.", "—", "–", "!", "@") if mark in line], where
        assert not line.endswith("."), where
    assert all(2 <= len(book["fix"]) <= 4 for book in raw(language).values())


@pytest.mark.parametrize("language", FILES)
def test_no_line_is_used_twice(language: str) -> None:
    """What holds for every call stands in `default`; a type says what is its own."""
    said = [line for *_, line in lines(language)]
    assert len(said) == len(set(said))


@pytest.mark.parametrize("language", FILES)
def test_a_gift_has_a_size(language: str) -> None:
    for label, book in raw(language).items():
        assert any(size in line for line in book["give"] for size in SIZES[language]), label


def test_nothing_is_left_untranslated() -> None:
    english = {line for *_, line in lines("en")}
    assert not [where for where in lines("de") if where[-1] in english]


def test_the_german_person_is_addressed_as_sie() -> None:
    words = {word.strip(",;.()").lower() for *_, line in lines("de") for word in line.split()}
    assert not words & {"du", "dich", "dir", "dein", "deine", "deinen", "euch"}
    assert "sie" in words


@pytest.mark.parametrize("language", ["de", "de-AT", "DE_de"])
def test_a_language_is_laid_over(language: str) -> None:
    assert load(SHIPPED, language)["billing"].own == tuple(raw("de")["billing"]["own"])


@pytest.mark.parametrize("language", ["en", "fr", "", "../../labels", "de/../x"])
def test_another_language_never_leaves_the_folder(language: str) -> None:
    expected = "de" if language.startswith("de") else "en"
    assert load(SHIPPED, language)["billing"].own == tuple(raw(expected)["billing"]["own"])


def test_what_a_translation_leaves_out_stays(tmp_path: Path) -> None:
    path = written(tmp_path, {"default": of("any"), "tickets": of("seat")})
    written(tmp_path, {"tickets": of("Platz")}, "cribs.de.yaml")
    books = load(path, "de")
    assert books["tickets"].fix == ("Platz fix",)
    assert books["default"].fix == ("any fix",)
    assert load(path)["tickets"].fix == ("seat fix",)


def test_a_type_without_a_playbook_falls_back(tmp_path: Path) -> None:
    books = load(written(tmp_path, {"default": of("any"), "tickets": of("seat")}))
    assert playbook_for(books, "tickets").own == ("seat own",)
    assert playbook_for(books, "unheard_of") is playbook_for(books, None) is books["default"]


def test_nothing_changes_after_loading() -> None:
    book = load(SHIPPED)["none"]
    with pytest.raises(ValidationError, match="frozen"):
        book.fix = ()


def test_an_unknown_key_is_refused_by_its_name(tmp_path: Path) -> None:
    books = {"default": of("any"), "billing": of("money") | {"fixx": ["pay"]}}
    path = written(tmp_path, books)
    assert refused(path) == f"{path}: unknown setting 'playbooks.billing.fixx'; did you mean 'fix'?"


def test_an_unknown_key_of_a_translation_names_the_translation(tmp_path: Path) -> None:
    path = written(tmp_path, {"default": of("any")})
    other = written(tmp_path, {"default": of("alle") | {"vermeide": ["x"]}}, "cribs.de.yaml")
    assert refused(path, "de").startswith(
        f"{other}: unknown setting 'playbooks.default.vermeide'; known here are avoid"
    )


def test_without_a_default_nothing_is_loaded(tmp_path: Path) -> None:
    path = written(tmp_path, {"billing": of("money")})
    assert refused(path) == f"{path}: there is no playbook 'default'; it serves every type that has none of its own"


@pytest.mark.parametrize(
    ("own", "complaint"),
    [
        (None, "should be a valid tuple; got None"),
        ([], "should have at least 1 item"),
        (["a", "b", "c", "d", "e"], "should have at most 4 items"),
        (["x" * 141], "at most 140 characters"),
        (["  "], "at least 1 character"),
        ([{"say": "sorry"}], "valid string; got {'say': 'sorry'}"),
    ],
)
def test_a_list_that_is_no_crib_is_refused(tmp_path: Path, own: Any, complaint: str) -> None:
    books: Any = {"default": of("any"), "billing": of("money") | {"own": own}}
    message = refused(written(tmp_path, books))
    assert "setting 'playbooks.billing.own" in message
    assert complaint in message
    assert "\n" not in message


def test_a_key_that_is_missing_is_named(tmp_path: Path) -> None:
    book = of("any")
    del book["avoid"]
    assert "setting 'playbooks.default.avoid': field required" in refused(written(tmp_path, {"default": book}))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"there is no file {tmp_path / 'none.yaml'}" in refused(str(tmp_path / "none.yaml"))
