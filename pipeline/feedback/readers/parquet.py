"""Parquet, row group by row group and batch by batch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.settings import Ingest

from ..containers import RATIO, RATIO_FROM, blocks, bomb, opened
from ..encoding import is_clean
from ..layout import Layout
from ..record import ROW_REASONS, Chunk, FileRefused
from ..sources import SourceFile
from ..strings import fault_of
from .chunks import CHUNK_CHARACTERS

MAGIC, ENCRYPTED = b"PAR1", b"PARE"
_SIGNATURE = 28  # bytes that follow a footer in plain text in a file with encrypted columns


def read_parquet(file: SourceFile, layout: Layout, ingest: Ingest) -> Iterator[Chunk]:
    """Yield the rows of a Parquet file."""
    with _plain(file, ingest) as handle:
        _check_magic(file, handle)
        try:
            yield from _chunks(handle, file, layout, ingest)
        except FileRefused:
            raise
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            why = " ".join(str(error).split())[:160]
            sentence = f"it cannot be read as Parquet ({why}); write or copy it again, unencrypted"
            raise FileRefused(file.name, "corrupt_container", sentence) from error


@contextmanager
def _plain(file: SourceFile, ingest: Ingest) -> Iterator[BinaryIO]:
    """Give the file, unpacked to a temporary one where it is compressed as a whole: Parquet is read from its end."""
    if file.compression is None:
        with opened(file, follow_links=ingest.follow_links) as handle:
            yield handle
        return
    with tempfile.TemporaryFile() as unpacked:
        unpacked.writelines(blocks(file, ingest))
        yield unpacked


def _check_magic(file: SourceFile, handle: BinaryIO) -> None:
    handle.seek(0)
    head = handle.read(4)
    handle.seek(0, 2)
    handle.seek(-min(4, handle.tell()), 2)
    tail = handle.read(4)
    if ENCRYPTED in (head, tail):
        raise _encrypted(file)
    if head != MAGIC[: len(head)]:
        sentence = "its name says .parquet, its first bytes do not; rename it or export it again"
        raise FileRefused(file.name, "type_mismatch", sentence)
    if tail != MAGIC or handle.tell() < 12:
        sentence = "it begins like a Parquet file and does not end like one; copy or export it again"
        raise FileRefused(file.name, "truncated_container", sentence)


def _check_plain(file: SourceFile, handle: BinaryIO, metadata: pq.FileMetaData) -> None:
    """Refuse a file whose columns are encrypted though its footer is not: to look at those would abort the process."""
    handle.seek(-8, 2)
    footer = int.from_bytes(handle.read(4), "little")
    if footer - metadata.serialized_size == _SIGNATURE:
        raise _encrypted(file)


def _encrypted(file: SourceFile) -> FileRefused:
    sentence = "it is encrypted, plain Parquet was expected; write it without encryption"
    return FileRefused(file.name, "corrupt_container", sentence)


def _chunks(handle: BinaryIO, file: SourceFile, layout: Layout, ingest: Ingest) -> Iterator[Chunk]:
    parquet = pq.ParquetFile(handle)
    _check_plain(file, handle, parquet.metadata)
    schema = parquet.schema_arrow
    positions = layout.locate(schema.names)
    text = schema.field(positions["text"])
    if not _is_string(text.type):
        sentence = f"the column {text.name!r} holds {text.type}, text was expected; cast it to string"
        raise FileRefused(file.name, "wrong_type", sentence)
    row_bytes = _check_sizes(parquet.metadata, file, ingest)
    # Dictionaries stay dictionaries: thousands of rows of one long text are small in the file and must be so here.
    texts = [field.name for field in schema if _is_string(field.type)]
    parquet = pq.ParquetFile(handle, read_dictionary=texts)
    # Columns that nobody asked for are read where they hold strings, which must be UTF-8 without NUL like all others.
    needed = [i for i, field in enumerate(schema) if i in positions.values() or _holds_strings(field.type)]
    rows = max(1, min(ingest.batch_rows, CHUNK_CHARACTERS // max(1, row_bytes)))
    number = 1
    for batch in parquet.iter_batches(rows, columns=[schema.names[i] for i in needed]):
        places = {ours: batch.schema.names.index(schema.names[position]) for ours, position in positions.items()}
        for part in _parts(batch):
            yield _chunk(part, number, places)
            number += part.num_rows


def _check_sizes(metadata: pq.FileMetaData, file: SourceFile, ingest: Ingest) -> int:
    """Return the bytes that a row takes at most on average, once no row group would blow up."""
    limit = ingest.max_decompressed_mib * 2**20
    widest = unpacked = packed = 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        columns = [group.column(i) for i in range(group.num_columns)]
        size = max(sum(column.total_uncompressed_size for column in columns), group.total_byte_size)
        unpacked += size
        packed += sum(column.total_compressed_size for column in columns)
        widest = max(widest, size // max(1, group.num_rows))
    if unpacked > limit or (unpacked > RATIO_FROM and unpacked > RATIO * packed):
        raise bomb(file.name, f"{packed:,} bytes of it unpack to {unpacked:,}")
    return widest


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield `batch` in slices that hold about `CHUNK_CHARACTERS` bytes of text each once written out."""
    if batch.num_rows == 0:
        return
    sizes = np.zeros(batch.num_rows, dtype=np.int64)
    for column in batch.columns:
        if _is_string(column.type):
            sizes += pc.fill_null(_lengths(column), 0).to_numpy(zero_copy_only=False)
    slice_of = (np.cumsum(sizes) - sizes) // CHUNK_CHARACTERS
    starts = [0, *(np.flatnonzero(np.diff(slice_of)) + 1).tolist(), batch.num_rows]
    for start, end in pairwise(starts):
        yield batch.slice(start, end - start)


def _lengths(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return pc.binary_length(column.dictionary).cast(pa.int64()).take(column.indices)
    return pc.binary_length(column).cast(pa.int64())


def _chunk(part: pa.RecordBatch, number: int, places: dict[str, int]) -> Chunk:
    """Return the rows of `part`, the first of which is record `number`."""
    dense = [_dense(column) for column in part.columns]
    values = [_values(column) for column in dense]
    faults: dict[int, str] = {}
    for column, cells in zip(dense, values, strict=True):
        # Nearly every column of strings is clean, which one look at all of it tells.
        if _is_string(column.type) and is_clean("".join([str(cell) for cell in cells if cell])):
            continue
        for index, cell in enumerate(cells if _holds_strings(column.type) else ()):
            if fault := fault_of(cell):
                faults[index] = min(fault, faults.get(index, fault), key=ROW_REASONS.index)
    columns = {ours: values[place] for ours, place in places.items()}
    if not faults:
        return Chunk(range(number, number + part.num_rows), columns)
    sound = [index for index in range(part.num_rows) if index not in faults]
    return Chunk(
        [number + index for index in sound],
        {ours: [cells[index] for index in sound] for ours, cells in columns.items()},
        [(number + index, faults[index]) for index in sorted(faults)],
    )


def _values(column: pa.Array) -> Sequence[object]:
    """Return the cells of a column; a date as ISO text, a string that is not UTF-8 with lone surrogates."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz:
        column = column.cast(pa.timestamp(kind.unit, "UTC"))  # the same instant, written with a Z
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        column = column.cast(pa.string())
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_value(cell) for cell in column]


def _value(cell: pa.Scalar) -> object:
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        # Inside a list or an object it does not matter where the bad bytes are: the record cannot be used.
        return cell.as_buffer().to_pybytes().decode(errors="surrogateescape") if _is_string(cell.type) else "\udc80"


def _dense(column: pa.Array) -> pa.Array:
    """Return the column with a dictionary of strings written out."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _is_string(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _holds_strings(kind: pa.DataType) -> bool:
    if kind.num_fields:
        return any(_holds_strings(kind.field(index).type) for index in range(kind.num_fields))
    return _is_string(kind)
