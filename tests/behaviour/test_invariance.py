"""What must not matter, does not.

Case and what cannot be seen change nothing at all: `models.text` folds them away. A full stop at the end is a symbol
that the model reads, and moves it a little; an exclamation mark is more than that, and may move it (by up to 13 points
in the corpus), so that no test here forbids it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.triage import TriageModel
from pipeline.learning.dataset import Dataset

SAME: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "zero-width spaces": lambda text: text.replace(" ", " \u200b").replace("e", "e\u200b"),
    "soft hyphens": lambda text: text.replace("n", "\u00adn"),
    "a direction mark": lambda text: f"\u202a{text}\u202c",
    "other spaces": lambda text: text.replace(" ", "\u00a0 "),
    "line breaks": lambda text: text.replace(". ", ".\r\n\r\n"),
    "typographic quotes": lambda text: text.replace("'", "’"),
}


@pytest.fixture(scope="module")
def texts(corpus: Dataset, full: Any) -> list[str]:
    return corpus.texts[::8]


@pytest.mark.parametrize("change", SAME)
def test_what_cannot_be_seen_or_heard_changes_nothing(full: Any, texts: list[str], change: str) -> None:
    model: TriageModel = full.model
    changed = [SAME[change](text) for text in texts]
    # "ß" in upper case is "SS", which is another word: leave such texts out.
    kept = [place for place, text in enumerate(texts) if text.upper().lower() == text.lower()]
    assert len(kept) > 300
    before, after = model.predict(texts).probabilities, model.predict(changed).probabilities
    for name in before:
        np.testing.assert_allclose(after[name][kept], before[name][kept], atol=1e-4)


def test_a_full_stop_hardly_matters(full: Any, ranked: Any, corpus: Dataset) -> None:
    texts = [text.rstrip(" .") for text in corpus.texts[::8]]
    bare, stopped = ranked(texts), ranked([f"{text}." for text in texts])
    moved = np.array([abs(one["priority"] - other["priority"]) for one, other in zip(bare, stopped, strict=True)])
    assert np.quantile(moved, 0.95) < 2.5
    for name in ("sentiment", "urgency", "complaint_type"):
        flips = sum(one[name] != other[name] for one, other in zip(bare, stopped, strict=True))
        assert flips / len(texts) < 0.03, name


def test_personal_data_does_not_matter(ranked: Any) -> None:
    """Two people who write the same are ranked the same."""
    rows = ranked(
        [
            "You charged me twice, write to anna.meyer@example.com or call 020 7946 0958.",
            "You charged me twice, write to bob@example.org or call 020 7946 0123.",
        ]
    )
    assert rows[0]["priority"] == pytest.approx(rows[1]["priority"], abs=1e-4)
