"""What is added to a text moves its rank the right way.

Honest limits: the weight of each word falls with the length of the text (it is scaled to unit length), so that on texts
of over 25 words a threat added at the end may be outweighed by its own commonplace words: 8 of 300 complaints of the
corpus fell by 0.5 to 3.3 points. Short and middling complaints, which most are, never fall by more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.learning.dataset import Dataset

Ranked = Callable[[list[str]], list[dict[str, Any]]]
COMPLAINTS = [
    "My parcel has been stuck in your depot for nine days.",
    "The invoice is wrong for the second month.",
    "Your app logs me out every morning.",
    "I was promised a call back and nobody called.",
    "The technician was rude and left dirt everywhere.",
    "My internet has been down since Tuesday.",
    "You raised the price without telling me.",
    "The jacket fell apart after two weeks.",
    "I cannot get into my account and the reset mail never comes.",
    "Where is my refund? You got the shoes back three weeks ago.",
    "The food arrived cold and half of it was missing.",
    "The information on your website is simply wrong.",
    "I waited fifty minutes on hold and then got cut off.",
    "The new router is slower than the old one.",
    "You delivered to the neighbour again although I was at home.",
    "The room smelled of smoke and the shower was broken.",
    "Your driver braked so hard that my mother fell.",
    "There are two payments on my card that I never made.",
    "Every month I have to explain the same thing again.",
    "The discount I was promised is not on the bill.",
]
ADDED = {
    "I am cancelling my contract.": "churn_threat",
    "I am leaving you for another provider.": "churn_threat",
    "My lawyer will write to you.": "legal_threat",
}


def priorities(ranked: Ranked, texts: list[str]) -> np.ndarray:
    return np.array([row["priority"] for row in ranked(texts)])


@pytest.mark.parametrize("added", ADDED)
def test_a_threat_never_lowers_the_rank_of_a_complaint(ranked: Ranked, added: str) -> None:
    before, after = priorities(ranked, COMPLAINTS), priorities(ranked, [f"{text} {added}" for text in COMPLAINTS])
    assert (after >= before - 0.5).all()
    assert (after - before).mean() > 3


@pytest.mark.parametrize("added", ADDED)
def test_a_threat_is_heard(ranked: Ranked, added: str) -> None:
    signal = f"p_signals_{ADDED[added]}"
    before, after = ranked(COMPLAINTS), ranked([f"{text} {added}" for text in COMPLAINTS])
    raised = [later[signal] > earlier[signal] for earlier, later in zip(before, after, strict=True)]
    assert all(raised)


def test_on_the_corpus_a_threat_raises_on_average_and_rarely_lowers(ranked: Ranked, corpus: Dataset) -> None:
    negative = corpus.targets["sentiment"].truth[:, 0] > 0
    texts = [text for text, bad in zip(corpus.texts, negative, strict=True) if bad][::8]
    change = priorities(ranked, [f"{text} I am cancelling my contract." for text in texts]) - priorities(ranked, texts)
    assert change.mean() > 8
    assert (change < -0.5).mean() < 0.06


def test_thanks_lower_the_rank(ranked: Ranked) -> None:
    before = priorities(ranked, COMPLAINTS)
    after = priorities(ranked, [f"{text} Thank you, it is solved now, all good." for text in COMPLAINTS])
    assert (after < before).all()
