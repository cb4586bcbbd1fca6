"""The promise: it holds as often as it says, by simulation, and where it cannot be made it says why."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.promise import LEVEL, Evidence, Promise, drift, histogram, lower_bound

Floats = NDArray[np.float32]


def night(rows: int, seed: int, shift: float = 0.0) -> tuple[Floats, NDArray[np.bool_]]:
    """Return probabilities that are not honest, only in the right order, and the truth."""
    random = np.random.default_rng(seed)
    likely = random.beta(1 + shift, 2, rows).astype(np.float32)
    return likely, random.random(rows) < likely**0.5 * 0.9


@pytest.mark.parametrize(("held_out", "rows", "calls"), [(300, 400, 60), (300, 5_000, 40), (1_500, 1_500, 150)])
def test_the_promise_holds_as_often_as_it_says(held_out: int, rows: int, calls: int) -> None:
    """Over 400 draws: a share of 0.9 then has a standard error of 0.015. Being cautious, it may be kept more often."""
    kept, promised, true = 0, [], []
    for seed in range(400):
        likely, held = night(held_out, 2 * seed)
        tonight, truth = night(rows, 2 * seed + 1)
        first = np.argsort(-tonight)[:calls]
        made = Evidence("detractor", likely, held).promise(tonight[first].tolist(), [None] * calls, histogram(tonight))
        if made.at_least is None:  # two draws may be unlike by chance
            assert "unlike the held-out ones" in made.reason
            continue
        kept += made.at_least <= truth[first].sum()
        promised.append(made.at_least)
        true.append(truth[first].sum())
    assert len(promised) >= 0.95 * 400
    assert kept / len(promised) >= LEVEL - 0.02
    assert np.mean(promised) > 0.7 * np.mean(true)  # a promise of nothing is always kept


def test_a_list_chosen_by_other_things_keeps_the_promise_too() -> None:
    """Customers are ranked by value and waiting as well: the list is not of the surest."""
    kept = made_at_all = 0
    for seed in range(300):
        likely, held = night(600, 2 * seed)
        tonight, truth = night(600, 2 * seed + 1)
        first = np.argsort(-(tonight + np.random.default_rng(seed).random(600)))[:80]
        made = Evidence("detractor", likely, held).promise(tonight[first].tolist(), [None] * 80, histogram(tonight))
        if made.at_least is not None:
            made_at_all += 1
            kept += made.at_least <= truth[first].sum()
    assert made_at_all >= 0.95 * 300
    assert kept / made_at_all >= LEVEL - 0.02


@given(rows=st.integers(1, 80), share=st.floats(0, 1), calls=st.integers(0, 60))
def test_the_bound_is_within_reason(rows: int, share: float, calls: int) -> None:
    hits = round(share * rows)
    bound = lower_bound(hits, rows, calls)
    assert 0 <= bound <= calls
    assert bound <= lower_bound(min(hits + 1, rows), rows, calls)
    assert calls == 0 or bound / calls <= hits / rows + 1e-9


def test_what_is_known_needs_no_promise() -> None:
    evidence = Evidence("detractor", *night(200, 1))
    tonight = histogram(night(200, 2)[0])
    assert evidence.promise([0.1] * 4, [True, True, False, True], tonight) == Promise("detractor", 4, 3)
    mixed = evidence.promise([0.9] * 30, [True] * 10 + [None] * 20, tonight)
    alone = evidence.promise([0.9] * 20, [None] * 20, tonight)
    assert mixed.at_least == 10 + (alone.at_least or 0)


def test_no_promise_is_made_without_ground_and_it_says_why() -> None:
    likely, held = night(400, 1)
    evidence, tonight = Evidence("detractor", likely, held), histogram(night(400, 2)[0])
    few = Evidence("detractor", likely[:49], held[:49])
    said = [
        str(few.promise([0.9], [None], tonight)),
        str(evidence.promise([0.9], [None], histogram(night(400, 3, shift=4)[0]))),
        str(evidence.promise([0.0], [None], tonight)),
        str(evidence.promise([], [], tonight)),
    ]
    assert said[0] == "no promise how many of these 1 are detractors: only 49 held-out texts tell; it takes 50"
    assert said[1].startswith("no promise how many of these 1 are detractors: tonight's texts are unlike the held-out")
    assert said[2].endswith("the list reaches below what held-out texts tell about")
    assert said[3].endswith("nobody is on the list")


def test_chance_is_no_drift() -> None:
    before = histogram(night(300, 1)[0])
    alarms = [bool(drift(before, histogram(night(50, seed)[0]))) for seed in range(200)]
    assert np.mean(alarms) < 0.05
    assert drift(before, np.zeros(200, np.int64)) == "there is nothing to compare tonight's texts with"


def test_it_is_said_in_words_and_kept_as_json() -> None:
    assert str(Promise("detractor", 86, 61)) == "call these 86; at least 61 of them are detractors (90% guarantee)"
    assert Promise("detractor", 86, 61).to_json()["at_least"] == 61
    evidence = Evidence("detractor", *night(60, 1))
    again = Evidence.from_json("detractor", json.loads(json.dumps(evidence.to_json())))
    assert np.array_equal(again.held, evidence.held)
    np.testing.assert_allclose(again.likely, evidence.likely, atol=1e-5)
