"""A training from data to card, on a small part of the corpus."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.scoring import given_labels
from pipeline.config import Config, ConfigError, load
from pipeline.learning import recipe
from pipeline.learning.dataset import Dataset
from pipeline.learning.plots import draw
from pipeline.learning.recipe import _check_settings
from pipeline.learning.splits import Splits
from pipeline.learning.training import Trained, card, listed_metrics, slice_metrics, train
from pipeline.settings import Data, Source

CONFIG = Config.model_validate(
    {"model": {"family": "linear", "linear": {"epochs": 6}}, "evaluation": {"bootstrap": 50}}
)


@pytest.fixture(scope="module")
def splits(corpus: Dataset) -> Splits:
    rows = np.arange(len(corpus))
    return Splits(rows[::11], rows[5::22], rows[7::22], rows, {})


@pytest.fixture(scope="module")
def trained(corpus: Dataset, splits: Splits) -> Trained:
    return train(corpus, splits, CONFIG, "abc123")


def test_what_is_known_of_the_training_travels_with_the_model(corpus: Dataset, trained: Trained) -> None:
    lineage = trained.model.lineage
    assert lineage["training_data"] == corpus.digest()
    assert lineage["files"] == corpus.files
    assert lineage["config"] == CONFIG.digest()
    assert lineage["commit"] == "abc123"
    assert lineage["rows"] == {"train": 300, "calibration": 150, "test": 150}
    assert {"numpy", "safetensors", "torch", "openvino"} <= set(lineage["libraries"])
    assert trained.model.ranking == CONFIG.rank.model_dump()


def test_every_head_is_reported_and_better_than_guessing(corpus: Dataset, trained: Trained) -> None:
    assert list(trained.report) == corpus.schema.names
    assert trained.report["detractor"].figures["roc_auc"].value > 0.5
    assert trained.report["urgency"].figures["quadratic_kappa"].value > 0.2
    assert trained.report["complaint_type"].figures["macro_f1"].value > 2 / 14
    assert trained.report["sentiment"].rows == 150
    for report in trained.report.values():
        for figure in report.figures.values():
            assert np.isfinite([figure.value, figure.low, figure.high]).all()


def test_the_listed_metrics_of_every_kind_is_measured(corpus: Dataset, trained: Trained) -> None:
    for head in corpus.schema:
        assert set(listed_metrics(trained, head.name)) <= set(trained.report[head.name].figures)


def test_the_same_settings_give_the_same_model(corpus: Dataset, splits: Splits, trained: Trained) -> None:
    again = train(corpus, splits, CONFIG, "abc123")
    for name, likely in trained.predictions.probabilities.items():
        assert again.predictions.probabilities[name].tobytes() == likely.tobytes()
    assert again.report == trained.report


def test_the_card_says_what_somebody_needs_to_know(corpus: Dataset, trained: Trained) -> None:
    text = card(trained, CONFIG)
    assert text.startswith("# Model card: Amends triage, {version}\n")
    for wanted in ("300 trained on", "150 calibrated on", "150 tested on", "seed 7", "commit abc123", "## Limits"):
        assert wanted in text
    for head in corpus.schema:
        assert f"| {head.name} | {head.kind} |" in text
    assert "nps <= 6" in text
    for name in corpus.files:
        assert name in text


def test_the_card_has_the_licence_of_every_source(trained: Trained) -> None:
    said = card(trained, CONFIG)
    assert "- Source `data/starter/*.jsonl`, licence: Apache-2.0" in said
    other = CONFIG.model_copy(update={"data": Data(sources=[Source(hub="owner/name")])})
    assert "- Source `owner/name`, licence: not stated" in card(trained, other)


def test_the_model_knows_the_languages_that_it_was_tested_on(corpus: Dataset, splits: Splits, trained: Trained) -> None:
    """The corpus has seven, and only English on enough rows of this small test side."""
    assert trained.model.languages == ("en",)
    said = [corpus.columns["lang"][row] for row in splits.test]
    assert trained.slices["lang"]["en"].rows == said.count("en")
    assert set(trained.slices) == {"lang", "channel"}
    assert list(trained.slices["channel"]) == ["survey"]


def test_every_slice_is_a_metric(trained: Trained) -> None:
    metrics = slice_metrics(trained)
    english = trained.slices["lang"]["en"].report
    assert metrics["slice.lang.en.sentiment.accuracy"] == english["sentiment"].figures["accuracy"].value
    assert {name.split(".")[1] for name in metrics} == {"lang", "channel"}
    assert np.isfinite(list(metrics.values())).all()


def test_the_card_has_a_line_for_every_language(trained: Trained) -> None:
    text, english = card(trained, CONFIG), trained.slices["lang"]["en"]
    table = text[text.index("## By language") : text.index("## Limits")].strip().splitlines()
    assert table[1].startswith("Tested on: en.")
    assert table[3].startswith("| language | rows | sentiment accuracy | urgency macro_f1 |")
    assert table[5].startswith(f"| en | {english.rows} | {english.report['sentiment'].figures['accuracy']} |")
    assert len({line.count("|") for line in table[3:]}) == 1


@pytest.mark.parametrize("side", ["train", "calibration", "test"])
def test_a_side_without_rows_is_refused(corpus: Dataset, splits: Splits, side: str) -> None:
    with pytest.raises(ValueError) as caught:
        train(corpus, replace(splits, **{side: splits.train[:0]}), CONFIG, None)
    assert str(caught.value) == f"the {side} side has no rows; give more data or a larger data.split share"


def test_the_pictures_are_pictures(corpus: Dataset, splits: Splits, trained: Trained, tmp_path: Path) -> None:
    _, targets = corpus.take(splits.test)
    likely = trained.predictions.probabilities
    files = draw(corpus.schema, likely, targets, given_labels(trained.model, likely), tmp_path / "plots")
    assert {path.name for path in files} == {
        "sentiment_confusion.png", "urgency_confusion.png", "complaint_type_confusion.png", "detractor_gains.png",
        "signals_gains.png", *(f"{name}_reliability.png" for name in corpus.schema.names),
    }  # fmt: skip
    for path in files:
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "model.heads.urgncy.weight=2",
            "model.heads: 'urgncy' is no head of the label schema; did you mean 'urgency'?",
        ),
        ("rank.weights.churn_thret=1", "rank.weights: 'churn_thret' is no head, label or factor; did you mean "),
        ("model.family=forest", "model.family must be one of linear, frozen, encoder, cascade; got 'forest'"),
    ],
)
def test_a_name_that_means_nothing_is_refused_before_any_work(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}"):
        _check_settings(load(overrides=[override]))


def test_code_that_git_does_not_know_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    monkeypatch.setattr(recipe, "ROOT", tmp_path)
    assert recipe.commit() is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.py").write_text("x = 1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    clean = recipe.commit()
    assert clean is not None
    assert len(clean) == 40
    (tmp_path / "mine.yaml").write_text("seed: 3\n")
    assert recipe.commit() == clean
    (tmp_path / "models" / "two.py").write_text("x = 2\n")
    assert recipe.commit() == f"{clean}-dirty"
    (tmp_path / "models" / "two.py").unlink()
    (tmp_path / "models" / "one.py").write_text("x = 3\n")
    assert recipe.commit() == f"{clean}-dirty"
