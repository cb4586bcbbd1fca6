"""Leaving words out: exact on a model whose answer is known, bounded on long texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.families.occlusion import FEW, STRETCH, occlude

WORTH = {"cancel": 3.0, "lawyer": 2.0, "love": -1.0}
ONE = np.ones((1, 1), np.float32)


def logits(texts: Sequence[str]) -> np.ndarray:
    """Return the sum of what the words of each text are worth."""
    return np.array([[sum(WORTH.get(word, 0) for word in text.split())] for text in texts], np.float32).reshape(-1, 1)


def found(texts: list[str]) -> list[dict[str, float]]:
    said = occlude(logits, texts, ONE, {"the"})
    out: list[dict[str, float]] = [{} for _ in texts]
    for text, word, value in zip(said.text, said.word, said.value[:, 0], strict=True):
        out[text][said.words[word]] = float(value)
    return out


def test_each_word_is_worth_what_its_absence_costs() -> None:
    (one, two, none) = found(["cancel the deal , cancel", "my lawyer will love it", ""])
    assert one == {"cancel": 6.0, "the": 0.0, "deal": 0.0}
    assert (two["lawyer"], two["love"], two["my"]) == (2.0, -1.0, 0.0)
    assert none == {}


def test_common_words_are_marked_and_symbols_are_none() -> None:
    said = occlude(logits, ["the deal !!!"], ONE, {"the"})
    assert dict(zip(said.words, said.common.tolist(), strict=True))["the"]
    assert {said.words[word] for word in said.word} == {"the", "deal"}


def test_a_long_text_is_searched_in_stretches() -> None:
    asked: list[int] = []

    def counting(texts: Sequence[str]) -> np.ndarray:
        asked.append(len(texts))
        return logits(texts)

    filler = [f"word{place}" for place in range(400)]
    text = " ".join([*filler[:200], "cancel", *filler[200:390], "lawyer", *filler[390:]])
    said = occlude(counting, [text], ONE, set())
    values = {said.words[word]: float(value) for word, value in zip(said.word, said.value[:, 0], strict=True)}
    assert (values["cancel"], values["lawyer"]) == (3.0, 2.0)
    assert len(values) <= FEW
    assert sum(asked) <= 1 + 402 // STRETCH + 1 + FEW


@given(st.lists(st.text(alphabet="ab !éß🙂", max_size=20), max_size=4))
def test_any_texts_can_be_asked_about(texts: list[str]) -> None:
    said = occlude(logits, texts, ONE, set())
    assert np.isfinite(said.value).all()
    assert len(said.common) == len(said.words)
    assert said.value.shape == (len(said.text), 1)
