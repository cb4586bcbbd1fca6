"""Doubt: sets hold the true label as often as they say, as a library's do, and what is strange is told."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.doubt import Doubt, least_probability
from models.schema import Head, Schema
from models.targets import Target
from models.triage import TriageModel

MOOD = Head("mood", "nominal", ("bad", "fine", "good"))
Floats = NDArray[np.float32]


def stated(rows: int, seed: int) -> tuple[Floats, Target]:
    """Return probabilities that are far from honest, and labels."""
    random = np.random.default_rng(seed)
    likely = random.dirichlet([0.4, 0.5, 0.6], rows).astype(np.float32)
    flat = likely**0.3 / (likely**0.3).sum(1, keepdims=True)
    place = (flat.cumsum(1) < random.random((rows, 1))).sum(1).clip(max=2)
    return likely, Target(np.ones(rows, bool), np.eye(3, dtype=np.float32)[place])


@pytest.mark.parametrize("rows", [40, 400])
def test_sets_hold_the_true_label_as_often_as_promised(rows: int) -> None:
    """Mean over 200 draws, whatever the model: the guarantee of split conformal prediction."""
    shares = []
    for seed in range(200):
        likely, target = stated(rows + 1_000, seed)
        least = least_probability(likely[:rows], target.take(np.arange(rows)))
        assert least is not None
        given_ = (likely[rows:] * target.truth[rows:]).sum(1)
        shares.append((given_ >= least).mean())
    assert 0.9 - 0.005 < np.mean(shares) < 0.9 + 1 / (rows + 1) + 0.005


@given(rows=st.integers(10, 300), seed=st.integers(0, 99), percent=st.sampled_from([80, 90, 95]))
def test_the_sets_are_those_of_mapie(rows: int, seed: int, percent: int) -> None:
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Stated(ClassifierMixin, BaseEstimator):
        """Says what it is given."""

        classes_ = np.arange(3)

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict_proba(self, rows: Floats) -> Floats:
            return rows / rows.sum(1, keepdims=True)

        def predict(self, rows: Floats) -> NDArray[np.int64]:
            return rows.argmax(1)

    likely, target = stated(rows + 50, seed)
    likely = likely.astype(np.float64)  # type: ignore[assignment]
    least = least_probability(likely[:rows], target.take(np.arange(rows)), percent / 100)
    if least is None:
        assert rows + 1 < 1 / (1 - percent / 100)
        return
    library = SplitConformalClassifier(Stated(), confidence_level=percent / 100, conformity_score="lac", prefit=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library.conformalize(likely[:rows], target.truth[:rows].argmax(1))
        theirs = library.predict_set(likely[rows:])[1][:, :, 0]
    ours = likely[rows:] >= least - 1e-9
    assert np.array_equal(ours, theirs.astype(bool))


def test_too_few_rows_promise_nothing() -> None:
    likely, target = stated(8, 0)
    assert least_probability(likely, target) is None
    assert least_probability(likely, Target(np.zeros(8, bool), target.truth)) is None
    schema = Schema((MOOD,))
    doubt = Doubt.fit(schema, {"mood": likely}, {"mood": target}, np.ones(8, np.float32))
    assert not doubt.least
    assert not doubt.unsure(schema, {"mood": likely}, 0.5).any()


def test_json_keeps_the_doubt() -> None:
    doubt = Doubt({"mood": 0.125}, 0.25)
    assert Doubt.from_json(json.loads(json.dumps(doubt.to_json()))) == doubt


def test_a_text_unlike_the_training_texts_is_less_familiar(model: TriageModel) -> None:
    usual = [
        "Third time I ask about the double charge on my bill.",
        "The parcel came late and nobody answers the phone.",
    ]
    strange = ["Quidquid latine dictum sit altum videtur", "xqzv bltrk wmpf gnord sklee vrump"]
    familiar = model.predict([*usual, *strange]).familiar
    assert familiar[:2].min() > 0.7
    assert familiar[2:].max() < 0.3
    assert model.predict(usual[:1]).familiar[0] == familiar[0]
