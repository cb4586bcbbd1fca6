"""The rules a row must meet, alike for files and for the JSON API; bad rows are data, never exceptions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from os.path import basename
from typing import Any, TypeVar

import pyarrow as pa

from models.schema import Schema
from models.text import mask_all
from pipeline.settings import Ingest

from .cells import CellError, identifier, moment, name, number, trim
from .labels import label_column
from .layout import INPUTS, Layout
from .record import CANONICAL, MAX_TEXT, Batch, Chunk, Reject
from .seen import SeenIds
from .strings import fault_of

Value = TypeVar("Value")

NUMBERS = ("customer_value", "reach", "nps")
_FREE = ("channel", "lang", "industry", "customer_id")


class Validator:
    """Judges the chunks of one source in their order; it remembers the ids that were valid.

    Where not `unique`, a duplicate id is let through: chunks that are judged apart know nothing of each other.
    """

    def __init__(
        self,
        source: str,
        ingest: Ingest,
        *,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        schema: Schema | None = None,
        others: Sequence[str] = (),
        unique: bool = True,
    ) -> None:
        self._source = source
        self._ingest = ingest
        self._labels = labels or {}
        self._heads = list(schema) if schema else []
        self._others = others
        self._seen = SeenIds() if unique else None

    def __call__(self, chunk: Chunk) -> Batch:
        """Return the chunk with every row accepted or rejected."""
        rows = _Rows(chunk)
        # A row keeps the first reason it is given, so the rules run in the order of `ROW_REASONS`.
        columns: dict[str, list[Any]] = {"id": self._ids(rows)}
        rows.check_texts()
        columns["text"] = list(rows.cells("text"))
        columns["created_at"] = rows.read("created_at", "bad_created_at", moment)
        lowest, highest = sorted((self._ingest.rating_min, self._ingest.rating_max))
        ratings = rows.read("rating", "bad_rating", _between(lowest, highest))
        nps = rows.read("nps", "bad_nps", _between(0, 10))
        columns["nps"] = [
            self._as_nps(rating) if known is None else known for known, rating in zip(nps, ratings, strict=True)
        ]
        for column in ("customer_value", "reach"):
            columns[column] = rows.read(column, "bad_value", _between(0, math.inf))
        for column in (*_FREE, *self._others):
            columns[column] = rows.read(column, "", name)  # never a reason to reject
        if "id" in chunk.columns and self._seen is not None:
            self._reject_duplicates(rows, columns["id"], self._seen)
        kept = rows.kept()
        if len(kept) < rows.count:
            columns = {key: [values[index] for index in kept] for key, values in columns.items()}
        labels, rejected_labels = self._label_columns(rows, kept, columns)
        return Batch(self._table(rows, kept, columns, labels), rows.rejects(self._source), rejected_labels)

    def _ids(self, rows: _Rows) -> list[str | None]:
        if "id" in rows.chunk.columns:
            ids = [identifier(cell) for cell in rows.cells("id")]
            for index, found in enumerate(ids):
                if found is None:
                    rows.refuse(index, "missing_id")
            return ids
        # The position keeps two rows of the same content apart, so a derived id is never a duplicate. The labels are
        # left out: training and scoring give a row the same id.
        contents = zip(rows.chunk.numbers, *(rows.cells(column) for column in INPUTS if column != "id"), strict=True)
        return [
            blake2b(repr((basename(self._source), *content)).encode(), digest_size=16).hexdigest()
            for content in contents
        ]

    def _as_nps(self, rating: float | None) -> float | None:
        if rating is None:
            return None
        worst, best = self._ingest.rating_min, self._ingest.rating_max
        return min(10.0, max(0.0, 10 * (rating - worst) / (best - worst)))

    def _reject_duplicates(self, rows: _Rows, ids: Sequence[str | None], seen: SeenIds) -> None:
        valid = rows.kept()
        known = seen.add([str(ids[index]) for index in valid])
        for index, duplicate in zip(valid, known.tolist(), strict=True):
            if duplicate:
                rows.refuse(index, "duplicate_id")

    def _label_columns(
        self, rows: _Rows, kept: Sequence[int], columns: Mapping[str, list[Any]]
    ) -> tuple[dict[str, list[Any]], dict[str, dict[str, int]]]:
        known = {column: columns[column] for column in NUMBERS}
        labels: dict[str, list[Any]] = {}
        rejected: dict[str, dict[str, int]] = {}
        for head in self._heads:
            cells = rows.cells(head.name)
            stated = [cells[index] for index in kept]
            labels[head.name], unknown = label_column(head, stated, known, self._labels.get(head.name, {}))
            if unknown:
                rejected[head.name] = unknown
        return labels, rejected

    def _table(
        self, rows: _Rows, kept: Sequence[int], columns: dict[str, list[Any]], labels: dict[str, list[Any]]
    ) -> pa.RecordBatch:
        columns["source"] = [self._source] * len(kept)
        columns["record"] = [rows.chunk.numbers[index] for index in kept]
        columns["text"] = mask_all(columns["text"])
        fields = [*CANONICAL, *(pa.field(head.name, pa.list_(pa.string())) for head in self._heads)]
        fields += [pa.field(column, pa.string()) for column in self._others]
        values = columns | labels
        return pa.RecordBatch.from_arrays(
            [pa.array(values[field.name], field.type) for field in fields], schema=pa.schema(fields)
        )


def validate_objects(
    objects: Sequence[object],
    *,
    source: str,
    ingest: Ingest,
    columns: Mapping[str, str] | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    schema: Schema | None = None,
) -> Batch:
    """Return the batch that already parsed JSON values make up, under the same rules as the rows of a file.

    Records are numbered from 1. `columns` defaults to ``ingest.columns``.
    """
    layout = Layout.of(source, ingest.columns if columns is None else columns, schema)
    sound: list[Mapping[str, object]] = []
    numbers: list[int] = []
    faults: list[tuple[int, str]] = []
    for position, value in enumerate(objects, 1):
        fault = fault_of(value)
        if not isinstance(value, dict):
            faults.append((position, "bad_encoding" if fault == "bad_encoding" else "malformed_record"))
        elif fault:
            faults.append((position, fault))
        else:
            sound.append(value)
            numbers.append(position)
    return Validator(source, ingest, labels=labels, schema=schema)(Chunk(numbers, layout.columns(sound), faults))


class _Rows:
    """The records of a chunk while they are judged: the first reason given to a row is the one it keeps."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.count = len(chunk.numbers)
        self._reasons: dict[int, str] = {}

    def cells(self, column: str) -> Sequence[object]:
        """Return the values of a column, None throughout where the file does not have it."""
        return self.chunk.columns[column] if column in self.chunk.columns else [None] * self.count

    def refuse(self, index: int, reason: str) -> None:
        """Reject a row, unless it is rejected already."""
        self._reasons.setdefault(index, reason)

    def read(self, column: str, reason: str, read: Callable[[object], Value]) -> list[Value | None]:
        """Return what `read` makes of each cell; where it raises `CellError` the row is rejected for `reason`."""
        values: list[Value | None] = []
        if column not in self.chunk.columns:
            return [None] * self.count
        for index, cell in enumerate(self.chunk.columns[column]):
            try:
                values.append(read(cell))
            except CellError:
                values.append(None)
                self.refuse(index, reason)
        return values

    def check_texts(self) -> None:
        """Reject the rows without a usable text."""
        for index, cell in enumerate(self.cells("text")):
            if not isinstance(cell, str):
                self.refuse(index, "missing_text")
            elif not trim(cell):
                self.refuse(index, "empty_text")
            elif len(cell) > MAX_TEXT:
                self.refuse(index, "text_too_long")

    def kept(self) -> Sequence[int]:
        """Return the positions of the rows not rejected so far."""
        if not self._reasons:
            return range(self.count)
        return [index for index in range(self.count) if index not in self._reasons]

    def rejects(self, source: str) -> list[Reject]:
        """Return the rejected records in the order of the source."""
        judged = [(self.chunk.numbers[index], reason) for index, reason in self._reasons.items()]
        return [Reject(source, record, reason) for record, reason in sorted([*self.chunk.faults, *judged])]


def _between(lowest: float, highest: float) -> Callable[[object], float | None]:
    """Return a function that reads a number from `lowest` to `highest`, both included."""

    def read(cell: object) -> float | None:
        value = number(cell)
        if value is not None and not lowest <= value <= highest:
            raise CellError(f"a number from {lowest:g} to {highest:g} was expected")
        return value

    return read
