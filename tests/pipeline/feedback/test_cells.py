"""Trimming, dates and numbers."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.feedback.cells import CellError, identifier, moment, name, number, trim

INVISIBLE = set("\u115f\u1160\u2800\u3164\uffa0")


def blank(character: str) -> bool:
    return character in INVISIBLE or unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cc", "Cf")


def test_just_the_blank_characters_are_trimmed() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    wrong = [hex(ord(character)) for character in every if (trim(character) == "") != blank(character)]
    # Later versions of Unicode add a few format characters to those of version 14, which Python 3.11 has.
    assert wrong == [] or unicodedata.unidata_version > "14.0.0"


@given(st.text())
def test_trimming_takes_from_the_ends_alone(text: str) -> None:
    trimmed = trim(text)
    assert trimmed in text
    assert trim(trimmed) == trimmed
    assert trim(f" \u200b{text}\u3164\n") == trimmed


GOOD = [
    "2026-01-31", "0001-01-01", "9999-12-31", "2024-02-29", "2026-01-31T09:30", "2026-01-31 09:30:59",
    "2026-01-31T09:30:00.1", "2026-01-31T09:30:00.123456789Z", "2026-01-31T23:59Z", "2026-01-31 00:00+14:00",
    "2026-01-31T09:30:00-00:00",
]  # fmt: skip
BAD = [
    "2026", "2026-1-31", "0000-01-01", "2025-02-29", "2026-13-01", "2026-01-31T", "2026-01-31T24:00", "2026-01-31T09",
    "2026-01-31T09:60", "2026-01-31T09:30:60", "2026-01-31T09:30:00.", "2026-01-31T09:30:00.1234567890",
    "2026-01-31Z", "2026-01-31t09:30", "2026-01-31T09:30z", "2026-01-31T09:30+1", "2026-01-31T09:30+0100",
    "2026-01-31T09:30+24:00", "2026-01-31  09:30", "31.01.2026", "２０２６-01-31", "20260131", "2026-01-31T09:30:00,5",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_moment_is_kept_as_written(text: str) -> None:
    assert moment(f" {text}\u00a0") == text


@pytest.mark.parametrize("value", [*BAD, 20260131, True, 1.5, [], {}])
def test_what_is_no_moment(value: object) -> None:
    with pytest.raises(CellError, match="a date must be"):
        moment(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7.0), (" +7.50 ", 7.5), ("-1e-3", -0.001), ("1E3", 1000.0), (".5", 0.5), ("5.", 5.0), ("007", 7.0), (3, 3.0),
     (None, None), ("", None), (" \u200b", None)],
)  # fmt: skip
def test_a_number_is_read(value: object, expected: float | None) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    "value",
    ["1_000", "1,5", "nan", "inf", "-Infinity", "0x10", "٣", "１", "1e", "e5", ".", "--1", "1 0", "1e400", True, False,
     float("nan"), float("inf"), 10**400, [], {}, b"1", "1" * 400],
)  # fmt: skip
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(CellError, match="number"):
        number(value)


def test_identifiers_and_names() -> None:
    assert [identifier(value) for value in (" a ", 7, 0, -1, "")] == ["a", "7", "0", "-1", None]
    assert [identifier(value) for value in (True, 1.0, None, [], "\u2800")] == [None] * 5
    assert [name(value) for value in (" a ", 7, 7.5, None, "", [1])] == ["a", "7", "7.5", None, None, None]
