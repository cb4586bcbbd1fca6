"""Instants: every moment that validation lets through has its place in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.instants import all_seconds, seconds
from pipeline.feedback.cells import moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00", 0),
        ("1970-01-01 00:00:01", 1),
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T19:00-05:00", 0),
        ("1970-01-01T00:00:00.5", 0.5),
        ("1970-01-01T00:00:00.000001Z", 1e-6),
        ("2026-11-21T06:00:00Z", 1_795_240_800),
        ("0001-01-01", -62_135_596_800),
        ("0001-01-01T00:00+14:00", -62_135_596_800 - 14 * 3_600),
        ("9999-12-31T23:59:59-12:00", 253_402_300_799 + 12 * 3_600),
    ],
)
def test_seconds_since_1970(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-13-45", "2026-02-30"])
def test_what_is_no_moment_is_nan(text: str | None) -> None:
    assert np.isnan(seconds(text))


offsets = (
    st.just("")
    | st.just("Z")
    | st.tuples(st.sampled_from("+-"), st.integers(0, 23), st.integers(0, 59)).map(
        lambda parts: f"{parts[0]}{parts[1]:02}:{parts[2]:02}"
    )
)
written = st.tuples(
    st.dates(),
    st.sampled_from("T "),
    st.times(),
    st.integers(0, 9),
    offsets,
    st.booleans(),
)


@given(written)
def test_whatever_validation_accepts_is_read_here(parts: object) -> None:
    day, between, time, digits, offset, with_seconds = parts  # type: ignore[misc]
    clock = time.strftime("%H:%M:%S" if with_seconds else "%H:%M")
    fraction = f".{time.microsecond:06}000"[: digits + 1] if with_seconds and digits else ""
    text = f"{day.isoformat()}{between}{clock}{fraction}{offset}"
    accepted = moment(text)
    assert accepted is not None
    zone = UTC
    if offset[:1] in ("+", "-"):
        shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
        zone = timezone(shift if offset[0] == "+" else -shift)
    whole = time.replace(microsecond=0, second=time.second if with_seconds else 0)
    expected = datetime.combine(day, whole, zone) - datetime(1970, 1, 1, tzinfo=UTC)
    found = seconds(accepted)
    assert 0 <= found - expected.total_seconds() < 1
    assert seconds(text) == found


def test_many_at_once() -> None:
    found = all_seconds(["1970-01-01", None, "1970-01-02"])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [0, np.nan, 86_400])
    assert all_seconds([]).shape == (0,)
