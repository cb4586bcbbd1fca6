"""Hashed word and character n-grams of whole batches of texts, without a Python loop over texts or words.

A batch becomes one array of code points. A polynomial prefix hash over it gives the hash of any stretch in two
look-ups (Karp and Rabin 1987), so that words, word pairs and character n-grams are all hashed by array operations.
Character n-grams depend on nothing but their word: they are taken once per *different* word of a batch, which makes
them almost free. Feature hashing: Weinberger et al. 2009; n-grams inside words: Bojanowski et al. 2017.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

SPACE, WORD, SYMBOL, UNKNOWN = 0, 1, 2, 255
_BASE = 0x9E3779B97F4A7C15 | 1
_INVERSE = pow(_BASE, -1, 1 << 64)
_APOSTROPHE = ord("'")
_EDGE = 0x110000  # marks both ends of a word; no character has this code


@dataclass(frozen=True)
class Hashing:
    """Which n-grams are taken, and into how many buckets they are hashed."""

    bits: int = 18
    char_min: int = 3
    char_max: int = 5
    word_max: int = 2

    @property
    def buckets(self) -> int:
        """Number of buckets, 2 to the power of `bits`."""
        return 1 << self.bits


@dataclass(frozen=True)
class Tokens:
    """The words and symbols of a batch of texts, in order.

    Attributes
    ----------
    text
        Which text each token is in.
    hash
        64-bit hash of each token; equal tokens have equal hashes.
    start, end
        Where each token stands in the batch's code points; subtract `offsets[text]` for its place in its text.
    offsets
        Where each text starts in the batch's code points.
    codes
        The batch's code points, texts parted by a space.
    """

    text: I64
    hash: U64
    start: I64
    end: I64
    offsets: I64
    codes: NDArray[np.uint32]

    @property
    def texts(self) -> int:
        """Number of texts in the batch."""
        return len(self.offsets)


@dataclass(frozen=True)
class Features:
    """The n-grams of a batch, factored: texts x words and words x buckets, texts x buckets for word pairs.

    The full matrix of counts is ``in_text @ of_word() + pairs``; it is never needed to predict.

    Attributes
    ----------
    in_text
        Counts, shape (texts, different words).
    pairs
        Counts, shape (texts, buckets): neighbouring words, up to `Hashing.word_max` together.
    pair_buckets, pair_starts
        For each length of a run of words: the bucket of every run, and the token that it starts with.
    word
        Which different word each token is.
    different
        The hash of each different word, ascending.
    first
        A token that is that word.
    tokens
        The tokens themselves.
    """

    in_text: csr_array
    pairs: csr_array
    pair_buckets: dict[int, I64]
    pair_starts: dict[int, I64]
    word: I64
    different: U64
    first: I64
    tokens: Tokens
    hashing: Hashing

    def counts(self) -> csr_array:
        """Return the counts of all features, shape (texts, buckets)."""
        return csr_array(self.in_text @ self.of_word() + self.pairs)

    def of_word(self, chosen: I64 | slice = slice(None)) -> csr_array:
        """Return counts, shape (chosen different words, buckets): the word itself and its character n-grams."""
        return _word_features(self.tokens, self.first[chosen], self.different[chosen], self.hashing)

    def is_word(self, chosen: I64 | slice = slice(None)) -> NDArray[np.bool_]:
        """Return whether each of the chosen different words is one, and no symbol."""
        return np.asarray(_ALPHABET.classes(self.tokens.codes[self.tokens.start[self.first[chosen]]]) == WORD)

    @property
    def own_bucket(self) -> I64:
        """The bucket of each different word as a whole, shape (different words,)."""
        return _bucket(self.different, 0, self.hashing)


class _Alphabet:
    """The class of every character, looked up once per character ever met."""

    def __init__(self) -> None:
        self._classes = np.full(_EDGE, UNKNOWN, np.uint8)

    def classes(self, codes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return SPACE, WORD or SYMBOL for every code point."""
        found = self._classes[codes]
        if UNKNOWN in found:
            for code in np.unique(codes[found == UNKNOWN]):
                self._classes[code] = _class_of(chr(code))
            found = self._classes[codes]
        return found


def _class_of(character: str) -> int:
    category = unicodedata.category(character)
    if category[0] in "LMN" or character == "_":
        return WORD
    return SPACE if category[0] in "ZC" else SYMBOL


_ALPHABET = _Alphabet()


def tokenise(texts: Sequence[str]) -> Tokens:
    """Return the tokens of `texts`: runs of letters, digits and marks; runs of one and the same symbol."""
    lengths = np.fromiter((len(text) for text in texts), np.int64, len(texts))
    joined = " ".join(texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    offsets = np.zeros(len(texts), np.int64)
    np.cumsum(lengths[:-1] + 1, out=offsets[1:])
    if not len(codes):
        nothing = np.zeros(0, np.int64)
        return Tokens(nothing, nothing.astype(np.uint64), nothing, nothing, offsets, codes)
    classes = _ALPHABET.classes(codes)
    # An apostrophe between letters is a part of the word: "don't" is one word, "'quoted'" is not.
    inner = np.flatnonzero(codes[1:-1] == _APOSTROPHE) + 1
    classes[inner[(classes[inner - 1] == WORD) & (classes[inner + 1] == WORD)]] = WORD
    breaks = classes[1:] != classes[:-1]
    breaks |= (classes[1:] == SYMBOL) & (codes[1:] != codes[:-1])
    edges = np.concatenate(([0], np.flatnonzero(breaks) + 1, [len(codes)]))
    kept = classes[edges[:-1]] != SPACE
    start, end = edges[:-1][kept], edges[1:][kept]
    text = np.searchsorted(offsets, start, side="right") - 1
    return Tokens(text, _stretches(codes, start, end), start, end, offsets, codes)


def extract(texts: Sequence[str], hashing: Hashing) -> Features:
    """Return the features of `texts`, which `models.text.prepare_all` has prepared."""
    tokens = tokenise(texts)
    different, first, word = np.unique(tokens.hash, return_index=True, return_inverse=True)
    in_text = _counts(tokens.text, word, (tokens.texts, len(different)))
    buckets, starts = _runs(tokens, hashing)
    rows = np.concatenate([tokens.text[:0], *(tokens.text[start] for start in starts.values())])
    columns = np.concatenate([tokens.text[:0], *buckets.values()])
    pairs = _counts(rows, columns, (tokens.texts, hashing.buckets))
    return Features(in_text, pairs, buckets, starts, word, different, first, tokens, hashing)


def token_strings(tokens: Tokens, chosen: I64 | slice = slice(None)) -> list[str]:
    """Return every token, or the `chosen` ones, as text."""
    joined = tokens.codes.tobytes().decode("utf-32-le", "surrogatepass")
    places = zip(tokens.start[chosen].tolist(), tokens.end[chosen].tolist(), strict=True)
    return [joined[start:end] for start, end in places]


def _word_features(tokens: Tokens, first: I64, different: U64, hashing: Hashing) -> csr_array:
    """Return the buckets of each different word: its own, and those of its character n-grams."""
    start, length = tokens.start[first], tokens.end[first] - tokens.start[first]
    padded_end = np.cumsum(length + 2)
    padded_start = padded_end - (length + 2)
    codes = np.full(padded_end[-1] if len(padded_end) else 0, _EDGE, np.uint32)
    inside = np.ones(len(codes), bool)
    inside[padded_start] = inside[padded_end - 1] = False
    codes[inside] = tokens.codes[_ranges(start, length)]
    rows = [np.arange(len(first))]
    buckets = [_bucket(different, 0, hashing)]
    owner = np.repeat(np.arange(len(first)), length + 2)
    for size in range(hashing.char_min, hashing.char_max + 1):
        begin = np.flatnonzero(np.arange(len(codes)) + size <= padded_end[owner])
        rows.append(owner[begin])
        buckets.append(_bucket(_stretches(codes, begin, begin + size), size, hashing))
    return _counts(np.concatenate(rows), np.concatenate(buckets), (len(first), hashing.buckets))


def _runs(tokens: Tokens, hashing: Hashing) -> tuple[dict[int, I64], dict[int, I64]]:
    """Return bucket and first token of every run of 2 .. `word_max` neighbouring words of one text, by length."""
    buckets, starts = {}, {}
    chain = tokens.hash
    for size in range(2, hashing.word_max + 1):
        chain = _mix(chain[:-1] * np.uint64(_BASE) + tokens.hash[size - 1 :])
        starts[size] = np.flatnonzero(tokens.text[: len(chain)] == tokens.text[size - 1 :])
        buckets[size] = _bucket(chain[starts[size]], 64 + size, hashing)
    return buckets, starts


def _stretches(codes: NDArray[np.uint32], start: I64, end: I64) -> U64:
    """Return the hash of ``codes[start:end]`` for every pair of `start` and `end`."""
    powers, inverses = _powers(len(codes))
    prefix = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(_mix(codes.astype(np.uint64) + np.uint64(1)) * powers, out=prefix[1:])
    return _mix((prefix[end] - prefix[start]) * inverses[start])


def _powers(length: int) -> tuple[U64, U64]:
    """Return the first `length` powers of the base and of its inverse, modulo 2**64."""
    powers = np.full(length, _BASE, np.uint64)
    inverses = np.full(length + 1, _INVERSE, np.uint64)
    powers[:1] = inverses[:1] = 1
    return np.cumprod(powers), np.cumprod(inverses)


def _mix(values: U64) -> U64:
    """Return `values` with every bit depending on every bit (the finaliser of MurmurHash3)."""
    values = values ^ (values >> np.uint64(33))
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


def _bucket(hashes: U64, kind: int, hashing: Hashing) -> I64:
    """Return the buckets of `hashes`; `kind` keeps words, pairs and n-grams of the same letters apart."""
    salted = _mix(hashes + np.uint64((kind * _INVERSE) & 0xFFFFFFFFFFFFFFFF))
    return (salted >> np.uint64(64 - hashing.bits)).astype(np.int64)


def _ranges(start: I64, length: I64) -> I64:
    """Return ``start[0], start[0]+1, ... (length[0] of them), start[1], ...``."""
    total = int(length.sum())
    ends = np.cumsum(length)
    return np.arange(total) - np.repeat(ends - length, length) + np.repeat(start, length)


def _counts(rows: I64, columns: I64, shape: tuple[int, int]) -> csr_array:
    ones = np.ones(len(rows), np.float32)
    return csr_array((ones, (rows, columns)), shape=shape)
