"""The small parts that pages are made of: marked words, shares in tenths, moments."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.apportion import in_tenths, tenths
from pipeline.web.language import Language
from pipeline.web.marking import excerpt, segments, visible
from pipeline.web.queuepage import filter_of, query_of

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
    ("away", "ago", "span"),
    [
        (timedelta(seconds=30), "just now", "just now"),
        (timedelta(minutes=-5), "5 min. ago", "5 min"),
        (timedelta(hours=-30), "30 hr. ago", "30 hr"),
        (timedelta(days=-3), "3 days ago", "3 days"),
        (timedelta(days=-30), "4 wk. ago", "4 wks"),
        (timedelta(days=2), "in 2 days", "2 days"),
    ],
)
def test_a_moment_as_people_say_it(away: timedelta, ago: str, span: str) -> None:
    moment = Language("en").when(NOW + away, NOW)
    assert (moment.ago, moment.span) == (ago, span)
    assert datetime.fromisoformat(moment.iso) == NOW + away


def test_a_moment_in_full_is_in_utc() -> None:
    somewhere = datetime(2026, 11, 21, 1, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert Language("en").when(somewhere, NOW).exact == "21 Nov 2026, 06:30 UTC"
    assert Language("en").when(somewhere, NOW).iso == "2026-11-21T06:30:00+00:00"


@given(st.text(max_size=60))
def test_what_is_made_visible_hides_nothing_and_stays_so(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert not re.search("[\u200b\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", shown)


@given(st.text("ab\u200d\u200c👩👧 ", max_size=20))
def test_a_joiner_is_shown_beside_plain_letters_alone(text: str) -> None:
    for at, character in enumerate(text):
        if character in "\u200c\u200d":
            around = text[at - 1 : at] + text[at + 1 : at + 2]
            assert (f"⟨U+{ord(character):04X}⟩" in visible(text)) or not (around == "" or around.isascii())


@given(st.dictionaries(st.sampled_from(["tab", "q", "lang", "sort", "value", "age", "urgency"]), st.text(max_size=30)))
def test_what_an_address_asks_for_survives_being_written_down(asked: dict[str, str]) -> None:
    asked |= {name: "1234567.25" for name in ("value", "age") if name in asked}
    asked |= {"tab": "all"} | ({"sort": "value"} if "sort" in asked else {})
    asked["age"] = "30"
    wanted = filter_of(asked, ("urgency",))
    again = filter_of(dict(parse_qsl(query_of(wanted))), ("urgency",))
    assert again == wanted
