"""What a model reads is the same for all that looks the same, and never personal."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import fold, fold_all, mask_all, prepare_all

FOLDED = [
    ("Hello", "hello"),
    ("ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
    ("ﬁne №5 ℡", "fine no5 tel"),
    ("“quoted” ‘it’s’ don´t", "\"quoted\" 'it's' don't"),
    ("a–b—c‑d−e", "a-b-c-d-e"),
    ("  two \n\t lines\u00a0here ", "two lines here"),
    ("soooooo baaad", "sooo baaad"),
    ("sооооооо", "sooo"),  # Cyrillic о
    ("STRASSE straße", "strasse strasse"),
    ("саncеl my сard", "cancel my card"),  # Cyrillic с, а, е
    ("please РАУ me", "please pay me"),  # a whole word of lookalikes, in a text without other Cyrillic
    ("Κill it", "kill it"),  # Greek capital kappa
    ("отмените заказ", "отмените заказ"),
    ("он сказал ok", "он сказал ok"),
    ("у нас iPhone", "у нас iphone"),
    ("καλημέρα", "καλημέρα"),
    ("Ça coûte 5 €", "ça coûte 5 €"),
    ("c\u0327a", "ça"),
    ("dıscount ɑll", "discount all"),
    ("can\u200bcel\u00ad \ufeffnow\u202e!", "cancel now!"),
    ("\x00nul\x07", "nul"),
    ("!!!!!! 10000000", "!!!!!! 10000000"),
    ("", ""),
]
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u180e\u200b\u200d"
    "\u200e\u202e\u2060\u2066\u3164\ufe0f\ufeff\uffa0\ufff9\x00\x7f\U000e0041\U000e0100"
)
WORDS = [
    "саncеl",
    "cancel",
    "он",
    "РАУ",
    "ϐeta",
    "ΐ",
    "ᾳ",
    "ß",
    "İ",
    "ŉ",
    "ﬃ",
    "½",
    "´",
    "ʼn",
    "é",
    "e\u0301",
    "oooo",
    "ﾟ",
    "가",
    "\ud800",
]
ANYTHING = st.lists(
    st.sampled_from(WORDS + list(INVISIBLE) + list("aA оО.-'\"\n")) | st.text(max_size=4), max_size=12
).map("".join)


@pytest.mark.parametrize(("written", "folded"), FOLDED)
def test_what_looks_the_same_is_the_same(written: str, folded: str) -> None:
    assert fold(written) == folded


@given(ANYTHING)
def test_folding_twice_is_folding_once(written: str) -> None:
    assert fold(fold(written)) == fold(written)


@pytest.mark.slow
def test_folding_twice_is_folding_once_for_every_character() -> None:
    for code in range(sys.maxunicode + 1):
        once = fold("a" + chr(code))
        assert fold(once) == once, hex(code)


@given(ANYTHING, st.sampled_from(INVISIBLE), st.integers(0, 60))
def test_an_invisible_character_changes_nothing(written: str, invisible: str, position: int) -> None:
    disguised = written[:position] + invisible + written[position:]
    assert fold(disguised) == fold(written)
    assert prepare_all([disguised]) == prepare_all([written])


def test_every_format_character_is_invisible() -> None:
    formats = "".join(chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf")
    assert fold(f"can{formats}cel") == "cancel"


def test_placeholders_survive_as_single_words() -> None:
    texts = ["Mail BOB@example.com or call 555-0142", "Card 4111 1111 1111 1111!"]
    assert prepare_all(texts) == ["mail [email] or call [phone]", "card [card]!"]
    assert prepare_all(texts) == fold_all(mask_all(texts))


def test_order_and_number_of_texts_stay() -> None:
    assert prepare_all([]) == []
    assert prepare_all(["B", "", "a"]) == ["b", "", "a"]


def test_importing_loads_neither_numbering_plans_nor_check_digits() -> None:
    """An artefact is loaded by bare processes, most of whose texts hold no number."""
    check = "import sys, models.text as t; t.mask('5'); sys.exit(bool({'phonenumbers', 'stdnum'} & set(sys.modules)))"
    repository = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", check], cwd=repository, check=False).returncode == 0
