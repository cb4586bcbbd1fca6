"""What words add, kept from batch to batch: a dump has few different words, and most of them come again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..features import Features

Floats = NDArray[np.float32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
MOST_WORDS = 50_000  # at 40 labels, 8 MB


class WordCache:
    """Rows by the hash of their word. A row never depends on what else is kept, so results do not either.

    What is kept is replaced as a whole, never changed: threads may look words up at the same time.
    """

    def __init__(self) -> None:
        self._kept: tuple[U64, Floats] | None = None

    def look_up(self, features: Features, read: Callable[[Features, I64], Floats]) -> Floats:
        """Return a row for every different word of `features`; a missing one comes from ``read(features, words)``."""
        hashes = features.different
        if self._kept is None or not len(self._kept[0]):
            rows = read(features, np.arange(len(hashes)))
            self._kept = (hashes, rows)
            return rows
        known, kept = self._kept
        place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        rows, missing = kept[place], np.flatnonzero(known[place] != hashes)
        if len(missing):
            rows[missing] = read(features, missing)
            self._kept = self._with(known, kept, hashes, rows, missing)
        return rows

    @staticmethod
    def _with(known: U64, kept: Floats, hashes: U64, rows: Floats, missing: I64) -> tuple[U64, Floats]:
        """Return what is kept with the missing words added; this batch's words alone where that were too many."""
        if len(known) + len(missing) > MOST_WORDS:
            return hashes, rows
        at = np.searchsorted(known, hashes[missing])
        return np.insert(known, at, hashes[missing]), np.insert(kept, at, rows[missing], axis=0)
