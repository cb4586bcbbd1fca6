"""Which words a prediction rests on, for models that cannot be taken apart: leave a word out and look what changes.

Occlusion (Zeiler and Fergus 2014; Li, Monroe and Jurafsky 2016), batched over all words of all texts. A text of many
words is searched in two steps: stretches of it first, then the words of the stretches that matter most.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..attribution import Attribution
from ..features import Tokens, token_strings, tokenise

Floats = NDArray[np.float32]
I64 = NDArray[np.int64]
FEW = 24  # words of a text that are left out one by one without a first step
STRETCH = 8


class _Variant(NamedTuple):
    """One text without some of its words (their places in the batch's tokens)."""

    text: int
    words: tuple[int, ...]
    without: tuple[int, ...]


def occlude(
    logits: Callable[[Sequence[str]], Floats], texts: Sequence[str], directions: Floats, common: Collection[str]
) -> Attribution:
    """Return how much each word of prepared `texts` adds along each of `directions`, by leaving it out.

    Parameters
    ----------
    logits
        What is explained: prepared texts to logits, shape (texts, sum of widths).
    directions
        Shape (count, sum of widths).
    common
        Words that tell nobody anything.
    """
    tokens = tokenise(texts)
    strings = token_strings(tokens)
    numbers: dict[str, int] = {}
    word = np.array([numbers.setdefault(string, len(numbers)) for string in strings], np.int64)
    words = list(numbers)
    is_common = np.array([name in common for name in words], bool)
    whole = logits(texts) @ directions.T
    asked = [_asked(tokens, word, words, text) for text in range(len(texts))]
    kept = _most_telling(logits, texts, tokens, word, asked, whole, directions)
    variants = [_Variant(text, (name,), _places(tokens, word, text, [name])) for text, names in kept for name in names]
    lost = _lost(logits, texts, tokens, variants, whole, directions)
    return Attribution(
        text=np.array([one.text for one in variants], np.int64),
        word=np.array([one.words[0] for one in variants], np.int64),
        value=lost,
        words=words,
        common=is_common,
    )


def _asked(tokens: Tokens, word: I64, words: list[str], text: int) -> list[int]:
    """Return the different words of a text in order; symbols are none."""
    return [number for number in dict.fromkeys(word[_own(tokens, text)].tolist()) if words[number][0].isalnum()]


def _own(tokens: Tokens, text: int) -> slice:
    """Return where the tokens of one text stand among those of the batch."""
    first, stop = np.searchsorted(tokens.text, [text, text + 1])
    return slice(int(first), int(stop))


def _most_telling(
    logits: Callable[[Sequence[str]], Floats], texts: Sequence[str], tokens: Tokens, word: I64,
    asked: list[list[int]], whole: Floats, directions: Floats,
) -> list[tuple[int, list[int]]]:  # fmt: skip
    """Return the words of each text to leave out one by one; of many, those in the stretches that matter most."""
    stretches = [
        _Variant(text, tuple(names[start : start + STRETCH]), ())
        for text, names in enumerate(asked)
        if len(names) > FEW
        for start in range(0, len(names), STRETCH)
    ]
    stretches = [one._replace(without=_places(tokens, word, one.text, one.words)) for one in stretches]
    lost = _lost(logits, texts, tokens, stretches, whole, directions).max(1, initial=0)
    out = {text: names for text, names in enumerate(asked) if len(names) <= FEW}
    for place in np.argsort(-lost, kind="stable"):
        chosen = out.setdefault(stretches[place].text, [])
        if len(chosen) + STRETCH <= FEW:
            chosen += stretches[place].words
    return sorted(out.items())


def _places(tokens: Tokens, word: I64, text: int, names: Sequence[int]) -> tuple[int, ...]:
    own = _own(tokens, text)
    return tuple((own.start + np.flatnonzero(np.isin(word[own], names))).tolist())


def _lost(
    logits: Callable[[Sequence[str]], Floats], texts: Sequence[str], tokens: Tokens,
    variants: Sequence[_Variant], whole: Floats, directions: Floats,
) -> Floats:  # fmt: skip
    """Return what each variant's text loses along every direction, shape (variants, directions)."""
    if not variants:
        return np.zeros((0, len(directions)), np.float32)
    cut = [_without(texts[one.text], tokens, one) for one in variants]
    owner = [one.text for one in variants]
    return np.asarray(whole[owner] - logits(cut) @ directions.T, np.float32)


def _without(text: str, tokens: Tokens, variant: _Variant) -> str:
    start = int(tokens.offsets[variant.text])
    pieces, at = [], 0
    for place in variant.without:
        pieces.append(text[at : int(tokens.start[place]) - start])
        at = int(tokens.end[place]) - start
    return " ".join("".join([*pieces, text[at:]]).split())
