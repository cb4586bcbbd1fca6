"""Every metric against scikit-learn's or a plain reference, and intervals that are what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from models.schema import Head, Schema
from models.targets import Target
from pipeline.learning.evaluation import (
    BINS,
    MIN_ROWS,
    Figure,
    bootstrap_weights,
    calibration_error,
    error_of,
    evaluate,
    evaluate_sliced,
    figure_of,
    frequent,
    measure,
    ranking_metrics,
)

Doubles = NDArray[np.float64]
HEADS = {
    "nominal": Head("mood", "nominal", ("bad", "fine", "good")),
    "ordinal": Head("urgency", "ordinal", ("low", "normal", "high", "critical")),
    "binary": Head("lost", "binary"),
    "multilabel": Head("said", "multilabel", ("leaves", "sues")),
}


def example(kind: str, rows: int, seed: int, *, decimals: int = 2) -> tuple[Head, Doubles, Doubles]:
    """Return a head, probabilities with ties, and labels that go with them more often than not; every label occurs."""
    head, random = HEADS[kind], np.random.default_rng(seed)
    if head.exclusive:
        place = np.append(np.arange(head.width), random.integers(0, head.width, rows - head.width))
        truth = np.eye(head.width)[place]
        likely = np.exp(random.normal(size=(rows, head.width)) + truth)
        likely = np.round(likely / likely.sum(1, keepdims=True), decimals)
    else:
        truth = (random.random((rows, head.width)) < 0.3).astype(float)
        truth[0], truth[1] = 1, 0
        likely = np.round(1 / (1 + np.exp(-random.normal(size=truth.shape) * 1.5 - 2 * truth + 1)), decimals)
    return head, likely, truth


def once(head: Head, likely: Doubles, truth: Doubles, capacity: int = 10) -> dict[str, float]:
    drawn = measure(head, likely, truth, np.ones((1, len(truth))), capacity)
    return {name: float(values[0]) for name, values in drawn.items()}


def slow_calibration_error(stated: Doubles, true: Doubles) -> float:
    """Return the gap between stated and true share of each bin of equal mass, weighted by its rows."""
    order = sorted(range(len(stated)), key=lambda row: stated[row])
    count = min(BINS, len(stated))
    error, start = 0.0, 0
    for place in range(count):
        size = len(stated) // count + (place < len(stated) % count)
        rows = order[start : start + size]
        start += size
        error += len(rows) / len(stated) * abs(np.mean(stated[rows]) - np.mean(true[rows]))
    return error


seeds = st.integers(0, 10_000)
sizes = st.integers(12, 120)


@pytest.mark.parametrize("kind", ["nominal", "ordinal"])
@given(rows=sizes, seed=seeds)
def test_exclusive_heads_as_scikit_learn_measures_them(kind: str, rows: int, seed: int) -> None:
    head, likely, truth = example(kind, rows, seed)
    said, held = likely.argmax(1), truth.argmax(1)
    found = once(head, likely, truth)
    labels = list(range(head.width))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(held, said, labels=labels, zero_division=0)
    expected: dict[str, float] = {
        "accuracy": metrics.accuracy_score(held, said),
        "macro_f1": metrics.f1_score(held, said, average="macro"),
        "brier": ((likely - truth) ** 2).sum(1).mean(),
        "ece": slow_calibration_error(likely.max(1), (said == held).astype(float)),
    }
    for place, label in enumerate(head.labels):
        expected |= {f"{label}.precision": precision[place], f"{label}.recall": recall[place], f"{label}.f1": f1[place]}
    if kind == "ordinal":
        expected |= {
            "quadratic_kappa": metrics.cohen_kappa_score(held, said, weights="quadratic"),
            "recall_top": recall[-1],
        }
    assert found == pytest.approx(expected, abs=1e-12)


@given(rows=sizes, seed=seeds)
def test_the_brier_score_of_several_labels_is_scikit_learns(rows: int, seed: int) -> None:
    head, likely, truth = example("nominal", rows, seed, decimals=12)
    likely /= likely.sum(1, keepdims=True)
    expected = metrics.brier_score_loss(truth.argmax(1), likely, labels=[0, 1, 2], scale_by_half=False)
    assert once(head, likely, truth)["brier"] == pytest.approx(expected, abs=1e-9)


def binary_reference(likely: Doubles, truth: Doubles) -> dict[str, float]:
    said = (likely >= 0.5).astype(float)
    return {
        "accuracy": metrics.accuracy_score(truth, said),
        "macro_f1": metrics.f1_score(truth, said, average="macro", zero_division=0),
        "precision": metrics.precision_score(truth, said, zero_division=0),
        "recall": metrics.recall_score(truth, said, zero_division=0),
        "f1": metrics.f1_score(truth, said, zero_division=0),
        "brier": metrics.brier_score_loss(truth, likely),
        "ece": slow_calibration_error(likely, truth),
        "roc_auc": metrics.roc_auc_score(truth, likely),
        "average_precision": metrics.average_precision_score(truth, likely),
    }


@pytest.mark.parametrize("decimals", [1, 2, 12], ids=["many ties", "some ties", "no ties"])
@given(rows=sizes, seed=seeds)
def test_binary_heads_as_scikit_learn_measures_them(decimals: int, rows: int, seed: int) -> None:
    head, likely, truth = example("binary", rows, seed, decimals=decimals)
    found = once(head, likely, truth)
    del found["precision_at_capacity"]
    assert found == pytest.approx(binary_reference(likely[:, 0], truth[:, 0]), abs=1e-12)


@given(rows=sizes, seed=seeds)
def test_multilabel_heads_are_measured_label_by_label_and_on_average(rows: int, seed: int) -> None:
    head, likely, truth = example("multilabel", rows, seed)
    found = once(head, likely, truth)
    each = [binary_reference(likely[:, place], truth[:, place]) for place in range(head.width)]
    for label, reference in zip(head.labels, each, strict=True):
        assert {name: found[f"{label}.{name}"] for name in reference} == pytest.approx(reference, abs=1e-12)
    for name, part in {
        "macro_f1": "f1",
        "brier": "brier",
        "ece": "ece",
        "average_precision": "average_precision",
    }.items():
        assert found[name] == pytest.approx(np.mean([reference[part] for reference in each]), abs=1e-12)


@pytest.mark.parametrize(("capacity", "expected"), [(1, 1.0), (2, 0.5), (3, 2 / 3), (4, 0.5), (9, 0.4)])
def test_precision_at_capacity_looks_at_the_surest(capacity: int, expected: float) -> None:
    likely = np.array([[0.1], [0.9], [0.8], [0.7], [0.2]])
    truth = np.array([[0.0], [1.0], [0.0], [1.0], [0.0]])
    assert once(HEADS["binary"], likely, truth, capacity)["precision_at_capacity"] == pytest.approx(expected)


@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_one_class_alone_gives_numbers_and_no_nan(truth: float) -> None:
    found = once(HEADS["binary"], np.array([[0.4], [0.6]]), np.full((2, 1), truth))
    assert np.isfinite(list(found.values())).all()


def test_a_label_that_never_occurs_has_no_part_in_the_mean() -> None:
    """Where scikit-learn counts it as 0: a resample without a rare label is no evidence against the model."""
    truth = np.eye(3)[[0, 0, 2, 2]]
    assert once(HEADS["nominal"], truth, truth)["macro_f1"] == 1


@pytest.mark.parametrize("kind", HEADS)
@given(rows=st.integers(8, 40), seed=seeds)
def test_a_weight_is_a_row_repeated(kind: str, rows: int, seed: int) -> None:
    """What was drawn three times counts three times, but for the bins of the calibration error, which stay."""
    head, likely, truth = example(kind, rows, seed)
    times = np.random.default_rng(seed + 1).integers(0, 4, rows)
    times[:2] += 1  # never nothing
    capacity = max(1, int(times.sum()) // 2)
    weighted = measure(head, likely, truth, times[None, :].astype(float), capacity)
    drawn = np.repeat(np.arange(rows), times)
    repeated = measure(head, likely[drawn], truth[drawn], np.ones((1, len(drawn))), capacity)
    assert weighted.keys() == repeated.keys()
    for name, values in weighted.items():
        if not name.endswith("ece"):
            assert values[0] == pytest.approx(repeated[name][0], abs=1e-9), name


@given(rows=st.integers(2, 60), seed=seeds)
def test_many_resamples_at_once_are_each_of_them_alone(rows: int, seed: int) -> None:
    head, likely, truth = example("binary", max(rows, 3), seed)
    weights = bootstrap_weights(np.arange(len(truth)), 5, seed)
    together = measure(head, likely, truth, weights, 5)
    for place in range(len(weights)):
        alone = measure(head, likely, truth, weights[place : place + 1], 5)
        for name, values in together.items():
            assert values[place] == pytest.approx(alone[name][0], abs=1e-12)


@given(rows=st.integers(1, 80), seed=seeds, decimals=st.sampled_from([1, 3]))
def test_the_calibration_error_is_that_of_a_plain_count(rows: int, seed: int, decimals: int) -> None:
    random = np.random.default_rng(seed)
    stated = np.round(random.random(rows), decimals)
    true = (random.random(rows) < stated).astype(float)
    found = calibration_error(stated, true, np.ones((1, rows)))[0]
    assert found == pytest.approx(slow_calibration_error(stated, true), abs=1e-12)


def test_an_honest_model_has_a_small_calibration_error_and_a_boastful_one_a_large() -> None:
    random = np.random.default_rng(0)
    stated = random.random(30_000)
    true = (random.random(30_000) < stated).astype(float)
    honest, boastful = (calibration_error(p, true, np.ones((1, 30_000)))[0] for p in (stated, np.round(stated)))
    assert honest < 0.02
    assert boastful > 0.2


def test_ranking_of_no_positives_is_zero() -> None:
    for values in ranking_metrics(np.array([0.3, 0.2]), np.zeros(2), np.ones((1, 2)), 1):
        assert values.tolist() == [0]


# ---- intervals -------------------------------------------------------------------------------------------------------


def test_groups_are_drawn_whole() -> None:
    groups = np.array([9, 4, 4, 9, 4, 2])
    weights = bootstrap_weights(groups, 200, seed=1)
    assert weights.shape == (201, 6)
    assert weights[0].tolist() == [1] * 6
    for group in (2, 4, 9):
        rows = np.flatnonzero(groups == group)
        assert (weights[:, rows] == weights[:, rows[:1]]).all()
    per_group = weights[1:][:, [0, 1, 5]]
    assert (per_group.sum(1) == 3).all()
    assert per_group.std() > 0
    assert np.array_equal(weights, bootstrap_weights(groups, 200, seed=1))
    assert not np.array_equal(weights, bootstrap_weights(groups, 200, seed=2))


def report(groups: NDArray[np.int64], rows: int = 300, seed: int = 3) -> dict[str, Figure]:
    head, likely, truth = example("binary", rows, seed)
    target = Target(np.ones(rows, bool), truth.astype(np.float32))
    found = evaluate(
        Schema((head,)),
        {"lost": likely.astype(np.float32)},
        {"lost": target},
        groups,
        resamples=400,
        seed=1,
        capacity=10,
    )
    assert found["lost"].rows == rows
    return found["lost"].figures


def test_an_interval_holds_its_value() -> None:
    for name, figure in report(np.arange(300)).items():
        if name != "ece":  # a resample adds noise to it, never takes any away
            assert figure.low <= figure.value <= figure.high, name
    accuracy = report(np.arange(300))["accuracy"]
    half = 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / 300)
    assert accuracy.high - accuracy.low == pytest.approx(2 * half, rel=0.2)


def test_texts_of_one_customer_are_no_independent_evidence() -> None:
    """Thirty copies of ten rows say no more than ten rows: the interval of 300 customers would be far too small."""
    head, likely, truth = example("binary", 30, 3)
    rows = np.repeat(np.arange(30), 10)
    target = Target(np.ones(300, bool), truth[rows].astype(np.float32))

    def width(groups: Any) -> float:
        figures = evaluate(
            Schema((head,)), {"lost": likely[rows]}, {"lost": target}, groups, resamples=400, seed=1, capacity=10
        )["lost"].figures  # type: ignore[arg-type]
        return figures["accuracy"].high - figures["accuracy"].low

    assert width(rows) > 2.5 * width(np.arange(300))


def test_only_rows_that_carry_the_label_are_measured() -> None:
    head, likely, truth = example("binary", 40, 1)
    known = np.arange(40) % 2 == 0
    schema = Schema((head, HEADS["nominal"]))
    probabilities = {"lost": likely.astype(np.float32), "mood": np.zeros((40, 3), np.float32)}
    targets = {
        "lost": Target(known, truth.astype(np.float32)),
        "mood": Target(np.zeros(40, bool), np.zeros((40, 3), np.float32)),
    }
    found = evaluate(schema, probabilities, targets, np.arange(40), resamples=50, seed=1, capacity=3)
    assert list(found) == ["lost"]  # a head that no row carries has no report
    assert found["lost"].rows == 20
    said = likely[known, 0].astype(np.float32) >= 0.5
    assert found["lost"].figures["accuracy"].value == pytest.approx((said == truth[known, 0]).mean())


def test_a_figure_is_written_with_its_interval() -> None:
    assert str(Figure(0.71234, 0.7, 0.72)) == "0.712 [0.700, 0.720]"


# ---- slices ----------------------------------------------------------------------------------------------------------


def sliced(values: dict[str, list[str | None]], *, known: int = 200, alike: int = 0) -> Any:
    """Return the reports of 200 rows, of which the first `known` carry the binary head and the first `alike` say no."""
    mood, likely, truth = example("nominal", 200, 1)
    lost, said, held = example("binary", 200, 2)
    held[:alike] = 0
    probabilities = {"mood": likely.astype(np.float32), "lost": said.astype(np.float32)}
    targets = {
        "mood": Target(np.ones(200, bool), truth.astype(np.float32)),
        "lost": Target(np.arange(200) < known, held.astype(np.float32)),
    }
    everything = (Schema((mood, lost)), probabilities, targets, np.arange(200) // 2)
    settings: Any = {"resamples": 50, "seed": 1, "capacity": 10}
    report, slices = evaluate_sliced(*everything, values, **settings)
    assert report == evaluate(*everything, **settings)
    return report, slices


def test_a_slice_is_measured_as_if_it_were_all() -> None:
    values: dict[str, list[str | None]] = {"half": ["left", "right"] * 100, "whole": ["all"] * 200}
    report, slices = sliced(values)
    assert list(slices) == ["half", "whole"]
    assert slices["whole"]["all"].report == report
    assert {value: part.rows for value, part in slices["half"].items()} == {"left": 100, "right": 100}
    parts = [part.report["mood"].figures["accuracy"].value for part in slices["half"].values()]
    assert np.mean(parts) == pytest.approx(report["mood"].figures["accuracy"].value)
    assert parts[0] != parts[1]


def test_a_slice_of_too_few_rows_is_left_out() -> None:
    few, rest = MIN_ROWS - 1, 200 - 2 * MIN_ROWS + 1
    _, slices = sliced({"lang": ["en"] * rest + ["de"] * MIN_ROWS + ["fr"] * few, "none": [None] * 200})
    assert {value: part.rows for value, part in slices["lang"].items()} == {"en": rest, "de": MIN_ROWS}
    assert slices["none"] == {}


@pytest.mark.parametrize(("settings", "heads"), [({"known": 100 + MIN_ROWS}, ["mood", "lost"]),
    ({"known": 99 + MIN_ROWS}, ["mood"]), ({"alike": 200}, ["mood"])])  # fmt: skip
def test_a_head_that_cannot_be_measured_on_a_slice_is_left_out(settings: dict[str, int], heads: list[str]) -> None:
    _, slices = sliced({"half": ["first"] * 100 + ["second"] * 100}, **settings)
    assert list(slices["half"]["second"].report) == heads


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["en"] * 40 + ["de"] * MIN_ROWS + ["fr"] * (MIN_ROWS - 1), ("en", "de")),
        (["de"] * 3 + [None] * 50 + ["en"] * 4, ("en",)),
        ([None] * 50, ()),
        ([], ()),
    ],
)
def test_what_is_frequent_stands_on_enough_rows_or_is_the_most_frequent(
    values: list[str | None], found: tuple[str, ...]
) -> None:
    assert frequent(values) == found


def test_the_interval_of_a_calibration_error_holds_what_is_true() -> None:
    """Every resample adds an error of its own: plain percentiles lie above the truth nearly always."""
    random = np.random.default_rng(5)
    held = plain = 0
    for _ in range(60):
        stated = random.uniform(0.5, 1, 700)
        right = (random.random(700) < stated - 0.06).astype(float)  # boastful by 0.06
        values = calibration_error(stated, right, bootstrap_weights(np.arange(700), 120, 3))
        figure = error_of(values)
        assert 0 <= figure.low <= figure.value <= figure.high
        held += figure.low <= 0.06 <= figure.high
        plain += figure_of(values).low <= 0.06 <= figure_of(values).high
    assert held >= 48
    assert held > plain
