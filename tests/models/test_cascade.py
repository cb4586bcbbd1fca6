"""Family `cascade` in its parts: two tiers on one scale, and which rows go on to the second."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.families.choosing import choose
from models.families.routing import Routing, priority
from models.families.stacking import Stacking
from models.quality import average_precision, macro_f1, precision_among
from models.schema import Head, Schema
from models.targets import Target
from pipeline.config import Config

SCHEMA = Schema((Head("mood", "nominal", ("bad", "fine", "good")), Head("detractor", "binary")))
RANK = Config().rank.model_dump()
SETTINGS = {"max_loss": 0.5, "candidates": 0.05, "least": 0.0, "share": None, "against": "encoder"}


def tiers(rows: int = 600, seed: int = 1) -> tuple[np.ndarray, np.ndarray, dict[str, Target]]:
    """Return the logits of a weak and of a strong tier, the weak one four times too sure, and the truth."""
    random = np.random.default_rng(seed)
    mood, left = random.integers(0, 3, rows), random.random(rows) < 0.3
    truth = {
        "mood": Target(np.ones(rows, bool), np.eye(3, dtype=np.float32)[mood]),
        "detractor": Target(np.ones(rows, bool), left[:, None].astype(np.float32)),
    }
    signal = np.hstack([2 * truth["mood"].truth, 3 * truth["detractor"].truth - 1.5])
    weak = 4 * (signal + random.normal(0, 1.6, signal.shape))
    strong = signal + random.normal(0, 0.7, signal.shape)
    return weak.astype(np.float32), strong.astype(np.float32), truth


def test_tiers_are_put_on_one_scale_and_averaged() -> None:
    weak, strong, truth = tiers()
    stacking = Stacking.fit(SCHEMA, weak, strong, truth)
    assert all(0.4 < share <= 1 for share in stacking.share.values())
    assert np.abs(stacking.of_first(weak)).mean() < np.abs(weak).mean()
    both = stacking.of_both(weak, strong)
    assert macro_f1(SCHEMA["mood"], both[:, :3], truth["mood"].truth, truth["mood"].known) >= macro_f1(
        SCHEMA["mood"], weak[:, :3], truth["mood"].truth, truth["mood"].known
    )
    again = Stacking.from_json(SCHEMA, json.loads(json.dumps(stacking.to_json())))
    np.testing.assert_array_equal(again.of_both(weak, strong), both)


def test_a_head_without_held_out_rows_keeps_the_even_average() -> None:
    weak, strong, truth = tiers(40)
    unknown = Target(np.zeros(40, bool), np.zeros((40, 1), np.float32))
    stacking = Stacking.fit(SCHEMA, weak, strong, truth | {"detractor": unknown})
    assert stacking.share["detractor"] == 0.5


def test_the_smallest_share_that_loses_no_more_than_it_may() -> None:
    weak, strong, truth = tiers()
    stacking = Stacking.fit(SCHEMA, weak, strong, truth)
    settled, mixed = stacking.of_first(weak), stacking.of_both(weak, strong)
    strict, curve = choose(SCHEMA, settled, mixed, stacking.of_second(strong), truth, SETTINGS, RANK)
    loose, _ = choose(SCHEMA, settled, mixed, stacking.of_second(strong), truth, SETTINGS | {"max_loss": 9.0}, RANK)
    wide = SETTINGS | {"max_loss": 99.0, "least": 0.4}
    floor, _ = choose(SCHEMA, settled, mixed, stacking.of_second(strong), truth, wide, None)
    assert loose.share < strict.share <= 1
    assert floor.share == pytest.approx(0.4, abs=0.02)
    assert [point["share"] for point in curve] == sorted(point["share"] for point in curve)
    chosen = next(point for point in curve if point["share"] == strict.share)
    assert chosen["loss"] <= 0.5 or strict.share == 1
    least = SETTINGS["least"]
    assert all(point["loss"] > 0.5 for point in curve if least <= point["share"] < strict.share - 0.02)
    assert [point["loss"] for point in curve] == sorted((point["loss"] for point in curve), reverse=True)
    assert {"mood", "detractor", "detractor.average_precision", "detractor.precision_first"} <= set(chosen)


def test_held_against_both_tiers_more_rows_go_on() -> None:
    weak, strong, truth = tiers(2_000)
    stacking = Stacking.fit(SCHEMA, weak, strong, truth)
    both, alone = stacking.of_both(weak, strong), stacking.of_second(strong)
    found = {
        against: choose(SCHEMA, stacking.of_first(weak), both, alone, truth, SETTINGS | {"against": against}, None)
        for against in ("encoder", "both")
    }
    assert found["encoder"][0].share <= found["both"][0].share
    assert found["both"][1][-1]["loss"] == 0


def test_a_share_that_is_given_is_taken() -> None:
    weak, strong, truth = tiers()
    stacking = Stacking.fit(SCHEMA, weak, strong, truth)
    both, alone = stacking.of_both(weak, strong), stacking.of_second(strong)
    for share in (0.33, 1.0):
        rule, _ = choose(SCHEMA, stacking.of_first(weak), both, alone, truth, SETTINGS | {"share": share}, None)
        assert rule.share == pytest.approx(share, abs=0.01)


def test_the_rows_that_may_make_the_list_go_on_however_sure_the_first_tier_is() -> None:
    weak, strong, truth = tiers()
    stacking = Stacking.fit(SCHEMA, weak, strong, truth)
    settled = stacking.of_first(weak)
    rule, _ = choose(
        SCHEMA,
        settled,
        stacking.of_both(weak, strong),
        stacking.of_second(strong),
        truth,
        SETTINGS | {"max_loss": 100.0},
        RANK,
    )
    surest_detractor = np.array([[0, 0, 0, 30.0]], np.float32) + np.array([[9, -9, -9, 0]], np.float32)
    content = np.array([[-9, -9, 9, -30.0]], np.float32)
    assert rule(surest_detractor)[0]
    assert not rule(content)[0]
    assert rule.share >= 0.05


def test_routing_looks_at_one_row_alone() -> None:
    weak, strong, truth = tiers()
    stacking = Stacking.fit(SCHEMA, weak, strong, truth)
    settled = stacking.of_first(weak)
    rule, _ = choose(SCHEMA, settled, stacking.of_both(weak, strong), stacking.of_second(strong), truth, SETTINGS, RANK)
    together = rule(settled)
    assert [bool(rule(settled[[row]])[0]) for row in range(50)] == together[:50].tolist()
    again = Routing.from_json(SCHEMA, json.loads(json.dumps(rule.to_json())))
    assert again(settled).tolist() == together.tolist()
    assert Routing.everything(SCHEMA)(settled).all()
    assert Routing.from_json(SCHEMA, json.loads(json.dumps(Routing.everything(SCHEMA).to_json())))(settled).all()


def test_without_weights_nothing_is_a_candidate() -> None:
    weak, _, _ = tiers(20)
    assert not priority(SCHEMA, {"mood": weak[:, :3], "detractor": weak[:, 3:]}, None).any()


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=1, max_size=40))
def test_average_precision_is_scikit_learns_where_no_two_rows_are_alike(rows: list[tuple[float, bool]]) -> None:
    from sklearn.metrics import average_precision_score

    likely = np.array([value for value, _ in dict(rows).items()], np.float32)
    held = np.array(list(dict(rows).values()))
    if not held.any() or len(np.unique(likely)) < len(likely):
        return
    assert average_precision(likely, held) == pytest.approx(average_precision_score(held, likely), abs=1e-6)


def test_macro_f1_is_scikit_learns() -> None:
    from sklearn.metrics import f1_score

    weak, _, truth = tiers(200)
    known = truth["mood"].known
    theirs = f1_score(truth["mood"].truth.argmax(1), weak[:, :3].argmax(1), average="macro")
    assert macro_f1(SCHEMA["mood"], weak[:, :3], truth["mood"].truth, known) == pytest.approx(theirs)
    binary = f1_score(truth["detractor"].truth[:, 0], weak[:, 3] >= 0, average="macro")
    assert macro_f1(SCHEMA["detractor"], weak[:, 3:], truth["detractor"].truth, known) == pytest.approx(binary)
    assert precision_among(np.array([3, 2, 1.0]), np.array([True, False, False]), 2) == 0.5
