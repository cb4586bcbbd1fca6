"""A chunk of a night: validated rows with their predictions and their rejects, as bytes that go into a file.

A row's rank needs the whole dump (its customer's other texts, the percentile of the value), so rows are predicted in a
first pass and ranked in a second; between the two they lie in chunks on the disk.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.schema import Schema
from models.triage import Predictions, TriageModel
from pipeline.feedback.record import Batch, Reject

from .context import coded

REJECTED = pa.schema([("file", pa.string()), ("record", pa.int64()), ("reason", pa.string())])
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class PredictedChunk:
    """Rows with their predictions as columns, and the records that were rejected between them."""

    rows: pa.RecordBatch
    rejects: list[Reject]

    @classmethod
    def of(cls, batch: Batch, model: TriageModel) -> PredictedChunk:
        """Return a validated batch with what `model` predicts of it."""
        predictions = predict(model, batch.rows.column("text").to_pylist())
        rows = coded(batch.rows)
        columns = {name: rows.column(name) for name in rows.schema.names}
        for head in model.schema:
            likely = predictions.probabilities[head.name]
            columns |= {name: pa.array(likely[:, i].copy()) for i, name in enumerate(head.columns)}
        columns["wordless"] = pa.array(predictions.wordless)
        # An artefact that answers with code of before there were these says nothing of them.
        columns["windows"] = pa.array(getattr(predictions, "windows", np.ones(len(predictions), np.int32)))
        columns["familiar"] = pa.array(getattr(predictions, "familiar", np.ones(len(predictions), np.float32)))
        return cls(pa.RecordBatch.from_pydict(columns), batch.rejects)

    def without(self, duplicates: NDArray[np.bool_]) -> PredictedChunk:
        """Return the chunk with rows whose id was met before among its rejects."""
        if not duplicates.any():
            return self
        again = self.rows.filter(pa.array(duplicates))
        places = zip(again.column("source").to_pylist(), again.column("record").to_pylist(), strict=True)
        rejects = [*self.rejects, *(Reject(source, record, "duplicate_id") for source, record in places)]
        return PredictedChunk(self.rows.filter(pa.array(~duplicates)), sorted(rejects, key=lambda one: one.record))

    def to_bytes(self) -> pa.Buffer:
        """Return the chunk as two Arrow streams, one after the other; `read` reads them."""
        sink = pa.BufferOutputStream()
        columns = list(zip(*self.rejects, strict=True)) or [()] * len(REJECTED)
        rejects = pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, REJECTED, strict=True)], schema=REJECTED
        )
        for part in (self.rows, rejects):
            with pa.ipc.new_stream(sink, part.schema, options=_LZ4) as stream:
                stream.write_batch(part)
        return sink.getvalue()


def decode(data: pa.Buffer | bytes) -> PredictedChunk:
    """Return the chunk that `to_bytes` wrote."""
    rows, rejects = _read(pa.BufferReader(data), None)
    return PredictedChunk(rows, [Reject(*row.values()) for row in rejects.to_pylist()])


def read(path: Path, columns: Sequence[str] | None = None) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Return the rows of the chunk in `path`, or some `columns` of them, and its rejects."""
    with pa.OSFile(str(path)) as source:
        return _read(source, columns)


def _read(source: pa.NativeFile, columns: Sequence[str] | None) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    wanted = None
    if columns is not None:  # those not asked for are not unpacked
        names = pa.ipc.open_stream(source).schema.names
        source.seek(0)
        wanted = sorted(names.index(name) for name in columns)
    with pa.ipc.open_stream(source, options=pa.ipc.IpcReadOptions(included_fields=wanted)) as stream:
        rows = stream.read_next_batch()
        stream.read_all()  # to the end of the stream, where the next begins
    return rows, pa.ipc.open_stream(source).read_next_batch()


def predictions_of(rows: pa.RecordBatch, schema: Schema) -> Predictions:
    """Return the predictions that the rows of a chunk carry."""
    return Predictions(
        {
            head.name: np.stack([rows.column(name).to_numpy(zero_copy_only=False) for name in head.columns], axis=1)
            for head in schema
        },
        np.asarray(rows.column("wordless").to_numpy(zero_copy_only=False), bool),
        np.asarray(rows.column("windows").to_numpy(), np.int32),
        np.asarray(rows.column("familiar").to_numpy(), np.float32),
    )


def predict(model: TriageModel, masked: Sequence[str]) -> Predictions:
    """Return the predictions for texts that validation has masked, without masking them once more."""
    if "masked" in inspect.signature(model.predict).parameters:
        return model.predict(masked, masked=True)
    return model.predict(masked)  # an artefact that answers with code of before it could be told
