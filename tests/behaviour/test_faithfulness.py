"""The words that are named are the words that matter."""

from __future__ import annotations

import pytest

from benchmarks.faithfulness import _WORD, faithful
from pipeline.learning.dataset import Dataset
from pipeline.learning.splits import split
from pipeline.learning.training import Trained


@pytest.mark.parametrize(("head", "place"), [("urgency", 3), ("detractor", 0)])
def test_deleting_named_words_costs_more_than_deleting_random_ones(
    full: Trained, corpus: Dataset, head: str, place: int
) -> None:
    from pipeline.config import Config

    texts = corpus.take(split(corpus, Config().data.split).test)[0]
    rows, share = faithful(full.model, [text for text in texts if len(_WORD.findall(text)) > 8][:200], head, place)
    assert rows > 150
    assert share >= 0.9
