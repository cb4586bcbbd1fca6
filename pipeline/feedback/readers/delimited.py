"""CSV and TSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.settings import Ingest

from ..encoding import text_blocks
from ..layout import Layout
from ..record import Chunk
from ..sources import SourceFile
from .chunks import in_chunks
from .splitting import split


def read_csv(file: SourceFile, layout: Layout, ingest: Ingest) -> Iterator[Chunk]:
    """Yield the records of a comma-separated file; the first one names the columns."""
    return _read(file, layout, ingest, ",")


def read_tsv(file: SourceFile, layout: Layout, ingest: Ingest) -> Iterator[Chunk]:
    """Yield the records of a tab-separated file; the first one names the columns."""
    return _read(file, layout, ingest, "\t")


def _read(file: SourceFile, layout: Layout, ingest: Ingest, delimiter: str) -> Iterator[Chunk]:
    records = split(text_blocks(file, ingest), delimiter)
    header, _, _ = next(records, ((), None, 0))
    positions = layout.locate(header)

    def columns(rows: Sequence[Sequence[str]]) -> dict[str, Sequence[object]]:
        cells = list(zip(*rows, strict=True)) or [()] * len(header)
        return {ours: cells[position] for ours, position in positions.items()}

    yield from in_chunks(records, columns, ingest.batch_rows)
