"""Which words of a text speak for what was predicted of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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

    @cached_property
    def readable(self) -> NDArray[np.bool_]:
        """Whether a word is one to people: symbols and single letters are none, shape (words,)."""
        return np.array([sum(map(str.isalpha, word)) > 1 for word in self.words], bool)


def strongest(found: Attribution, direction: int, most: int) -> tuple[I64, I64]:
    """Return text and word of up to `most` words per text that add most along `direction`, strongest first.

    Commonplace words stand in only where no other word of a text speaks.
    """
    value = found.value[:, direction]
    kept = np.flatnonzero((value > 0) & found.readable[found.word])
    common = found.common[found.word[kept]]
    order = kept[np.lexsort((found.word[kept], -value[kept], common, found.text[kept]))]
    text, word = found.text[order], found.word[order]
    starts = np.flatnonzero(np.diff(text, prepend=-1))
    first = np.repeat(starts, np.diff(np.append(starts, len(text))))
    telling = ~found.common[word] | found.common[word[first]]
    chosen = telling & (np.arange(len(text)) - first < most)
    return text[chosen], word[chosen]
