"""Texts as windows of token ids: tokenised in Rust, in parallel, and never cut short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...features import token_strings, tokenise
from ...text import spell_all

I64 = NDArray[np.int64]
COMMON = 0.02  # of the texts


@dataclass(frozen=True)
class Windows:
    """The windows of a batch of texts, in the order of the texts.

    Attributes
    ----------
    ids
        Token ids of each window, the encoder's special tokens included.
    text
        Which text each window is of, shape (windows,); every text has at least one.
    count
        Number of windows of each text, shape (texts,).
    wordless
        Which texts hold no token with a letter or a digit that the encoder knows, shape (texts,).
    """

    ids: list[list[int]]
    text: I64
    count: I64
    wordless: NDArray[np.bool_]


class Tokeniser:
    """A fast tokeniser from its ``tokenizer.json``; a long text becomes several windows of about equal length."""

    def __init__(self, backend: Any, max_tokens: int) -> None:
        self._backend = backend
        backend.no_truncation()
        backend.no_padding()
        bare, full = backend.encode("a", add_special_tokens=False).ids, backend.encode("a").ids
        at = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), 0)
        self._before, self._after = full[:at], full[at + len(bare) :]
        self.max_tokens = max_tokens
        self._is_word: dict[int, bool] = {}
        self._room = max_tokens - len(self._before) - len(self._after)
        if self._room < 1:
            raise ValueError(f"model.max_tokens must leave room beside the special tokens; got {max_tokens}")

    @property
    def vocabulary(self) -> int:
        """Number of tokens that there are."""
        return int(self._backend.get_vocab_size())

    @property
    def special(self) -> int:
        """Number of special tokens around every window."""
        return len(self._before) + len(self._after)

    @classmethod
    def load(cls, file: Path, max_tokens: int) -> Tokeniser:
        """Return the tokeniser that `file` describes."""
        from tokenizers import Tokenizer

        return cls(Tokenizer.from_file(str(file)), max_tokens)

    def _worded(self, token: int) -> bool:
        if token not in self._is_word:
            # Special tokens, the one for what is unknown among them, decode to nothing.
            said = self._backend.decode([token], skip_special_tokens=True)
            self._is_word[token] = any(map(str.isalnum, said))
        return self._is_word[token]

    def save(self, file: Path) -> None:
        """Write the tokeniser as JSON."""
        self._backend.save(str(file))

    def windows(self, texts: Sequence[str]) -> Windows:
        """Return the windows of `texts`, emoji spelled out; an empty text has one of special tokens alone."""
        encoded = self._backend.encode_batch_fast(spell_all(texts), add_special_tokens=False)
        ids, count = [], np.empty(len(texts), np.int64)
        wordless = np.array([not any(map(self._worded, encoding.ids)) for encoding in encoded], bool)
        for place, encoding in enumerate(encoded):
            tokens = encoding.ids
            count[place] = parts = max(-(-len(tokens) // self._room), 1)
            ends = [len(tokens) * part // parts for part in range(parts + 1)]
            ids += [[*self._before, *tokens[ends[i] : ends[i + 1]], *self._after] for i in range(parts)]
        return Windows(ids, np.repeat(np.arange(len(texts)), count), count, wordless)


def tokens_met(tokeniser: Tokeniser, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which tokens of the vocabulary occur in `texts`, shape (vocabulary,)."""
    met = np.zeros(tokeniser.vocabulary, bool)
    for window in tokeniser.windows(texts).ids:
        met[window] = True
    return met


def share_met(tokeniser: Tokeniser, windows: Windows, met: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the share of each text's tokens, special ones apart, that are `met`, shape (texts,)."""
    texts = len(windows.count)
    lengths = np.array([len(window) for window in windows.ids], np.int64)
    of_token = np.repeat(windows.text, lengths)
    special = tokeniser.special * windows.count  # they are always met
    known = np.bincount(of_token, met[np.concatenate(windows.ids)] if len(lengths) else None, texts) - special
    return np.asarray(known / np.maximum(np.bincount(of_token, minlength=texts) - special, 1), np.float32)


def common_words(texts: Sequence[str]) -> frozenset[str]:
    """Return the words that over `COMMON` of prepared `texts` hold."""
    tokens = tokenise(texts)
    counts: Counter[str] = Counter()
    for text in np.split(np.array(token_strings(tokens), object), np.flatnonzero(np.diff(tokens.text)) + 1):
        counts.update(set(text))
    return frozenset(word for word, count in counts.items() if count > COMMON * len(texts))
