"""Ranking: what the numbers mean, whatever the predictions, facts and weights are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.ranking import FACT_FACTORS, Facts, Ranked, Ranking, inactive, rank, text_factor
from models.schema import Derivation, Head, Schema
from pipeline.config import Config

URGENCY = ("low", "normal", "high", "critical")
SCHEMA = Schema(
    (
        Head("sentiment", "nominal", ("negative", "neutral", "positive")),
        Head("urgency", "ordinal", URGENCY),
        Head("detractor", "binary", derive=Derivation.parse("nps <= 6")),
        Head("signals", "multilabel", ("churn_threat", "repeat_contact")),
    )
)
NAMES = [
    "detractor",
    "urgency",
    "churn_threat",
    "repeat_contact",
    "customer_value",
    "reach",
    "waiting",
    "sentiment.negative",
]
DEFAULT = Ranking.from_settings(Config().rank.model_dump())
UNKNOWN = float("nan")


@dataclass(frozen=True)
class Night:
    """Predictions and facts of some rows."""

    probabilities: Mapping[str, NDArray[np.float32]]
    facts: Facts

    def ranked(self, weights: Mapping[str, float], **settings: Any) -> Ranked:
        return rank(SCHEMA, self.probabilities, self.facts, replace(DEFAULT, weights=weights, **settings))


def row(
    *,
    sentiment: tuple[float, ...] = (0.2, 0.3, 0.5),
    urgency: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25),
    detractor: float = 0.5,
    signals: tuple[float, float] = (0.0, 0.0),
    nps: float = UNKNOWN,
    value: float = UNKNOWN,
    reach: float = UNKNOWN,
    waited: float = UNKNOWN,
    earlier: float = 0.0,
) -> Night:
    """Return a night of one row."""
    return Night(
        {
            "sentiment": np.array([sentiment], np.float32),
            "urgency": np.array([urgency], np.float32),
            "detractor": np.array([[detractor]], np.float32),
            "signals": np.array([signals], np.float32),
        },
        Facts({"nps": np.array([nps])}, *(np.array([fact]) for fact in (value, reach, waited, earlier))),
    )


unit = st.floats(0, 1, width=32)
maybe = st.just(UNKNOWN)


def spread(width: int) -> st.SearchStrategy[tuple[float, ...]]:
    def normalised(values: list[float]) -> tuple[float, ...]:
        return tuple(value / sum(values) for value in values)

    return st.lists(st.floats(0.01, 1), min_size=width, max_size=width).map(normalised)


rows = st.fixed_dictionaries(
    {
        "sentiment": spread(3),
        "urgency": spread(4),
        "detractor": unit,
        "signals": st.tuples(unit, unit),
        "nps": maybe | st.floats(0, 10),
        "value": maybe | st.floats(0, 1),
        "reach": maybe | st.floats(0, 1e9),
        "waited": maybe | st.floats(0, 1e6),
        "earlier": st.integers(0, 300).map(float),
    }
)
weights = st.dictionaries(st.sampled_from([*NAMES, "no_such_factor"]), st.floats(0, 10), max_size=9)


@given(values=rows, weights=weights)
def test_contributions_add_up_to_a_priority_between_0_and_100(values: Any, weights: dict[str, float]) -> None:
    ranked = row(**values).ranked(weights)
    assert ranked.contributions.shape == (1, len(ranked.factors))
    assert np.isfinite(ranked.contributions).all()
    assert (ranked.contributions >= 0).all()
    assert 0 <= ranked.priority[0] <= 100
    assert abs(ranked.contributions.sum() - ranked.priority[0]) < 1e-9
    assert ranked.factors == [name for name in weights if name != "no_such_factor"]


@given(values=rows, weights=weights, name=st.sampled_from(NAMES), more=st.floats(0, 5))
def test_more_weight_never_lowers_priority(values: Any, weights: dict[str, float], name: str, more: float) -> None:
    night = row(**values)
    heavier = weights | {name: weights.get(name, 0.0) + more}
    assert night.ranked(heavier).priority[0] >= night.ranked(weights).priority[0] - 1e-9


RAISED = {
    "detractor": lambda values, more: values | {"detractor": min(1.0, values["detractor"] + more)},
    "nps": lambda values, more: values | {"nps": values["nps"] - 10 * more if values["nps"] > 10 * more else 0.0},
    "signals": lambda values, more: values | {"signals": tuple(min(1.0, p + more) for p in values["signals"])},
    "value": lambda values, more: values | {"value": min(1.0, np.nan_to_num(values["value"]) + more)},
    "reach": lambda values, more: values | {"reach": np.nan_to_num(values["reach"]) + 1_000 * more},
    "waited": lambda values, more: values | {"waited": np.nan_to_num(values["waited"]) + 100 * more},
    "earlier": lambda values, more: values | {"earlier": values["earlier"] + 1},
}


@pytest.mark.parametrize("what", RAISED)
@given(values=rows, weights=weights, more=st.floats(0, 1))
def test_more_of_a_factor_never_lowers_priority(what: str, values: Any, weights: dict[str, float], more: float) -> None:
    if what == "nps" and np.isnan(values["nps"]):
        return
    raised = RAISED[what](values, more)
    assert row(**raised).ranked(weights).priority[0] >= row(**values).ranked(weights).priority[0] - 1e-6


@given(weights=weights, values=rows)
def test_rows_are_ranked_one_by_one(weights: dict[str, float], values: Any) -> None:
    """A row's priority is the same whatever stands beside it."""
    one, other = row(**values), row(detractor=0.9, reach=1e6, nps=1)
    both = Night(
        {name: np.vstack([one.probabilities[name], other.probabilities[name]]) for name in SCHEMA.names},
        Facts(
            {"nps": np.concatenate([one.facts.known["nps"], other.facts.known["nps"]])},
            *(
                np.concatenate([getattr(one.facts, name), getattr(other.facts, name)])
                for name in ("value_percentile", "reach", "waited_hours", "earlier")
            ),
        ),
    )
    together = both.ranked(weights).priority
    assert together[0] == pytest.approx(one.ranked(weights).priority[0], abs=1e-9)
    assert together[1] == pytest.approx(other.ranked(weights).priority[0], abs=1e-9)


@pytest.mark.parametrize(("nps", "likely"), [(0, 0.01), (6, 0.01), (7, 0.99), (10, 0.99)])
def test_a_known_nps_outranks_what_is_predicted(nps: float, likely: float) -> None:
    known = row(nps=nps, detractor=likely).ranked({"detractor": 1.0})
    expected = 100 * np.tanh(0.5) if nps <= 6 else 0.0
    assert known.priority[0] == pytest.approx(expected)
    assert not known.from_text[0, 0]
    unknown = row(detractor=likely).ranked({"detractor": 1.0})
    assert unknown.priority[0] == pytest.approx(100 * np.tanh(likely / 2), rel=1e-6)
    assert unknown.from_text[0, 0]


@pytest.mark.parametrize("value", [1.0, 0.3])
def test_a_contented_customer_is_not_raised_by_facts(value: float) -> None:
    facts = {"value": value, "reach": 1e7, "waited": 10_000.0, "earlier": 5.0}
    only_facts = {"customer_value": 5.0, "reach": 5.0, "waiting": 5.0, "repeat_contact": 5.0}
    assert row(nps=10, **facts).ranked(only_facts).priority[0] == 0
    assert row(detractor=0.0, **facts).ranked(only_facts).priority[0] == 0
    assert row(nps=3, **facts).ranked(only_facts).priority[0] > 80


def test_no_facts_no_predictions_no_evidence() -> None:
    nothing = row(urgency=(1, 0, 0, 0), detractor=0.0)
    ranked = nothing.ranked(DEFAULT.weights)
    assert ranked.priority.tolist() == [0]
    assert not ranked.contributions.any()
    assert not np.isnan(row().ranked(DEFAULT.weights).contributions).any()


@pytest.mark.parametrize(
    ("urgency", "level"),
    [((1, 0, 0, 0), 0), ((0, 1, 0, 0), 1 / 3), ((0, 0, 0, 1), 1), ((0, 0.5, 0, 0.5), 2 / 3)],
)
def test_urgency_is_its_expected_level(urgency: tuple[float, ...], level: float) -> None:
    ranked = row(urgency=urgency).ranked({"urgency": 2.0})
    assert ranked.priority[0] == pytest.approx(100 * np.tanh(level), rel=1e-6)


@pytest.mark.parametrize(
    ("fact", "weight", "share"),
    [
        ({"value": 0.8}, "customer_value", 0.8),
        ({"reach": 99_999.0}, "reach", np.log1p(99_999) / np.log1p(100_000)),
        ({"reach": 0.0}, "reach", 0),
        ({"reach": 1e9}, "reach", 1),
        ({"earlier": 0.0}, "repeat_contact", 0),
        ({"earlier": 1.0}, "repeat_contact", 0.5),
        ({"earlier": 2.0}, "repeat_contact", 1),
        ({"earlier": 9.0}, "repeat_contact", 1),
        ({"waited": 4.0, "urgency": (0, 0, 1, 0)}, "waiting", 0.5),
        ({"waited": 0.5, "urgency": (0, 0, 0, 1)}, "waiting", 0.5),
        ({"waited": 24.0, "urgency": (0, 1, 0, 0)}, "waiting", 0.5),
        ({"waited": 240.0, "urgency": (1, 0, 0, 0)}, "waiting", 1),
        ({"waited": 9_999.0, "urgency": (1, 0, 0, 0)}, "waiting", 1),
    ],
)
def test_what_a_fact_is_worth(fact: dict[str, Any], weight: str, share: float) -> None:
    ranked = row(nps=0, **fact).ranked({weight: 2.0})
    assert ranked.priority[0] == pytest.approx(100 * np.tanh(share), rel=1e-6)


def test_a_fact_counts_as_far_as_the_customer_is_at_risk() -> None:
    ranked = row(detractor=0.25, value=0.8).ranked({"customer_value": 2.0})
    assert ranked.priority[0] == pytest.approx(100 * np.tanh(0.2), rel=1e-6)


def test_a_repeated_contact_is_read_or_counted_whichever_is_stronger() -> None:
    weight = {"repeat_contact": 2.0}
    said = row(nps=0, signals=(0, 0.9), earlier=1).ranked(weight)
    assert said.priority[0] == pytest.approx(100 * np.tanh(0.9), rel=1e-6)
    assert said.from_text[0, 0]
    counted = row(nps=0, signals=(0, 0.3), earlier=1).ranked(weight)
    assert counted.priority[0] == pytest.approx(100 * np.tanh(0.5), rel=1e-6)
    assert not counted.from_text[0, 0]


def test_any_label_can_be_weighed_as_head_dot_label() -> None:
    night = row(sentiment=(0.7, 0.2, 0.1), signals=(0.4, 0))
    assert night.ranked({"sentiment.negative": 2.0}).priority[0] == pytest.approx(100 * np.tanh(0.7), rel=1e-6)
    dotted = night.ranked({"signals.churn_threat": 2.0}).priority[0]
    assert dotted == night.ranked({"churn_threat": 2.0}).priority[0] == pytest.approx(100 * np.tanh(0.4), rel=1e-6)
    assert night.ranked({"urgency.critical": 2.0}).priority[0] == pytest.approx(100 * np.tanh(0.25), rel=1e-6)


def test_weights_without_a_meaning_are_named() -> None:
    known = {**DEFAULT.weights, "sentiment.negative": 1.0, "signals.churn_threat": 1.0}
    odd = {"legal_threat": 1.0, "sentiment": 1.0, "sentiment.angry": 1.0, "signals": 1.0, "detractor.yes": 1.0}
    absent = [name for name in known if name in ("legal_threat", "public_threat", "vulnerable")]
    assert inactive(SCHEMA, replace(DEFAULT, weights=known)) == absent
    assert inactive(SCHEMA, replace(DEFAULT, weights=odd)) == list(odd)
    assert row().ranked(odd).factors == []
    assert row().ranked(odd).priority.tolist() == [0]


@pytest.mark.parametrize("name", ["detractor", "urgency", "churn_threat", "sentiment.negative"])
def test_a_factor_read_from_text_points_along_its_own_head(name: str) -> None:
    factor = text_factor(SCHEMA, name)
    assert factor is not None
    direction = factor.direction(SCHEMA)
    ends = np.cumsum([head.width for head in SCHEMA])
    own = SCHEMA.names.index(factor.head.name)
    inside = np.arange(len(direction))
    mine = (inside >= ends[own] - factor.head.width) & (inside < ends[own])
    assert direction[mine].any()
    assert not direction[~mine].any()
    assert direction.shape == (sum(head.width for head in SCHEMA),)
    if factor.head.exclusive:
        assert direction[mine].sum() == pytest.approx(0, abs=1e-6)  # adding the same to all its logits says nothing


def test_facts_have_no_direction() -> None:
    ranked = row().ranked(dict.fromkeys([*FACT_FACTORS, "urgency"], 1.0))
    directed = [name for name, found in zip(ranked.factors, ranked.directions, strict=True) if found is not None]
    assert directed == ["repeat_contact", "urgency"]  # a repeated contact is a signal of the text as well


def test_a_schema_without_a_binary_head_puts_everybody_at_risk() -> None:
    schema = Schema((Head("mood", "nominal", ("bad", "good")),))
    facts = Facts({"nps": np.array([10.0])}, *(np.array([fact]) for fact in (0.5, 0.0, 24.0, 0.0)))
    ranked = rank(
        schema,
        {"mood": np.array([[0.5, 0.5]], np.float32)},
        facts,
        replace(DEFAULT, weights={"customer_value": 2.0, "waiting": 0.0}),
    )
    assert ranked.priority[0] == pytest.approx(100 * np.tanh(0.5))


def test_settings_of_others_are_passed_over() -> None:
    assert Ranking.from_settings({**Config().rank.model_dump(), "agents": 99, "other": 1}) == DEFAULT
