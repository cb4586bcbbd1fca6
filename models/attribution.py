"""Which words of a text speak for what was predicted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Attribution:
    """What every word of a batch of texts adds along each direction asked for, in logits.

    One entry per word of a text, however often it stands there.

    Attributes
    ----------
    text, word
        Which text, and which of `words`, each entry is about, shape (entries,).
    value
        What the entry adds, shape (entries, directions).
    words
        The different words as the model reads them.
    common
        Whether a word is so commonplace that it tells nobody anything, shape (words,).
    """

    text: I64
    word: I64
    value: NDArray[np.float32]
    words: list[str]
    common: NDArray[np.bool_]


def readable(words: Sequence[str]) -> NDArray[np.bool_]:
    """Return whether each word is one to people; symbols and single letters are none."""
    return np.array([sum(map(str.isalpha, word)) > 1 for word in words], bool)


def strongest(found: Attribution, kept: NDArray[np.bool_], direction: int, most: int) -> tuple[I64, I64]:
    """Return text and word of up to `most` words per text that add most along `direction`, strongest first.

    Only words `kept` count, shape (words,); commonplace words stand in only where no other word of a text speaks.
    """
    value = found.value[:, direction]
    entries = np.flatnonzero((value > 0) & kept[found.word])
    common = found.common[found.word[entries]]
    order = entries[np.lexsort((found.word[entries], -value[entries], common, found.text[entries]))]
    text, word = found.text[order], found.word[order]
    starts = np.flatnonzero(np.diff(text, prepend=-1))
    first = np.repeat(starts, np.diff(np.append(starts, len(text))))
    telling = ~found.common[word] | found.common[word[first]]
    chosen = telling & (np.arange(len(text)) - first < most)
    return text[chosen], word[chosen]


def joined(parts: Sequence[tuple[Attribution, I64]]) -> Attribution:
    """Return one attribution of several, each given with the numbers that its texts have in the whole batch."""
    offsets = np.cumsum([0, *(len(part.words) for part, _ in parts)])
    texts = np.concatenate([rows[part.text] for part, rows in parts])
    words = np.concatenate([part.word + offset for (part, _), offset in zip(parts, offsets, strict=False)])
    return Attribution(
        text=texts,
        word=words,
        value=np.vstack([part.value for part, _ in parts]),
        words=[word for part, _ in parts for word in part.words],
        common=np.concatenate([part.common for part, _ in parts]),
    )
