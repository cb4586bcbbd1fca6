"""The ids already met in a source, in 16 bytes each."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Two rows of unsigned integers, the halves of 128-bit digests, ordered by the first; a row lies in one piece, without
# which every search would copy it.
Keys = NDArray[Any]


class SeenIds:
    """Remembers ids by their 128-bit digests, so that a million of them cost 16 MB rather than 100.

    The digests lie in sorted runs, each at least twice as long as the next: adding costs a merge now and then,
    and looking up a batch is one binary search per run.
    """

    def __init__(self) -> None:
        self._runs: list[Keys] = []

    def add(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        """Return, for each id, whether it was met before, in an earlier call or earlier in `ids`; remember all."""
        if not ids:
            return np.zeros(0, bool)
        keys = _digests(ids)
        known = np.zeros(len(ids), dtype=bool)
        for run in self._runs:
            known |= _found(run, keys)
        first = {identifier: index for index, identifier in reversed([*enumerate(ids)])}
        known |= np.fromiter((first[identifier] != index for index, identifier in enumerate(ids)), bool, len(ids))
        self._remember(keys[:, ~known])
        return known

    def _remember(self, keys: Keys) -> None:
        run = _ordered(keys)
        while self._runs and self._runs[-1].shape[1] < 2 * run.shape[1]:
            run = _ordered(np.concatenate([self._runs.pop(), run], axis=1))
        if run.size:
            self._runs.append(run)


def _digests(ids: Sequence[str]) -> Keys:
    joined = b"".join([blake2b(identifier.encode(), digest_size=16).digest() for identifier in ids])
    return np.frombuffer(joined, dtype=np.uint64).reshape(-1, 2).T


def _ordered(keys: Keys) -> Keys:
    return np.ascontiguousarray(keys[:, np.argsort(keys[0], kind="stable")])


def _found(run: Keys, keys: Keys) -> NDArray[np.bool_]:
    """Return, for each of `keys`, whether it is in `run`."""
    first = np.searchsorted(run[0], keys[0])
    found: NDArray[np.bool_] = run[0][np.minimum(first, run.shape[1] - 1)] == keys[0]
    # The first halves of two different ids all but never agree, so this loop runs about once per true duplicate.
    for index in np.flatnonzero(found):
        last = np.searchsorted(run[0], keys[0, index], side="right")
        found[index] = bool((run[1, first[index] : last] == keys[1, index]).any())
    return found
