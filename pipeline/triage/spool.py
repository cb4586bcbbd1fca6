"""Validated rows with their predictions, kept on disk between the two passes of a job.

A row's rank needs the whole dump (its customer's other texts, the percentile of the value), so rows are predicted in a
first pass and ranked in a second, neither of which holds more than a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from models.schema import Schema
from models.triage import Predictions


class Spool:
    """A file of batches, written once, then read as often as wanted; use as a context manager while writing."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path = path
        self._heads = schema
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, rows: pa.RecordBatch, predictions: Predictions) -> None:
        """Append `rows` with their predictions."""
        columns = {field.name: rows.column(field.name) for field in rows.schema}
        for head in self._heads:
            likely = predictions.probabilities[head.name]
            columns |= {name: pa.array(likely[:, i].copy()) for i, name in enumerate(head.columns)}
        columns["wordless"] = pa.array(predictions.wordless)
        # An artefact that answers with code of before there were these says nothing of them.
        columns["windows"] = pa.array(getattr(predictions, "windows", np.ones(len(predictions), np.int32)))
        columns["familiar"] = pa.array(getattr(predictions, "familiar", np.ones(len(predictions), np.float32)))
        batch = pa.RecordBatch.from_pydict(columns)
        if self._writer is None:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_file(str(self._path), batch.schema, options=options)
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def __iter__(self) -> Iterator[tuple[int, pa.RecordBatch, Predictions]]:
        """Yield each batch: the number of its first row, its rows, its predictions."""
        if self._writer is None:
            return
        start = 0
        with pa.OSFile(str(self._path)) as stream:
            reader = pa.ipc.open_file(stream)
            for place in range(reader.num_record_batches):
                batch = reader.get_batch(place)
                yield start, batch, self.predictions(batch)
                start += batch.num_rows

    def predictions(self, batch: pa.RecordBatch) -> Predictions:
        """Return the predictions that a spooled `batch` carries."""
        return Predictions(
            {
                head.name: np.stack(
                    [batch.column(name).to_numpy(zero_copy_only=False) for name in head.columns], axis=1
                )
                for head in self._heads
            },
            np.asarray(batch.column("wordless").to_numpy(zero_copy_only=False), bool),
            np.asarray(batch.column("windows").to_numpy(), np.int32),
            np.asarray(batch.column("familiar").to_numpy(), np.float32),
        )
