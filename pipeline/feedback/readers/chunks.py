"""Records gathered into chunks that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ..record import Chunk

Row = TypeVar("Row")

CHUNK_CHARACTERS = 8 * 2**20


def in_chunks(
    records: Iterable[tuple[Row, str | None, int]],
    columns: Callable[[Sequence[Row]], dict[str, Sequence[object]]],
    most: int,
) -> Iterator[Chunk]:
    """Yield chunks of at most `most` records and about `CHUNK_CHARACTERS` characters; no record is left out.

    `records` are (row, reason why it cannot be used or None, length); `columns` turns rows into columns.
    """
    rows: list[Row] = []
    numbers: list[int] = []
    faults: list[tuple[int, str]] = []
    size = 0
    for number, (row, fault, length) in enumerate(records, 1):
        if fault is None:
            rows.append(row)
            numbers.append(number)
        else:
            faults.append((number, fault))
        size += length
        if len(rows) + len(faults) >= most or size >= CHUNK_CHARACTERS:
            yield Chunk(numbers, columns(rows), faults)
            rows, numbers, faults, size = [], [], [], 0
    if numbers or faults:
        yield Chunk(numbers, columns(rows), faults)
