"""The small parts that pages are made of: marked words, shares in tenths, moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.apportion import in_tenths, tenths
from pipeline.web.marking import excerpt, segments, visible
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


@given(st.text("ab ,\n\u202e", max_size=400), st.lists(st.sampled_from(["a", "ab", "b a"]), max_size=3))
def test_an_excerpt_is_short_and_a_part_of_the_text(text: str, words: list[str]) -> None:
    shown = "".join(piece.raw for piece in excerpt(text, words, limit=60))
    assert len(shown) <= 60 + len("…  …")
    kept = shown.removeprefix("… ").removesuffix(" …")
    assert " ".join(kept.split()) in " ".join(text.split())


def test_an_excerpt_is_taken_where_the_text_tells_most() -> None:
    text = "Late again. " + "So it goes. " * 40 + "I am leaving and you hear from my lawyer. " + "Bye. " * 40
    pieces = excerpt(text, ["late", "leaving", "lawyer"], limit=80)
    assert [piece.raw for piece in pieces if piece.kind == "mark"] == ["leaving", "lawyer"]
    assert pieces[0].raw.startswith("… ")
    assert excerpt(text, [], limit=80)[0].raw.startswith("Late again.")


def test_joiners_are_shown_where_they_hide_something_alone() -> None:
    assert visible("pay\u200dpal") == "pay⟨U+200D⟩pal"
    assert visible("👨\u200d👩\u200d👧 می\u200cخواهم") == "👨\u200d👩\u200d👧 می\u200cخواهم"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=10))
def test_shares_in_tenths_add_up_to_the_whole_as_shown(parts: list[float]) -> None:
    whole = sum(parts)
    shown = tenths(whole, parts)
    assert sum(shown) == in_tenths(whole)
    assert all(abs(one - part * 10) <= 1 for one, part in zip(shown, parts, strict=False))


def test_parts_that_miss_the_whole_leave_a_rest_to_show() -> None:
    assert tenths(50.0, [30.0, 10.0]) == [300, 100, 100]


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
