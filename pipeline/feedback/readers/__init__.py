"""One function per format: it yields the records of a file in chunks, their structure judged, their values not yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.settings import Ingest

from ..layout import Layout
from ..record import Chunk
from ..sources import SourceFile
from .delimited import read_csv, read_tsv
from .jsonlines import read_jsonl
from .parquet import read_parquet

Reader = Callable[[SourceFile, Layout, Ingest], Iterator[Chunk]]

# A further format is one function, its entry here, and its suffix in `sources.FORMATS`.
READERS: dict[str, Reader] = {"csv": read_csv, "tsv": read_tsv, "jsonl": read_jsonl, "parquet": read_parquet}
