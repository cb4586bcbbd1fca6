"""The gate: a better model passes, and twenty kinds of worse ones are refused, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.schema import Head, Schema
from models.triage import Predictions, TriageModel
from pipeline.config import Config
from pipeline.learning.comparison import Said
from pipeline.learning.dataset import Dataset
from pipeline.learning.gate import Contest, decide
from pipeline.learning.gate.checks import CHECKS
from pipeline.learning.splits import Splits, fingerprints, split
from pipeline.learning.training import Trained, train

CONFIG = Config.model_validate({"model": {"family": "linear"}, "evaluation": {"bootstrap": 60}})


@pytest.fixture(scope="module")
def splits(corpus: Dataset) -> Splits:
    return split(corpus, CONFIG.data.split)


@pytest.fixture(scope="module")
def trained(corpus: Dataset, splits: Splits) -> Trained:
    return train(corpus, splits, CONFIG, "abc")


@pytest.fixture(scope="module")
def contest(corpus: Dataset, splits: Splits, trained: Trained, unsaved: TriageModel) -> Contest:
    """Return a champion that learnt from 300 rows, and a candidate that learnt from them all."""
    fitted = Said(trained.predictions.probabilities, trained.labels)
    return Contest(CONFIG, corpus, splits, trained.model, fitted, unsaved, True, (1_000, 1_000))


def again(contest: Contest, **changed: Any) -> Contest:
    """Return the contest with some of it changed, and nothing of what was worked out."""
    names = ("config", "data", "splits", "candidate", "fitted", "champion", "signed", "sizes")
    return Contest(**{name: getattr(contest, name) for name in names} | changed)


def doing(model: TriageModel, predict: Callable[[Predictions, list[str]], Predictions]) -> TriageModel:
    """Return a model that changes what another predicts."""

    class Sabotaged(TriageModel):
        def predict(self, texts: Any) -> Predictions:
            return predict(model.predict(texts), list(texts))

    return Sabotaged(**{name: getattr(model, name) for name in TriageModel.__dataclass_fields__})


def changing(head: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Predictions, list[str]], Predictions]:
    """Return what changes the probabilities of one head."""
    return lambda said, _: replace(
        said, probabilities={**said.probabilities, head: change(said.probabilities[head]).astype(np.float32)}
    )


def swapped_in(contest: Contest, model: TriageModel) -> Contest:
    """Return the contest with another candidate, which was evaluated as what it is."""
    return again(contest, candidate=model, fitted=Said.by(model, contest.texts))


def test_a_better_model_passes_and_says_by_how_much(contest: Contest) -> None:
    decision = decide(contest)
    assert decision.refused == {}
    assert decision.promote
    assert decision.why.startswith("mean headline figure +0.")


def test_the_first_version_passes(contest: Contest) -> None:
    assert decide(again(contest, champion=None)).why == "the first version"


def test_the_champion_does_not_beat_itself(contest: Contest, unsaved: TriageModel) -> None:
    decision = decide(again(contest, champion=contest.candidate))
    assert list(decision.refused) == ["primary"]
    assert decision.refused["primary"] == "mean.headline does not surely gain on the champion: +0.000 [+0.000, +0.000]"


def _shuffled(head: str) -> Callable[[Contest], Contest]:
    random = np.random.default_rng(0)
    return lambda contest: swapped_in(contest, doing(contest.candidate, changing(head, random.permutation)))


def _lineage(contest: Contest, **changed: Any) -> Contest:
    model = replace(contest.candidate, lineage={**contest.candidate.lineage, **changed})
    return again(contest, candidate=model)


def _leaked(contest: Contest) -> Contest:
    texts = [*contest.data.columns["text"]]
    texts[contest.splits.test[0]] = f"{texts[contest.splits.train[5]]} !"
    return again(contest, data=replace(contest.data, columns={**contest.data.columns, "text": texts}))


def _other_schema(contest: Contest, change: Callable[[Head], Head]) -> Contest:
    heads = tuple(change(head) if head.name == "sentiment" else head for head in contest.candidate.schema)
    return again(contest, candidate=replace(contest.candidate, schema=Schema(heads)))


def _slow(said: Predictions, texts: list[str]) -> Predictions:
    np.linalg.svd(np.random.default_rng(0).normal(size=(700, 700)))
    return said


def _deaf(said: Predictions, texts: list[str]) -> Predictions:
    """Take every text with "cancelling" for the calmest there is."""
    deaf = np.array(["cancelling" in text for text in texts])
    likely = {name: values.copy() for name, values in said.probabilities.items()}
    likely["urgency"][deaf] = [1, 0, 0, 0]
    for name in ("detractor", "signals"):
        likely[name][deaf] = 0
    likely["sentiment"][deaf] = [0, 0, 1]
    return replace(said, probabilities=likely)


def _fails(said: Predictions, texts: list[str]) -> Predictions:
    raise RuntimeError("out of order")


def _reported(contest: Contest) -> Contest:
    report = {"precision": "int8", "loss": {"urgency": 1.25}}
    family = SimpleNamespace(report=report, forward=contest.candidate.family.forward)
    return again(contest, candidate=replace(contest.candidate, family=family))  # type: ignore[arg-type]


def sabotage(predict: Callable[[Predictions, list[str]], Predictions]) -> Callable[[Contest], Contest]:
    return lambda contest: swapped_in(contest, doing(contest.candidate, predict))


SABOTAGE: dict[str, tuple[str, str, Callable[[Contest], Contest]]] = {
    "labels in another order": ("same_heads", "other labels, or in another order", lambda contest: _other_schema(
        contest, lambda head: replace(head, labels=head.labels[::-1]))),
    "a head renamed": ("same_heads", "head sentiment of the champion is missing", lambda contest: _other_schema(
        contest, lambda head: replace(head, name="mood"))),
    "a head of another kind": ("same_heads", "other labels, or in another order", lambda contest: _other_schema(
        contest, lambda head: replace(head, kind="ordinal"))),
    "weights that are no numbers": ("sound_predictions", "gives probabilities that are none", sabotage(
        changing("urgency", lambda likely: likely * np.nan))),
    "probabilities beyond one": ("sound_predictions", "gives probabilities that are none", sabotage(
        changing("detractor", lambda likely: likely * 3))),
    "probabilities that do not sum to one": ("sound_predictions", "do not sum to one", sabotage(
        changing("urgency", lambda likely: likely * 0.9))),
    "the same of every text": ("sound_predictions", "says the same of every text", sabotage(
        changing("complaint_type", lambda likely: np.tile(likely[:1], (len(likely), 1))))),
    "one head worse": ("every_head", "complaint_type may fall by", _shuffled("complaint_type")),
    "every head worse": ("primary", "does not surely gain", lambda contest: again(
        swapped_in(contest, contest.champion), champion=contest.candidate)),  # type: ignore[arg-type]
    "a detractor head turned round": ("every_head", "detractor may fall by", sabotage(
        changing("detractor", lambda likely: 1 - likely))),
    "a slice worse": ("every_slice", "on channel", lambda contest: _worse_slice(contest)),
    "far too sure": ("calibrated", "worse calibrated than the champion's", sabotage(
        changing("detractor", lambda likely: np.where(likely > 0.5, 0.9999, 0.0001) + likely * 1e-5))),
    "another tokenizer": ("same_as_trained", "from what was evaluated", lambda contest: again(
        contest, candidate=doing(contest.candidate, lambda said, texts: contest.candidate.__class__.predict(
            contest.candidate, [text.replace("e", "3") for text in texts])))),
    "labels no longer raised": ("same_as_trained", "rows another label than was evaluated", lambda contest: again(
        contest, candidate=replace(contest.candidate, calibrations={
            name: replace(one, lift=None) for name, one in contest.candidate.calibrations.items()}))),
    "hardly anything to test on": ("enough_rows", "new to the champion; 50 are needed", lambda contest:
        _tested_on(contest, contest.splits.test[:40])),
    "another language than the champion's": ("same_ground", "no texts in sw, which the champion was tested in",
        lambda contest: again(contest, champion=replace(contest.champion, languages=("en", "sw")))),  # type: ignore[type-var]
    "rows that the champion knows": ("enough_rows", "0 customers of the test side are new to the champion",
        lambda contest: again(contest, champion=replace(contest.champion, learnt=fingerprints(contest.data.texts)))),  # type: ignore[type-var]
    "no signature": ("signature", "has no signature", lambda contest: again(contest, signed=False)),
    "a leaked test": ("unseen_test", "1 texts of the test side are in the training data", _leaked),
    "other data than it says": ("unseen_test", "trained on other data", lambda contest: _lineage(
        contest, training_data="0" * 64)),
    "other sides than it says": ("unseen_test", "trained with other sides", lambda contest: _lineage(
        contest, rows={"train": 3_300, "calibration": 1, "test": 1})),
    "stale data": ("fresh_data", "days older than the champion's", lambda contest: _stale(contest)),
    "an unknown commit": ("clean_tree", "commit that it was trained at is unknown", lambda contest: _lineage(
        contest, commit=None)),
    "changes that are not in git": ("clean_tree", "not in git", lambda contest: _lineage(contest, commit="abc-dirty")),
    "deaf to threats": ("behaviour", "of its texts, and ", sabotage(_deaf)),
    "an export that loses too much": ("export", "loses 1.25 points of macro-F1; 0.3 are allowed", _reported),
    "slow": ("speed", "times as many rows a second as the champion; 0.5 are needed", sabotage(_slow)),
    "large": ("size", "2 times as much is allowed", lambda contest: again(contest, sizes=(2_100, 1_000))),
    "out of order": ("primary", "could not be checked: RuntimeError", lambda contest: again(
        contest, candidate=doing(contest.candidate, _fails))),
}  # fmt: skip


def _tested_on(contest: Contest, rows: np.ndarray) -> Contest:
    """Return the contest on some rows of the test side."""
    said = Said.by(contest.candidate, contest.data.take(rows)[0])
    return again(contest, splits=replace(contest.splits, test=rows), fitted=said)


def _worse_slice(contest: Contest) -> Contest:
    """Return a candidate that turns sentiment round in one channel alone."""
    channels = np.array([contest.data.columns["channel"][row] for row in contest.splits.test], object)
    value = max(set(channels.tolist()), key=channels.tolist().count)
    here = {text for text, channel in zip(contest.texts, channels, strict=True) if channel == value}

    def turn(said: Predictions, texts: list[str]) -> Predictions:
        likely = said.probabilities["sentiment"].copy()
        turned = np.array([text in here for text in texts])
        likely[turned] = likely[turned][:, [2, 1, 0]]
        return replace(said, probabilities={**said.probabilities, "sentiment": likely})

    return swapped_in(contest, doing(contest.candidate, turn))


def _stale(contest: Contest) -> Contest:
    created: list[str | None] = ["2026-01-01"] * len(contest.data)
    data = replace(contest.data, columns={**contest.data.columns, "created_at": created})
    assert contest.champion is not None
    champion = replace(contest.champion, lineage={"newest_row": 1_800_000_000.0})
    return again(contest, data=data, champion=champion)


@pytest.mark.parametrize("what", SABOTAGE)
def test_a_sabotaged_candidate_is_refused_with_its_reason(contest: Contest, what: str) -> None:
    check, sentence, spoil = SABOTAGE[what]
    decision = decide(spoil(contest))
    assert not decision.promote
    assert check in decision.refused
    assert sentence in decision.refused[check]


def test_every_check_is_sabotaged() -> None:
    assert {check for check, _, _ in SABOTAGE.values()} == set(CHECKS)


def test_a_named_gain_is_enough_where_nothing_is_lost(contest: Contest) -> None:
    """The same model with another named figure that gains: non-inferior, and better where config asks."""
    gate = CONFIG.gate.model_copy(update={"margin": 1.0, "or_gain": ["sentiment.accuracy"], "primary": "urgency.ece"})
    config = CONFIG.model_copy(update={"gate": gate})
    assert "primary" not in decide(again(contest, config=config)).refused
    unknown = CONFIG.model_copy(update={"gate": gate.model_copy(update={"primary": "mood.f1"})})
    assert "'mood.f1' is no figure of this model" in decide(again(contest, config=unknown)).refused["primary"]


def test_a_head_that_few_rows_carry_is_not_let_fall(contest: Contest, corpus: Dataset) -> None:
    """Too few rows for an interval are still rows: a head turned round on them is refused."""
    target = corpus.targets["complaint_type"]
    few = np.zeros(len(corpus), bool)
    few[contest.splits.test[:40]] = few[contest.splits.train] = True
    data = replace(corpus, targets={**corpus.targets, "complaint_type": replace(target, known=target.known & few)})
    turned = doing(contest.candidate, changing("complaint_type", lambda likely: likely[:, ::-1]))
    decision = decide(swapped_in(again(contest, data=data), turned))
    assert "complaint_type falls by" in decision.refused["every_head"]
    none = replace(target, known=target.known & ~np.isin(np.arange(len(corpus)), contest.splits.test))
    unseen = replace(corpus, targets={**corpus.targets, "complaint_type": none})
    said = decide(again(contest, data=unseen)).refused["every_head"]
    assert said == "no row of the test side that is new to the champion carries complaint_type"


def test_a_dirty_tree_is_refused_for_the_first_version_too(contest: Contest) -> None:
    first = again(_lineage(contest, commit="abc-dirty"), champion=None)
    assert set(decide(first).refused) == {"clean_tree"}
    assert decide(again(_lineage(contest, commit=None), champion=None)).promote


def test_a_model_that_knows_the_test_side_by_heart_is_refused(contest: Contest) -> None:
    knowing = replace(contest.candidate, learnt=contest.tested)
    assert (
        "texts of the test side are in the training data" in decide(swapped_in(contest, knowing)).refused["unseen_test"]
    )
    silent = replace(contest.candidate, learnt=np.zeros(0, np.int64))
    assert decide(swapped_in(contest, silent)).refused["unseen_test"] == "it does not say which texts it learnt from"
