"""The evaluation page: baselines that a model beats, slices that are surely worse, and no text of a customer."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.learning.audit import Audit, audit
from pipeline.learning.comparison import Said
from pipeline.learning.curves import ageing_curve, learning_curve
from pipeline.learning.dataset import Dataset, load_dataset
from pipeline.learning.evaluation import Figure
from pipeline.learning.gate import Decision
from pipeline.learning.report import Report, report_of, write_mistakes
from pipeline.learning.slices import holm, slice_figures
from pipeline.learning.splits import Splits, split
from pipeline.learning.training import Trained, train

CONFIG = Config.model_validate(
    {"model": {"family": "linear", "linear": {"epochs": 8}}, "evaluation": {"bootstrap": 80}}
)


@pytest.fixture(scope="module")
def splits(corpus: Dataset) -> Splits:
    return split(corpus, CONFIG.data.split)


@pytest.fixture(scope="module")
def trained(corpus: Dataset, splits: Splits) -> Trained:
    return train(corpus, splits, CONFIG, None)


@pytest.fixture(scope="module")
def audited(corpus: Dataset, splits: Splits) -> Audit:
    return audit(corpus, splits, CONFIG)


@pytest.fixture(scope="module")
def report(corpus: Dataset, splits: Splits, trained: Trained, audited: Audit) -> Report:
    return report_of(corpus, splits, CONFIG, trained, audited)


def test_the_model_beats_what_it_has_to_beat(report: Report) -> None:
    assert set(report.baselines) == {"most frequent label", "TF-IDF and regression", "word list", "rating"}
    for head in ("sentiment", "urgency", "complaint_type"):
        assert report.figures[head].value > report.baselines["most frequent label"][head].low
        assert report.figures[head].value > report.baselines["TF-IDF and regression"][head].value
    assert set(report.baselines["word list"]) == {"sentiment", "detractor"}
    assert set(report.baselines["rating"]) == {"sentiment"}  # detractor is made of the rating
    assert report.baselines["most frequent label"]["sentiment"].value < report.baselines["word list"]["sentiment"].value


def test_the_ceiling_and_the_curve_are_plausible(report: Report) -> None:
    assert set(report.ceiling) == set(report.figures)
    assert all(0.9 < share <= 1 for share in report.ceiling.values())
    rows = [count for count, _ in report.curve["sentiment"]]
    assert rows == sorted(rows)
    assert report.curve["sentiment"][-1][1] > report.curve["sentiment"][0][1]


def test_the_page_shows_all_of_it_and_no_text(
    report: Report, trained: Trained, corpus: Dataset, splits: Splits, tmp_path: Path
) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "sentiment_confusion.png").write_bytes(b"\x89PNG")
    refused = {"every_head": "urgency may fall by 0.100"}
    decision = Decision(refused, gains={"urgency": Figure(-0.04, -0.1, 0.02)})
    report.write(tmp_path / "evaluation.html", tmp_path / "plots", decision, serves=False)
    page = (tmp_path / "evaluation.html").read_text(encoding="utf-8")
    assert not [text for text in corpus.texts if len(text) > 15 and text in page]
    for piece in (
        "TF-IDF and regression",
        "what cannot be seen changes nothing",
        "sentiment confusion",
        "learning curve",
        "It does not serve",
        "no: urgency may fall by 0.100",
        "-0.040 [-0.100, +0.020]",
        "Refuse a model that is much slower than the champion.",
    ):
        assert piece in page
    assert "/" + str(tmp_path).strip("/") not in page
    write_mistakes(tmp_path / "deep" / "mistakes.csv", corpus, splits, trained)
    with (tmp_path / "deep" / "mistakes.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    wrong = [row for row in rows if row["head"] == "sentiment"]
    accuracy = trained.report["sentiment"].figures["accuracy"].value
    assert len(wrong) == round((1 - accuracy) * len(splits.test))
    assert all(row["labelled"] != row["given"] for row in rows)


def test_a_slice_that_is_spoilt_is_found(corpus: Dataset, splits: Splits, trained: Trained) -> None:
    channel = np.array([corpus.columns["channel"][row] for row in splits.test], object)
    likely = {name: values.copy() for name, values in trained.predictions.probabilities.items()}
    labels = {name: given.copy() for name, given in trained.labels.items()}
    here = channel == "email"
    labels["sentiment"][here] = (labels["sentiment"][here] + 1) % 3
    _, targets = corpus.take(splits.test)
    figures = slice_figures(
        corpus,
        splits.test,
        Said(likely, labels),
        targets,
        splits.group[splits.test],
        CONFIG.evaluation.slices,
        resamples=100,
        seed=1,
    )
    (found,) = [one for one in figures if (one.column, one.value, one.head) == ("channel", "email", "sentiment")]
    assert found.worse
    assert found.p < 0.001
    assert figures[0].p <= figures[-1].p


@given(st.lists(st.floats(0, 1), max_size=30))
def test_correction_makes_no_look_surer(chances: list[float]) -> None:
    adjusted = holm(chances)
    assert all(after >= before - 1e-12 for before, after in zip(chances, adjusted, strict=True))
    assert all(after <= min(1, before * len(chances)) + 1e-12 for before, after in zip(chances, adjusted, strict=True))
    order = np.argsort(chances, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


def test_a_share_without_every_label_is_left_out_of_the_curve(corpus: Dataset, splits: Splits) -> None:
    few = Splits(splits.train[:60], splits.calibration, splits.test, splits.group, {})
    curve = learning_curve(corpus, few, CONFIG)
    assert all(len(points) < 4 for points in curve.values())


def test_the_page_says_that_a_model_serves_and_why(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path / "evaluation.html", tmp_path, Decision({}, "the first version"), serves=True)
    page = (tmp_path / "evaluation.html").read_text(encoding="utf-8")
    assert "It serves now" in page
    assert "Every check holds (the first version)." in page
    assert "What age costs" not in page  # the starter corpus has no dates


def test_old_rows_are_shown_to_cost_what_they_cost(corpus: Dataset, splits: Splits) -> None:
    """Labels that were given otherwise the longer ago make a model the worse, the older the rows it learnt from."""
    random = np.random.default_rng(1)
    age = random.integers(0, 400, len(corpus))
    today = datetime(2026, 6, 1, tzinfo=UTC)
    created: list[str | None] = [(today - timedelta(days=int(days))).isoformat() for days in age]
    truth = corpus.targets["sentiment"].truth.copy()
    other = np.flatnonzero(random.random(len(corpus)) < age / 500)
    truth[other] = truth[other][:, [2, 0, 1]]
    aged = replace(
        corpus,
        columns={**corpus.columns, "created_at": created},
        targets={**corpus.targets, "sentiment": replace(corpus.targets["sentiment"], truth=truth)},
    )
    tested = Splits(
        splits.train, splits.calibration, np.concatenate([splits.test, splits.calibration]), splits.group, {}
    )
    points = sorted(ageing_curve(aged, tested, CONFIG)["sentiment"])
    days, figures = zip(*points, strict=True)
    assert len(days) == 4
    assert days[-1] - days[0] > 200
    assert figures[0] > figures[-1] + 0.1
    assert ageing_curve(corpus, splits, CONFIG) == {head.name: [] for head in corpus.schema}


def test_slices_by_value_and_by_a_column_of_ones_own(write_lines: Callable[..., Path]) -> None:
    random = np.random.default_rng(2)
    labels = ("negative", "positive")
    rows: list[dict[str, object]] = [
        {"text": f"text {n}", "sentiment": labels[n % 2], "customer_value": n, "branch": ("north", "south")[n % 3 == 0]}
        for n in range(400)
    ]
    path = write_lines("mine.jsonl", rows)
    config = Config.model_validate(
        {"data": {"sources": [{"path": str(path)}]}, "evaluation": {"slices": ["branch", "customer_value"]}}
    )
    data = load_dataset(config)
    truth = data.targets["sentiment"].truth.argmax(1)
    north = np.array(data.columns["branch"]) == "north"
    given = np.where(north & (random.random(400) < 0.4), 2 - truth, truth)
    said = Said({head.name: np.zeros((400, head.width), np.float32) for head in data.schema}, {
        head.name: given if head.name == "sentiment" else np.zeros(400, np.int64) for head in data.schema
        if head.exclusive
    })  # fmt: skip
    figures = slice_figures(
        data, np.arange(400), said, data.targets, np.arange(400), config.evaluation.slices, resamples=100, seed=1
    )
    assert {(one.column, one.value) for one in figures} == {
        ("branch", "north"), ("branch", "south"), *(("customer_value", f"{which} fifth") for which in
        ("lowest", "second", "middle", "fourth", "highest"))}  # fmt: skip
    assert [(one.column, one.value) for one in figures if one.worse] == [("branch", "north")]


def test_a_small_slice_is_not_worse_for_being_small(corpus: Dataset, splits: Splits, trained: Trained) -> None:
    """Macro-F1 over 14 labels falls with the rows; the error of a row does not."""
    _, targets = corpus.take(splits.test)
    said, worse = Said(trained.predictions.probabilities, trained.labels), 0
    for seed in range(20):
        chosen = np.random.default_rng(seed).permutation(len(splits.test))[:40]
        drawn: list[str | None] = ["rest"] * len(corpus)
        for row in splits.test[chosen].tolist():
            drawn[row] = "few"
        marked = replace(corpus, columns={**corpus.columns, "drawn": drawn})
        found = slice_figures(
            marked, splits.test, said, targets, splits.group[splits.test], ["drawn"], resamples=100, seed=1
        )
        worse += any(one.worse and one.value == "few" for one in found)
    assert worse <= 3
