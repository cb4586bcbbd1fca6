"""What every fact that speaks for a call must do. A new member of FACT_FACTORS is tested here for nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking import FACT_FACTORS, Facts, Ranking, inactive, rank
from models.schema import Head, Schema
from pipeline.config import Config

SCHEMA = Schema((Head("urgency", "ordinal", ("low", "normal", "high", "critical")), Head("detractor", "binary")))
RANKING = Ranking.from_settings(Config().rank.model_dump())
maybe = st.just(float("nan"))
row = st.tuples(
    maybe | st.floats(0, 1), maybe | st.floats(0, 1e15), maybe | st.floats(0, 1e9), st.integers(0, 10_000).map(float)
)


def facts(rows: list[tuple[float, ...]]) -> Facts:
    return Facts({}, *(np.array([values[place] for values in rows]) for place in range(4)))


def priority(name: str, given_: Facts) -> np.ndarray:
    """Return what the factor alone makes of rows that are surely at risk, as a share of its weight."""
    count = len(given_.reach)
    probabilities = {
        "urgency": np.tile(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32), (count, 1)),
        "detractor": np.ones((count, 1), np.float32),
    }
    ranked = rank(SCHEMA, probabilities, given_, replace(RANKING, weights={name: 1.0}))
    assert ranked.factors == [name]
    np.testing.assert_allclose(ranked.contributions.sum(1), ranked.priority, atol=1e-9)
    return np.asarray(2 * np.arctanh(ranked.priority / 100))


@pytest.mark.parametrize("name", FACT_FACTORS)
@given(rows=st.lists(row, max_size=12))
def test_it_is_between_0_and_1_whatever_is_known(name: str, rows: list[tuple[float, ...]]) -> None:
    level = priority(name, facts(rows))
    assert level.shape == (len(rows),)
    assert np.isfinite(level).all()
    assert ((level >= 0) & (level <= 1 + 1e-9)).all()


@pytest.mark.parametrize("name", FACT_FACTORS)
@given(rows=st.lists(row, min_size=1, max_size=6), data=st.data())
def test_it_looks_at_each_row_alone_and_always_alike(
    name: str, rows: list[tuple[float, ...]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(rows))))
    level = priority(name, facts(rows))
    assert priority(name, facts(rows)).tolist() == level.tolist()
    np.testing.assert_allclose(priority(name, facts([rows[place] for place in order])), level[order], atol=1e-12)


@pytest.mark.parametrize("name", FACT_FACTORS)
def test_nothing_known_is_no_reason_to_call(name: str) -> None:
    unknown = float("nan")
    assert priority(name, facts([(unknown, unknown, unknown, 0.0)])).tolist() == [0]


@pytest.mark.parametrize("name", FACT_FACTORS)
def test_something_speaks_for_it(name: str) -> None:
    assert priority(name, facts([(1.0, 1e9, 1e6, 50.0)]))[0] == pytest.approx(1)


@pytest.mark.parametrize("name", FACT_FACTORS)
def test_it_has_a_default_weight_and_a_meaning(name: str) -> None:
    assert RANKING.weights[name] > 0
    assert inactive(SCHEMA, replace(RANKING, weights={name: 1.0})) == []
    assert FACT_FACTORS[name].__doc__
