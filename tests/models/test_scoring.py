"""Scoring: the columns of design §6 whatever the heads, and context that agrees with slow references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import percentileofscore

from models.doubt import Doubt
from models.features import token_strings, tokenise
from models.ranking import Ranking
from models.schema import Head, Schema
from models.scoring import (  # fmt: skip
    LANGUAGE,
    NO_WORDS,
    REASON,
    RECORD,
    UNCERTAIN,
    UNFAMILIAR,
    count_earlier,
    earlier_texts,
    fill,
    percentiles,
    review,
    score,
)
from models.text import prepare_all
from models.triage import Predictions, TriageModel
from pipeline.config import Config

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
RANKING = Ranking.from_settings(Config().rank.model_dump())
DAY = 86_400.0

TEXTS = [
    "Third time I ask about the double charge on my bill. Cancelling tonight, my lawyer will write to you.",
    "thanks, all good",
    "🙂🙂",
    "",
    "write to jo@example.com or call 020 7946 0958, the boiler is dead and my baby is freezing",
    "<script>alert(1)</script> your app logs me out",
]


def rows(model: TriageModel, ranking: Ranking = RANKING, **columns: Sequence[Any]) -> list[dict[str, Any]]:
    return score(
        model, {"text": TEXTS[: len(next(iter(columns.values()), TEXTS))], **columns}, ranking, NOW
    ).to_pylist()


def expected_columns(schema: Schema) -> dict[str, pa.DataType]:
    """Return names and types as design §6 words them."""
    string, number = pa.string(), pa.float32()
    columns = {"id": string, "customer_id": string, "created_at": string}
    for head in schema:
        if head.kind in ("nominal", "ordinal"):
            columns |= {head.name: string, f"{head.name}_confidence": number}
        if head.kind == "multilabel":
            columns[head.name] = pa.list_(string)
        if head.kind == "binary":
            columns[f"p_{head.name}"] = number
        columns |= {f"p_{head.name}_{label}": number for label in head.labels}
    return columns | {
        "priority": pa.float64(),
        "reasons": pa.list_(REASON),
        "windows": pa.int32(),
        "review": pa.bool_(),
        "review_reason": string,
        "model_version": string,
        "scored_at": string,
    }


@pytest.mark.parametrize("count", [0, 1, 6])
def test_the_columns_are_those_of_the_contract(model: TriageModel, count: int) -> None:
    scored = score(model, {"text": TEXTS[:count]}, RANKING, NOW)
    assert scored.num_rows == count
    assert dict(zip(scored.column_names, scored.schema.types, strict=True)) == expected_columns(model.schema)
    assert scored.column_names == list(expected_columns(model.schema))


def test_labels_go_with_their_probabilities(model: TriageModel) -> None:
    for row in rows(model):
        for head in model.schema:
            likely = {name.removeprefix(f"p_{head.name}_"): row[name] for name in head.columns}
            if head.exclusive:
                lift = model.calibrations[head.name].lift
                raised = np.array([*likely.values()]) * (1 if lift is None else lift)
                assert row[head.name] == head.labels[raised.argmax()]
                assert likely[row[head.name]] == row[f"{head.name}_confidence"]
                assert sum(likely.values()) == pytest.approx(1, abs=1e-5)
            elif head.kind == "multilabel":
                assert row[head.name] == [label for label in head.labels if likely[label] >= 0.5]


def test_what_is_given_comes_back_and_the_text_does_not(model: TriageModel) -> None:
    (row,) = rows(model, id=["7"], customer_id=["C-1"], created_at=["2026-11-20 09:00"])
    assert (row["id"], row["customer_id"], row["created_at"]) == ("7", "C-1", "2026-11-20 09:00")
    assert "text" not in row
    assert row["model_version"] == model.version
    assert row["scored_at"] == "2026-11-21T06:00:00Z"
    (bare,) = rows(model, text=[TEXTS[0]])
    assert (bare["id"], bare["customer_id"], bare["created_at"]) == (None, None, None)


def test_reasons_add_up_are_sorted_and_their_words_stand_in_the_prepared_text(model: TriageModel) -> None:
    told = 0
    for text, row in zip(TEXTS, rows(model, replace(RANKING, explain_from=0)), strict=True):
        contributions = [reason["contribution"] for reason in row["reasons"]]
        assert contributions == sorted(contributions, reverse=True)
        assert all(contribution > 0 for contribution in contributions)
        assert sum(contributions) == pytest.approx(row["priority"], abs=1e-9)
        tokens = token_strings(tokenise(prepare_all([text])))
        for reason in row["reasons"]:
            told += len(reason["words"])
            assert len(reason["words"]) <= RANKING.words_per_reason
            assert len(set(reason["words"])) == len(reason["words"])
            assert set(reason["words"]) <= set(tokens)
    assert told > 10


def test_telling_words_hold_no_personal_data(model: TriageModel) -> None:
    words = {
        word
        for row in rows(model, replace(RANKING, explain_from=0, words_per_reason=99))
        for reason in row["reasons"]
        for word in reason["words"]
    }
    assert words
    assert not words & {"jo", "example", "7946", "0958"}


def test_words_are_looked_up_from_a_priority_on(model: TriageModel) -> None:
    for row in rows(model, replace(RANKING, explain_from=100)):
        assert not any(reason["words"] for reason in row["reasons"])


def test_a_known_nps_has_no_words(model: TriageModel) -> None:
    (row,) = rows(model, replace(RANKING, explain_from=0), nps=[0.0])
    by_factor = {reason["factor"]: reason for reason in row["reasons"]}
    assert by_factor["detractor"]["words"] == []
    assert by_factor["urgency"]["words"]


def test_the_batch_is_the_context_of_its_rows(model: TriageModel) -> None:
    """Value is placed among the batch's and the values known beside it; earlier texts are those of the batch."""
    ranking = replace(RANKING, weights={"customer_value": 1.0}, explain_from=0)
    records = {"text": [TEXTS[0]] * 2, "customer_value": [100.0, 900.0], "nps": [0.0, 0.0]}
    alone = score(model, records, ranking, NOW).column("priority").to_pylist()
    assert alone == pytest.approx([100 * np.tanh(0.25 / 2), 100 * np.tanh(0.75 / 2)])
    among = score(model, records, ranking, NOW, known_values=[1_000.0, 2_000.0]).column("priority").to_pylist()
    assert among == pytest.approx([100 * np.tanh(0.125 / 2), 100 * np.tanh(0.375 / 2)])
    repeated = replace(RANKING, weights={"repeat_contact": 1.0})
    twice = {
        "text": ["hello"] * 2,
        "customer_id": ["a", "a"],
        "created_at": ["2026-11-01", "2026-11-02"],
        "nps": [0, 0],
    }
    first, second = score(model, twice, repeated, NOW).column("priority").to_pylist()
    assert second == pytest.approx(100 * np.tanh(0.25))
    assert first < second


def test_text_of_the_future_has_not_waited(model: TriageModel) -> None:
    ranking = replace(RANKING, weights={"waiting": 1.0})
    dates = ["2027-01-01", "2026-11-21T06:00:00Z", None]
    assert [row["priority"] for row in rows(model, ranking, created_at=dates, nps=[0.0] * 3)] == [0, 0, 0]


def test_missing_columns_are_filled_with_nothing() -> None:
    assert fill({"text": ["a", "b"], "nps": [1.0, None]}) == {
        name: ["a", "b"] if name == "text" else [1.0, None] if name == "nps" else [None, None] for name in RECORD
    }


numbers = st.lists(st.just(float("nan")) | st.integers(0, 20).map(float) | st.floats(0, 1e12), max_size=40)


@given(values=numbers, among=numbers)
def test_percentiles_are_those_of_scipy(values: list[float], among: list[float]) -> None:
    found = percentiles(np.array(values, float), np.array(among, float))
    known = [value for value in among if not np.isnan(value)]
    for value, percentile in zip(values, found, strict=True):
        if np.isnan(value) or not known:
            assert np.isnan(percentile)
        else:
            assert 100 * percentile == pytest.approx(percentileofscore(known, value, kind="mean"))


def slow_count(codes: Sequence[int], seconds: Sequence[float], window_days: float) -> list[float]:
    """Return for each row how many rows of the same customer came before it within the window, one by one."""
    counts = []
    for row, (code, second) in enumerate(zip(codes, seconds, strict=True)):
        earlier = [
            other
            for other in range(len(codes))
            if codes[other] == code != -1
            and second - window_days * DAY <= seconds[other] <= second
            and (seconds[other] < second or other < row)
        ]
        counts.append(float(len(earlier)))
    return counts


moments = (
    st.integers(0, 6).map(lambda day: day * DAY)
    | st.integers(-62_135_596_800, 253_402_300_799).map(float)
    | st.floats(1.7e9, 1.8e9).map(lambda second: round(second, 3))
    | st.just(float("nan"))
)


@given(
    texts=st.lists(st.tuples(st.integers(-1, 3), moments), max_size=25),
    window=st.sampled_from([1.0, 2.0, 30.0, 0.25, 365.0]),
)
def test_earlier_texts_are_counted_as_one_by_one(texts: list[tuple[int, float]], window: float) -> None:
    """Equal times, undated and nameless rows included; of two texts of one moment the second counts the first."""
    codes, seconds = [code for code, _ in texts], [second for _, second in texts]
    found = count_earlier(np.array(codes, np.int64), np.array(seconds, float), window)
    assert found.tolist() == slow_count(codes, seconds, window)


@pytest.mark.parametrize("window", [30.0, 36_500.0])
def test_many_customers_do_not_get_into_each_others_way(window: float) -> None:
    random = np.random.default_rng(5)
    codes = random.integers(-1, 2_000, 6_000)
    seconds = random.integers(1_500_000_000, 1_800_000_000, 6_000).astype(float)
    found = count_earlier(codes, seconds, window)
    for code in (-1, 0, 7, 1_999):
        mine = np.flatnonzero(codes == code)
        assert found[mine].tolist() == slow_count(codes[mine].tolist(), seconds[mine].tolist(), window)


def test_earlier_texts_go_by_name() -> None:
    seconds = np.array([0.0, 1.0, 2.0, 3.0, np.nan])
    assert earlier_texts(["a", None, "a", None, "a"], seconds, 30).tolist() == [0, 0, 1, 0, 0]


def test_a_text_without_a_known_word_goes_to_review(model: TriageModel) -> None:
    assert [row["review_reason"] for row in rows(model)][2:4] == [NO_WORDS, NO_WORDS]
    for row in rows(model):
        assert row["review"] == (row["review_reason"] is not None)


def test_review_says_why(model: TriageModel) -> None:
    """Unsure is a text on which every single-label head is in doubt; one sure head is enough."""
    schema = Schema(
        (Head("mood", "nominal", ("bad", "good")), Head("pace", "ordinal", ("slow", "fast")), Head("lost", "binary"))
    )
    likely = {
        "mood": np.array([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], np.float32),
        "pace": np.array([[0.4, 0.6], [0.5, 0.5], [0.1, 0.9], [0.5, 0.5], [0.5, 0.5]], np.float32),
        "lost": np.array([[0.99]] * 5, np.float32),
    }
    wordless, familiar = np.array([False, False, False, True, False]), np.array([1, 1, 1, 0, 0.1], np.float32)
    predictions = Predictions(likely, wordless, np.ones(5, np.int32), familiar)
    judge = replace(model, schema=schema, doubt=Doubt({"mood": 0.3, "pace": 0.3}, familiar=0.2))
    ours = [False] * 5
    assert review(judge, predictions, 0.5, ours) == [UNCERTAIN, None, None, NO_WORDS, UNFAMILIAR]
    assert review(judge, predictions, 1.0, ours) == [None, None, None, NO_WORDS, UNFAMILIAR]
    strange = [True, True, False, True, False]
    assert review(judge, predictions, 0.5, strange) == [LANGUAGE, LANGUAGE, None, NO_WORDS, UNFAMILIAR]
    untold = replace(judge, doubt=Doubt())
    assert review(untold, predictions, 0.5, ours) == [None, None, None, NO_WORDS, None]
    empty = replace(judge, doubt=Doubt({"mood": 0.6, "pace": 0.7}))
    assert review(empty, predictions, 0.5, ours) == [UNCERTAIN, None, None, NO_WORDS, UNCERTAIN]


LETTERS = [
    "I have been waiting for my parcel for two weeks and nobody answers.",
    "Ich warte seit zwei Wochen auf mein Paket und niemand antwortet.",
    "ok",
]


def by_language(model: TriageModel, **columns: Sequence[Any]) -> list[bool]:
    """Return which of `LETTERS` go to review for their language, whatever the model is sure of."""
    sure = replace(RANKING, widest=1.0)
    scored = score(model, {"text": LETTERS, **columns}, sure, NOW)
    assert scored.column("review").to_pylist() == [reason is not None for reason in scored["review_reason"].to_pylist()]
    return [reason == LANGUAGE for reason in scored["review_reason"].to_pylist()]


def test_a_language_that_was_not_evaluated_goes_to_review(model: TriageModel) -> None:
    """A text too short to tell does not, and a model that nobody evaluated holds nothing back."""
    assert by_language(replace(model, languages=("en",))) == [False, True, False]
    assert by_language(replace(model, languages=("de", "fr"))) == [True, False, False]
    assert by_language(replace(model, languages=())) == [False, False, False]


def test_the_language_that_is_given_counts(model: TriageModel) -> None:
    english = replace(model, languages=("en",))
    assert by_language(english, lang=["en-GB", "en", "de"]) == [False, False, True]
    assert by_language(english, lang=[None, "?", "xx"]) == [False, True, False]


def test_a_model_of_before_there_were_languages_is_still_scored(model: TriageModel) -> None:
    """It answers with the code that it carries, whose models have no such attribute."""
    old = SimpleNamespace(schema=model.schema, predict=model.predict, attribute=model.attribute, version="old")
    assert by_language(cast(TriageModel, old)) == [False, False, False]
