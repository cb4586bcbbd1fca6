"""Hashed n-grams, against a slow reference written out in plain Python.

The reference states the hash as well: an artefact's weights lie in the buckets that this hash gives, so that a changed
hash would make every saved model silently worthless.
"""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.features import Hashing, extract, token_strings, tokenise

BASE, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
INVERSE = pow(BASE, -1, 1 << 64)
EDGE = 0x110000

WORDS = [
    "a", "ab", "don't", "'", "''", "it's", "!", "!!!", "?!", "…", "_", "5", "x5", "-", "€", "a'b'c", "é", "ß",
    "🙂", "🙂🙂", "👩\u200d👩\u200d👧", "你好", "日本語", "ﷺ", "ا", "नमस्ते",
]  # fmt: skip
CHARACTERS = [" ", "  ", "\n", "e\u0301", "\u200b", "\x00", "\ud800", "\U0010ffff"]
PIECES = st.sampled_from([*WORDS, *CHARACTERS])
TEXT = st.text(max_size=30) | st.lists(PIECES, max_size=12).map("".join)
TEXTS = st.lists(TEXT, max_size=6)


def classes(text: str) -> list[str]:
    """Return for each character whether it is of a word, a symbol or a space."""
    found = []
    for character in text:
        category = unicodedata.category(character)
        word = category[0] in "LMN" or character == "_"
        found.append("word" if word else "space" if category[0] in "ZC" else "symbol")
    inner = range(1, len(text) - 1)
    joins = [i for i in inner if text[i] == "'" and found[i - 1] == "word" and found[i + 1] == "word"]
    return ["word" if i in joins else kind for i, kind in enumerate(found)]


def tokens_of(text: str) -> list[str]:
    """Return runs of word characters, and runs of one and the same symbol."""
    tokens: list[str] = []
    last = ("space", "")
    for character, kind in zip(text, classes(text), strict=True):
        here = (kind, character if kind == "symbol" else "")
        if kind != "space":
            if here == last:
                tokens[-1] += character
            else:
                tokens.append(character)
        last = here
    return tokens


def mix(value: int) -> int:
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & MASK
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & MASK
    return value ^ value >> 33


def hashed(codes: list[int]) -> int:
    return mix(sum(mix(code + 1) * BASE**place for place, code in enumerate(codes)) & MASK)


def bucket(value: int, kind: int, bits: int) -> int:
    return mix((value + kind * INVERSE) & MASK) >> (64 - bits)


def counts_of(text: str, hashing: Hashing) -> Counter[int]:
    """Return how often each bucket is hit: words, n-grams of the padded word, runs of neighbouring words."""
    counts: Counter[int] = Counter()
    tokens = tokens_of(text)
    hashes = [hashed([ord(character) for character in token]) for token in tokens]
    for token, value in zip(tokens, hashes, strict=True):
        counts[bucket(value, 0, hashing.bits)] += 1
        padded = [EDGE, *map(ord, token), EDGE]
        for size in range(hashing.char_min, hashing.char_max + 1):
            for start in range(len(padded) - size + 1):
                counts[bucket(hashed(padded[start : start + size]), size, hashing.bits)] += 1
    for size in range(2, hashing.word_max + 1):
        for start in range(len(tokens) - size + 1):
            chain = hashes[start]
            for value in hashes[start + 1 : start + size]:
                chain = mix((chain * BASE + value) & MASK)
            counts[bucket(chain, 64 + size, hashing.bits)] += 1
    return counts


def counted(texts: list[str], hashing: Hashing) -> list[Counter[int]]:
    """Return what `extract` counts, per text."""
    matrix = extract(texts, hashing).counts()
    assert matrix.shape == (len(texts), hashing.buckets)
    found: list[Counter[int]] = [Counter() for _ in texts]
    entries = matrix.tocoo()
    for row, column, count in zip(*entries.coords, entries.data, strict=True):
        found[row][int(column)] += int(count)
    return found


HASHINGS = [Hashing(), Hashing(bits=20), Hashing(bits=6), Hashing(12, 2, 3, 1), Hashing(12, 1, 6, 3)]


@pytest.mark.parametrize("hashing", HASHINGS, ids=str)
@given(texts=TEXTS)
@example(texts=[])
@example(texts=[""])
@example(texts=["", "", "a", ""])
@example(texts=["'", "a'", "'a", "a'b", "a''b", "''a''"])
@example(texts=["a b", "c d"])
def test_counts_equal_the_reference(hashing: Hashing, texts: list[str]) -> None:
    assert counted(texts, hashing) == [counts_of(text, hashing) for text in texts]


@given(texts=st.lists(TEXT, min_size=1, max_size=6), data=st.data())
def test_counts_do_not_depend_on_the_rest_of_the_batch(texts: list[str], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(texts))))
    alone = [counted([text], HASHINGS[0])[0] for text in texts]
    assert counted([texts[place] for place in order], HASHINGS[0]) == [alone[place] for place in order]


@given(texts=TEXTS)
def test_tokens_are_found_where_they_stand(texts: list[str]) -> None:
    tokens = tokenise(texts)
    strings = token_strings(tokens)
    assert tokens.texts == len(texts)
    assert strings == [token for text in texts for token in tokens_of(text)]
    for string, text, start, end in zip(strings, tokens.text, tokens.start, tokens.end, strict=True):
        offset = tokens.offsets[text]
        assert texts[text][start - offset : end - offset] == string
    visible = [[c for c, kind in zip(text, classes(text), strict=True) if kind != "space"] for text in texts]
    assert "".join(strings) == "".join("".join(characters) for characters in visible)


@given(texts=TEXTS)
def test_equal_tokens_have_equal_hashes_and_others_do_not(texts: list[str]) -> None:
    tokens = tokenise(texts)
    strings = token_strings(tokens)
    of_string = dict(zip(strings, tokens.hash.tolist(), strict=True))
    assert [of_string[string] for string in strings] == tokens.hash.tolist()
    assert len(set(of_string.values())) == len(of_string)


@given(texts=TEXTS)
def test_the_factors_name_each_word(texts: list[str]) -> None:
    """`word` leads from a token to its word; a word knows its own bucket and whether it is one or a symbol."""
    features = extract(texts, Hashing())
    for string, word in zip(token_strings(features.tokens), features.word.tolist(), strict=True):
        assert features.own_bucket[word] == bucket(hashed([ord(c) for c in string]), 0, 18)
        assert features.is_word()[word] == (classes(string)[0] == "word")
    assert np.array_equal(features.in_text.sum(1), [len(tokens_of(text)) for text in texts])


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("i'm leaving!!! now?!", ["i'm", "leaving", "!!!", "now", "?", "!"]),
        ("'quoted' rock'n'roll", ["'", "quoted", "'", "rock'n'roll"]),
        ("🙂🙂🙃 snake_case 24/7", ["🙂🙂", "🙃", "snake_case", "24", "/", "7"]),
        ("你好。再见", ["你好", "。", "再见"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_tokens_that_a_reader_expects(text: str, tokens: list[str]) -> None:
    assert token_strings(tokenise([text])) == tokens
