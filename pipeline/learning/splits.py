"""Who is trained on, calibrated on and tested on: decided by hash or by date, and never by order or by chance.

Rows that belong together form a group: those of one customer, and texts that are the same or nearly so (Jaccard
similarity of character 5-grams about 0.8 or more, found by MinHash, Broder 1997). A group is never on two sides.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.instants import all_seconds
from models.text import prepare_all
from pipeline.config import ConfigError
from pipeline.settings import Split

from .dataset import Dataset

SIDES = ("train", "calibration", "test")
SIMILAR = 0.8
PERMUTATIONS, BANDS = 128, 16
SHINGLE = 5
_NOT_WORD = re.compile(r"[\W_]+")
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """Row numbers of each side, and the group of every row of the data set.

    `excluded` counts rows on no side, by why: another split word of the source, or a text of its own test side.
    """

    train: Rows
    calibration: Rows
    test: Rows
    group: Rows
    excluded: dict[str, int]


def split(data: Dataset, settings: Split) -> Splits:
    """Return the splits of `data`: the source's own where it brings one, else by hash of each row's group, or by date.

    Raises
    ------
    ConfigError
        ``settings.latest`` is set, and no row has a date.
    """
    plain = [normalise(text) for text in prepare_all(data.texts)]
    keys = _keys(data, settings.by, plain)
    group = groups(keys, plain)
    own = np.array(data.columns["split"], object)
    share = _latest_first(data.columns["created_at"], group, own) if settings.latest else _shares(keys, group)
    side = np.where(share < settings.test, "test", "train").astype(object)
    side[(share >= settings.test) & (share < settings.test + settings.calibration)] = "calibration"
    side, excluded = _own_sides(own, side, share, group, settings)
    train, calibration, test = (np.flatnonzero(side == name) for name in SIDES)
    return Splits(train, calibration, test, group, excluded)


def groups(keys: Sequence[str], plain: Sequence[str]) -> Rows:
    """Return the group of every row: equal `keys`, or normalised texts that are nearly the same, chained."""
    parent = list(range(len(keys)))
    first: dict[str, int] = {}
    for row, names in enumerate(zip(keys, plain, strict=True)):
        for name in (f"key {names[0]}", f"text {names[1]}"):
            _join(parent, first.setdefault(name, row), row)
    different = sorted(set(plain))
    row_of = {text: first[f"text {text}"] for text in different}
    for one, other in near_duplicates(different):
        _join(parent, row_of[different[one]], row_of[different[other]])
    roots = [_root(parent, row) for row in range(len(parent))]
    return np.unique(roots, return_inverse=True)[1]


def fingerprints(texts: Sequence[str]) -> Rows:
    """Return a number for the words of each raw text: equal for texts that differ in punctuation or case alone."""
    return np.array([_hash(normalise(text)) for text in prepare_all(texts)], np.int64)


def normalise(text: str) -> str:
    """Return the words of a prepared text alone, so that texts differing in punctuation are the same."""
    return _NOT_WORD.sub(" ", text).strip()


def near_duplicates(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of texts that are nearly the same, as positions.

    Candidates share one of `BANDS` bands of a MinHash signature; a pair counts where the signatures agree on
    `SIMILAR` of all places, and only texts of over `SHINGLE` characters have shingles to compare.
    """
    from rensa import RMinHash

    long = [place for place, text in enumerate(texts) if len(text) > SHINGLE]
    shingles = [sorted({texts[i][j : j + SHINGLE] for j in range(len(texts[i]) - SHINGLE + 1)}) for i in long]
    if not long:
        return []
    signatures = np.array(RMinHash.digests_from_token_sets(shingles, num_perm=PERMUTATIONS, seed=1), np.uint32)
    pairs: set[tuple[int, int]] = set()
    for band in np.split(signatures, BANDS, axis=1):
        buckets: dict[bytes, list[int]] = {}
        for place, row in enumerate(band):
            alike = buckets.setdefault(row.tobytes(), [])
            same = (signatures[alike] == signatures[place]).mean(1) >= SIMILAR if alike else []
            pairs |= {(long[earlier], long[place]) for earlier, found in zip(alike, same, strict=True) if found}
            if not any(same):
                alike.append(place)  # what is like an earlier one is joined to it already
    return sorted(pairs)


def _keys(data: Dataset, by: str, plain: Sequence[str]) -> list[str]:
    """Return what keeps a row together with others: its `by` column, else its normalised text."""
    if by not in data.columns:
        raise ConfigError(f"data.split.by must be one of {', '.join(data.columns)}; got {by!r}")
    return [f"key {value}" if value else f"text {text}" for value, text in zip(data.columns[by], plain, strict=True)]


def _shares(keys: Sequence[str], group: Rows) -> NDArray[np.float64]:
    """Return a number in 0..1 for every row, the same within a group and whatever the order of the rows."""
    smallest = np.full(int(group.max()) + 1, 2**63 - 1, np.int64)
    np.minimum.at(smallest, group, np.array([_hash(key) for key in keys], np.int64))
    # Hashed again: the smallest of several hashes is small, and would send large groups to the test side.
    return np.array([_hash(f"side {number}") / 2**63 for number in smallest])[group]


def _latest_first(created: Sequence[str | None], group: Rows, own: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the share of rows that are in groups with a later text than each row's; 1 for groups without a date.

    Counted apart among rows of which their source says that they are to be trained on, and among those of no word.
    """
    when = np.nan_to_num(all_seconds(created), nan=-np.inf)
    if not np.isfinite(when).any():
        raise ConfigError(
            "data.split.latest needs dates, and no row has a created_at; map one with data.sources[].columns"
        )
    share = np.ones(len(group))
    for word in ("train", None):
        rows = np.flatnonzero(own == word)
        numbers, place, size = np.unique(group[rows], return_inverse=True, return_counts=True)
        last = np.full(len(numbers), -np.inf)
        np.maximum.at(last, place, when[rows])
        order = np.lexsort((numbers, -last))
        before = np.empty(len(numbers))
        before[order] = np.cumsum(size[order]) - size[order]
        share[rows] = np.where(np.isfinite(last), before / max(len(rows), 1), 1.0)[place]
    return share


def _own_sides(
    own: NDArray[np.object_], side: NDArray[np.object_], share: NDArray[np.float64], group: Rows, settings: Split
) -> tuple[NDArray[np.object_], dict[str, int]]:
    """Return the sides that sources name for their rows; `side` by hash for groups of which no source names a row.

    Where no source names a calibration side, it is cut from the named train side. A group with a named row is on the
    side named, test before calibration before train: rows named otherwise are left out, and so are unnamed rows of a
    test group, which the source's test side did not hold.
    """
    named = {name: own == name for name in SIDES}
    if not named["calibration"].any():
        cut = named["train"] & (share < settings.calibration)
        named["calibration"], named["train"] = cut, named["train"] & ~cut
    said = np.array([word is not None for word in own])
    out = np.where(said, "other", side).astype(object)
    for name in ("train", "calibration", "test"):  # the last one to claim a group has it
        of_group = np.isin(group, group[named[name]])
        out[of_group] = "left out"
        out[named[name] | (of_group & ~said & (name != "test"))] = name
    other = said & ~np.logical_or.reduce(list(named.values()))
    out[other] = "other"
    excluded = {
        "other split word": int(other.sum()),
        "same customer or text as a test row": int((out == "left out").sum()),
    }
    return out, {why: count for why, count in excluded.items() if count}


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


def _join(parent: list[int], one: int, other: int) -> None:
    one, other = _root(parent, one), _root(parent, other)
    parent[max(one, other)] = min(one, other)
