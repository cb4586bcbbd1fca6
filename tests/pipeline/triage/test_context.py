"""The context of a whole dump, kept in a few bytes a row, against the exact one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.instants import all_seconds
from models.scoring import earlier_texts, percentiles
from pipeline.feedback.record import CANONICAL
from pipeline.triage.context import DumpContext, coded


def batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=CANONICAL)


def contexts(rows: list[dict[str, Any]], window_days: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return value percentiles and earlier counts of all rows, gathered and asked for in batches of `size`."""
    dump = DumpContext(window_days)
    batches = [batch(rows[start : start + size]) for start in range(0, len(rows), size)]
    for part in batches:
        dump.add(coded(part))
    earlier, places = dump.close()
    found = [places.of(part, earlier[place * size :][: part.num_rows], 5.0) for place, part in enumerate(batches)]
    assert all(context.now == 5.0 for context in found)
    return np.concatenate([c.value_percentile for c in found]), np.concatenate([c.earlier for c in found])


moments = (
    st.none()
    | st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds"))
    | st.sampled_from(
        [
            "2026-11-01",
            "2026-11-01T00:00:00Z",
            "2026-12-01",
            "2026-11-01T01:00+01:00",
            "0001-01-01",
            "9999-12-31T23:59:59",
        ]
    )
)
rows_ = st.lists(
    st.fixed_dictionaries({"customer_id": st.none() | st.sampled_from(["a", "b", "ä", ""]), "created_at": moments}),
    min_size=1,
    max_size=30,
)


@given(rows=rows_, window=st.sampled_from([1.0, 30.0, 365.0]), size=st.integers(1, 7))
@example(
    rows=[{"customer_id": "a", "created_at": "2026-11-01"}, {"customer_id": "a", "created_at": "2026-12-01"}],
    window=30.0,
    size=1,
)
def test_earlier_texts_are_counted_exactly(rows: list[dict[str, Any]], window: float, size: int) -> None:
    _, found = contexts(rows, window, size)
    exact = earlier_texts(
        [row["customer_id"] for row in rows], all_seconds([row["created_at"] for row in rows]), window
    )
    assert found.tolist() == exact.tolist()


def test_fractions_of_a_second_count() -> None:
    """Thirty days and half a second is outside of thirty days; of two texts of one second the later one repeats."""
    rows = [
        {"customer_id": "a", "created_at": "2026-11-01T00:00:00.2Z"},
        {"customer_id": "a", "created_at": "2026-12-01T00:00:00.7Z"},
    ]
    exact = earlier_texts(["a", "a"], all_seconds([row["created_at"] for row in rows]), 30)
    assert contexts(rows, 30, 2)[1].tolist() == exact.tolist() == [0, 0]
    rows[1]["created_at"] = "2026-11-01T00:00:00.1Z"
    assert contexts(rows, 30, 2)[1].tolist() == [1, 0]


def test_one_customer_with_hundreds_of_texts_is_at_the_top_anyway() -> None:
    rows = [{"customer_id": "a", "created_at": "2026-11-01"}] * 400
    _, found = contexts(rows, 30, 64)
    assert found[:256].tolist() == list(range(256))
    assert (found[256:] == 255).all()


@pytest.mark.parametrize("scale", [0.7, 2.0])
def test_percentiles_are_exact_to_half_a_percent(scale: float) -> None:
    """For values as spread as customers' are. Values within 0.4% of each other share a percentile."""
    random = np.random.default_rng(2)
    values = np.exp(random.normal(6, scale, 4_000))
    values[random.random(4_000) < 0.1] = 0.0
    values[random.random(4_000) < 0.1] = np.nan
    rows = [{"customer_value": None if np.isnan(value) else float(value)} for value in values]
    found, _ = contexts(rows, 30, 512)
    exact = percentiles(values, values)
    assert np.array_equal(np.isnan(found), np.isnan(exact))
    assert np.nanmax(np.abs(found - exact)) < 0.005


@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.5, 1_000.0, 1e300, 1e-9]) | st.none(), min_size=1, max_size=20))
def test_percentiles_of_few_different_values_are_exact(values: list[float | None]) -> None:
    found, _ = contexts([{"customer_value": value} for value in values], 30, 3)
    exact = np.array([np.nan if value is None else value for value in values])
    np.testing.assert_allclose(found, percentiles(exact, exact), atol=1e-12)


def test_any_rows_may_be_asked_for() -> None:
    rows = [{"customer_id": "a", "created_at": f"2026-11-{day:02}", "customer_value": day} for day in range(1, 11)]
    dump = DumpContext(30)
    dump.add(coded(batch(rows)))
    earlier, places = dump.close()
    some = places.of(batch([rows[7], rows[2]]), earlier[[7, 2]], 0.0)
    assert some.earlier.tolist() == [7, 2]
    np.testing.assert_allclose(some.value_percentile, [0.75, 0.25])
