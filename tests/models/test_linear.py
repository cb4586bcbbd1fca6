"""The linear family: what it learns from which rows, exact attribution, and weights that travel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from models.attribution import Attribution, readable, strongest
from models.families.linear import CHUNK, Linear
from models.schema import Head, Schema
from models.targets import Target, encode_all
from models.triage import TriageModel
from pipeline.learning.dataset import Dataset

LINEAR = {"learning_rate": 60, "epochs": 6, "class_weight": 1.0}
SETTINGS = {"linear": LINEAR}
SCHEMA = Schema((Head("mood", "nominal", ("bad", "good")), Head("leaves", "binary")))
BAD, GOOD = ("late", "broken", "rude", "awful", "charged twice"), ("lovely", "quick", "kind", "great", "solved")


def small(rows: int = 200, *, seed: int = 3) -> tuple[list[str], dict[str, list[list[str] | None]]]:
    """Return texts of a few words and their labels; whoever says cancel leaves, which the mood does not tell."""
    random = np.random.default_rng(seed)
    texts, moods, leaving = [], [], []
    for row in range(rows):
        bad, leaves = row % 2 == 0, row % 3 == 0
        words = [*random.choice(BAD if bad else GOOD, 2), *random.choice(["delivery", "shop", "line", "app"], 2)]
        texts.append(" ".join([*words, "cancel it"] if leaves else words))
        moods.append(["bad" if bad else "good"])
        leaving.append(["yes" if leaves else "no"])
    return texts, {"mood": moods, "leaves": leaving}


def fit(columns: dict[str, list[list[str] | None]], texts: list[str], seed: int = 7, **settings: Any) -> Linear:
    return Linear.fit(texts, encode_all(SCHEMA, columns), SCHEMA, {"linear": LINEAR | settings}, seed)


def test_the_seed_alone_decides() -> None:
    texts, columns = small()
    first, again, other = fit(columns, texts), fit(columns, texts), fit(columns, texts, seed=8)
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.bias.tobytes() == again.bias.tobytes()
    assert first.weights.tobytes() != other.weights.tobytes()


def test_words_met_before_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit the same on the first reading, on a later one, in another order, and where words are let go again."""
    texts, columns = small()
    family = fit(columns, texts)
    fresh = [*small(50, seed=5)[0], "", "something never met", "late late :-("]
    first, again = family.forward(fresh), family.forward(fresh)
    assert again.logits.tobytes() == first.logits.tobytes()
    assert again.wordless.tolist() == first.wordless.tolist()
    monkeypatch.setattr("models.families.word_cache.MOST_WORDS", 5)
    for row in (51, 3, 0, 50, 52, 51):
        alone = family.forward([fresh[row]])
        assert alone.logits.tobytes() == first.logits[[row]].tobytes()
        assert alone.wordless[0] == first.wordless[row]


def test_a_head_learns_where_three_rows_in_ten_carry_it() -> None:
    texts, columns = small(400)
    columns["leaves"] = [cell if row % 10 < 3 else None for row, cell in enumerate(columns["leaves"])]
    family = fit(columns, texts)
    fresh, truth = small(200, seed=99)
    logits, *_ = family.forward(fresh)
    leaves = np.array([cell == ["yes"] for cell in truth["leaves"]])
    bad = np.array([cell == ["bad"] for cell in truth["mood"]])
    assert ((logits[:, 2] > 0) == leaves).mean() > 0.95
    assert ((logits[:, 0] > logits[:, 1]) == bad).mean() > 0.95


def test_what_stands_on_rows_without_a_label_adds_no_loss() -> None:
    texts, columns = small()
    targets = encode_all(SCHEMA, columns)
    known = np.arange(len(texts)) % 10 < 3
    nonsense = targets["leaves"].truth.copy()
    nonsense[~known] = 1
    kept, spoilt = (
        Linear.fit(texts, {**targets, "leaves": Target(known, truth)}, SCHEMA, SETTINGS, 7)
        for truth in (targets["leaves"].truth, nonsense)
    )
    assert kept.weights.tobytes() == spoilt.weights.tobytes()
    assert kept.bias.tobytes() == spoilt.bias.tobytes()


def test_a_head_that_no_row_carries_stays_at_zero() -> None:
    texts, columns = small()
    family = fit({"mood": columns["mood"]}, texts)
    assert not family.weights[:, 2].any()
    assert family.bias[2] == 0
    assert family.weights[:, :2].any()


def test_rare_labels_are_found_more_often_when_balanced() -> None:
    texts, columns = small(300)
    columns["leaves"] = [["no"] if cell == ["yes"] and row % 30 else cell for row, cell in enumerate(columns["leaves"])]
    said = [float(fit(columns, texts, class_weight=power).forward(texts)[0][:, 2].mean()) for power in (0, 1)]
    assert said[0] < said[1]


def test_progress_ends_with_all() -> None:
    texts, columns = small(40)
    seen: list[float] = []
    Linear.fit(texts, encode_all(SCHEMA, columns), SCHEMA, {"linear": LINEAR | {"epochs": 4}}, 7, seen.append)
    assert seen == [0.25, 0.5, 0.75, 1]


def spread(model: TriageModel, texts: list[str], directions: Any) -> tuple[Any, Any]:
    """Return the sums of what the words of each text add, and what they ought to be."""
    family = model.family
    assert isinstance(family, Linear)
    told = family.attribute(texts, directions)
    assert told.value.shape == (len(told.text), len(directions))
    assert len(set(zip(told.text.tolist(), told.word.tolist(), strict=True))) == len(told.text)
    sums = np.zeros((len(texts), len(directions)))
    np.add.at(sums, told.text, told.value)
    logits, *_ = family.forward(texts)
    return sums, (logits - family.bias) @ directions.T


WORDS = [
    "cancel", "third", "time", "i", "am", "leaving", "great", "refund", "called", "twice", "lawyer", "bill", "[EMAIL]",
    "don't", "wurde", "falsch", "ÜBERALL", "你好", "zzqx", "!", "!!", "'", "24/7", "🙂", "\u200b",
]  # fmt: skip
SAID = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)


@given(texts=st.lists(SAID | st.text(max_size=60), min_size=1, max_size=5), seed=st.integers(0, 1_000))
def test_what_words_add_sums_to_what_is_predicted(model: TriageModel, texts: list[str], seed: int) -> None:
    width = sum(head.width for head in model.schema)
    directions = np.random.default_rng(seed).normal(size=(3, width)).astype(np.float32)
    sums, expected = spread(model, texts, directions)
    np.testing.assert_allclose(sums, expected, rtol=2e-4, atol=2e-4)


def test_what_words_add_sums_up_over_the_corpus(model: TriageModel, corpus: Dataset) -> None:
    directions = np.eye(sum(head.width for head in model.schema), dtype=np.float32)
    sums, expected = spread(model, corpus.texts[:300], directions)
    np.testing.assert_allclose(sums, expected, rtol=2e-4, atol=2e-4)


def test_the_word_that_decides_is_told_and_commonplace_ones_are_marked() -> None:
    texts, columns = small()
    told = fit(columns, texts).attribute(["the delivery was late, cancel it", ""], np.array([[0, 0, 1]], np.float32))
    assert sorted(told.words) == sorted(["the", "delivery", "was", "late", ",", "cancel", "it"])
    assert not told.text.any()
    assert told.words[told.word[told.value[:, 0].argmax()]] in ("cancel", "it")
    common = dict(zip(told.words, told.common.tolist(), strict=True))
    assert common["delivery"]
    assert not common["the"]  # never seen in training


ENTRIES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 7), st.integers(-3, 3)), unique_by=lambda entry: entry[:2], max_size=20
)


@given(entries=ENTRIES, commons=st.sets(st.integers(0, 7)), most=st.integers(1, 4))
def test_the_strongest_words_of_each_text(entries: list[tuple[int, int, int]], commons: set[int], most: int) -> None:
    """Only words that speak for it, strongest first; commonplace ones where no other speaks; neither "!" nor "i"."""
    words = ["cancel", "lawyer", "the", "i", "!!", "é", "3rd", "你好"]
    kept = readable(words)
    assert np.flatnonzero(kept).tolist() == [0, 1, 2, 6, 7]
    order = np.random.default_rng(len(entries)).permutation(len(entries)) if entries else np.zeros(0, np.int64)
    text, word, value = (np.array([entries[i][part] for i in order], np.int64) for part in range(3))
    common = np.array([place in commons for place in range(8)])
    found = Attribution(text, word, value[:, None].astype(np.float32), words, common)
    texts, chosen = strongest(found, kept, 0, most)
    for one in range(4):
        speaking = [(-v, w) for t, w, v in entries if t == one and v > 0 and kept[w]]
        telling = [entry for entry in speaking if entry[1] not in commons] or speaking
        assert chosen[texts == one].tolist() == [w for _, w in sorted(telling)][:most]


def test_large_batches_are_cut_up_without_a_trace(model: TriageModel, corpus: Dataset) -> None:
    texts = corpus.texts[: CHUNK + 3]
    whole, wordless, *_ = model.family.forward(texts)
    places = [0, 1, CHUNK - 1, CHUNK, CHUNK + 2]
    single, *_ = model.family.forward([texts[place] for place in places])
    np.testing.assert_allclose(whole[places], single, atol=1e-5)
    assert whole.shape == (len(texts), sum(head.width for head in model.schema))
    assert wordless.shape == (len(texts),)


def test_no_texts_no_rows(model: TriageModel) -> None:
    logits, wordless, *_ = model.family.forward([])
    assert logits.shape == (0, sum(head.width for head in model.schema))
    assert wordless.shape == (0,)


@pytest.mark.parametrize(
    ("text", "wordless"),
    [
        ("", True),
        ("🙂🙂🙂", True),
        ("!!! ??? ...", True),
        ("\u200b\u2060", True),
        ("你好世界", True),
        ("cancel", False),
        ("🙂 cancel", False),
        ("ＣＡＮＣＥＬ", False),
        ("cancelation", False),  # known by its parts
    ],
)
def test_a_text_without_a_known_word_is_told(model: TriageModel, text: str, wordless: bool) -> None:
    assert model.family.forward([text])[1].tolist() == [wordless]


def test_saved_weights_predict_the_same(tmp_path: Path) -> None:
    texts, columns = small()
    family = fit(columns, texts)
    family.save(tmp_path)
    again = Linear.load(tmp_path, SCHEMA)
    assert again.forward(texts)[0].tobytes() == family.forward(texts)[0].tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["linear.json", "linear.safetensors"]
    assert json.loads((tmp_path / "linear.json").read_text()) == {
        "bits": 20, "char_min": 3, "char_max": 5, "word_max": 2,
    }  # fmt: skip


def test_weights_for_other_heads_are_refused(tmp_path: Path) -> None:
    texts, columns = small()
    fit(columns, texts).save(tmp_path)
    with pytest.raises(ValueError) as caught:
        Linear.load(tmp_path, Schema((SCHEMA["mood"],)))
    assert str(caught.value) == f"{tmp_path}: the weights are for 3 labels, the schema has 2"


@pytest.mark.parametrize("array", ["weights", "squares", "bias"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, array: str, value: float) -> None:
    texts, columns = small(40)
    fit(columns, texts).save(tmp_path)
    arrays = load_file(tmp_path / "linear.safetensors")
    arrays[array].flat[0] = value
    save_file(arrays, tmp_path / "linear.safetensors")
    with pytest.raises(ValueError) as caught:
        Linear.load(tmp_path, SCHEMA)
    assert str(caught.value) == f"{tmp_path}: the weights hold numbers that are not finite; train the model again"
