"""The ids already met in a source, in 16 bytes each."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[Any]  # (n, 2) unsigned 64-bit halves of 128-bit digests, ordered by the first half


class SeenIds:
    """Remembers ids by their 128-bit digests, so that a million of them cost 16 MB rather than 100.

    The digests lie in sorted runs, each at least twice as long as the next: adding costs a merge now and then,
    and looking up a batch is one binary search per run.
    """

    def __init__(self) -> None:
        self._runs: list[Keys] = []

    def add(self, ids: Sequence[str]) -> list[bool]:
        """Return, for each id, whether it was met before, in an earlier call or earlier in `ids`; remember all."""
        if not ids:
            return []
        keys = _digests(ids)
        known = np.zeros(len(ids), dtype=bool)
        for run in self._runs:
            known |= _found(run, keys)
        fresh: set[str] = set()
        for index, identifier in enumerate(ids):
            if identifier in fresh:
                known[index] = True
            fresh.add(identifier)
        self._remember(keys[~known])
        return [bool(flag) for flag in known]

    def _remember(self, keys: Keys) -> None:
        run = _ordered(keys)
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = _ordered(np.concatenate([self._runs.pop(), run]))
        if len(run):
            self._runs.append(run)


def _digests(ids: Sequence[str]) -> Keys:
    joined = b"".join([blake2b(identifier.encode(), digest_size=16).digest() for identifier in ids])
    return np.frombuffer(joined, dtype=np.uint64).reshape(-1, 2)


def _ordered(keys: Keys) -> Keys:
    return keys[np.argsort(keys[:, 0], kind="stable")]


def _found(run: Keys, keys: Keys) -> NDArray[np.bool_]:
    first = np.searchsorted(run[:, 0], keys[:, 0], side="left")
    last = np.searchsorted(run[:, 0], keys[:, 0], side="right")
    found = np.zeros(len(keys), dtype=bool)
    # The first halves of two different ids all but never agree, so this loop runs about once per true duplicate.
    for index in np.flatnonzero(last > first):
        found[index] = bool((run[first[index] : last[index], 1] == keys[index, 1]).any())
    return found
