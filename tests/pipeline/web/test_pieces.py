"""The small parts that pages are made of: marked words, shares in tenths, moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.apportion import in_tenths, tenths
from pipeline.web.marking import segments
from pipeline.web.when import when

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@given(st.text(max_size=80), st.lists(st.text(max_size=6), max_size=5))
def test_no_character_of_a_text_is_lost(text: str, words: list[str]) -> None:
    assert "".join(piece.raw for piece in segments(text, words)) == text


@given(st.text("ab \u200b.", max_size=40), st.lists(st.sampled_from(["a", "ab", "b a"]), max_size=3))
def test_whole_words_alone_are_marked(text: str, words: list[str]) -> None:
    for piece in segments(text, words):
        if piece.kind == "mark":
            assert " ".join(piece.raw.split()) in words


def test_words_are_found_in_any_case() -> None:
    assert [piece.raw for piece in segments("Leaving, LEAVING, leavings", ["leaving"]) if piece.kind == "mark"] == [
        "Leaving",
        "LEAVING",
    ]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=10))
def test_shares_in_tenths_add_up_to_the_whole_as_shown(parts: list[float]) -> None:
    whole = sum(parts)
    shown = tenths(whole, parts)
    assert sum(shown) == in_tenths(whole)
    assert all(abs(one - part * 10) <= 1 for one, part in zip(shown, parts, strict=False))


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=30), "just now"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=30), "30 h"),
        (timedelta(days=3), "3 days"),
        (timedelta(days=30), "4 weeks"),
        (timedelta(days=-2), "23 Nov 2026, 12:00 UTC"),
    ],
)
def test_a_moment_as_people_say_it(age: timedelta, said: str) -> None:
    assert when(NOW - age, NOW).ago == said
