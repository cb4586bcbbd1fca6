"""The evaluation page: baselines that a model beats, slices that are surely worse, and no text of a customer."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.learning.audit import Audit, audit
from pipeline.learning.baselines import learning_curve
from pipeline.learning.comparison import Said
from pipeline.learning.dataset import Dataset
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
    report.write(tmp_path / "evaluation.html", tmp_path / "plots")
    page = (tmp_path / "evaluation.html").read_text(encoding="utf-8")
    assert not [text for text in corpus.texts if len(text) > 15 and text in page]
    for piece in (
        "TF-IDF and regression",
        "what cannot be seen changes nothing",
        "sentiment confusion",
        "learning curve",
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
        corpus, splits.test, Said(likely, labels), targets, splits.group[splits.test], resamples=100, seed=1
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
