"""Feedback out of a file, in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from models.schema import Schema
from pipeline.settings import Ingest

from .layout import SPLIT, Layout
from .readers import READERS
from .record import Batch, Chunk
from .sources import SourceFile
from .validation import Validator


def read_feedback(
    file: SourceFile,
    *,
    ingest: Ingest,
    columns: Mapping[str, str] | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    schema: Schema | None = None,
    split_column: str | None = None,
    others: Sequence[str] = (),
) -> Iterator[Batch]:
    """Yield the records of a file in batches of at most ``ingest.batch_rows``, and of about 8 MiB of text.

    Every record comes out once, in `Batch.rows` or in `Batch.rejects`. The text is as written, but personal data in it
    is masked.

    Parameters
    ----------
    file
        One of `sources.discover`.
    ingest
        The settings; those on the size of batches, ratings and links are used here.
    columns
        Our names (or heads') to the names in the file; ``ingest.columns`` where not given. What is not named is
        looked up under our name.
    labels
        For each head, foreign labels to ours.
    schema
        The heads whose labels are read, each as a column of lists.
    split_column
        The column that says train, calibration or test; it comes out as ``split``.
    others
        More columns that come out as texts.

    Raises
    ------
    FileRefused
        The file fails whole: nothing of it may be used, even where batches were yielded before.
    InputError
        It is not there or may not be opened.
    """
    extra = [*([SPLIT] if split_column else []), *others]
    validate = Validator(file.name, ingest, labels=labels, schema=schema, others=extra)
    for chunk in read_chunks(file, ingest, columns, schema, split_column, others):
        yield validate(chunk)


def read_chunks(
    file: SourceFile, ingest: Ingest, columns: Mapping[str, str] | None = None, schema: Schema | None = None,
    split_column: str | None = None, others: Sequence[str] = (),
) -> Iterator[Chunk]:  # fmt: skip
    """Yield the records of a file before they are judged; parameters and errors are those of `read_feedback`."""
    layout = Layout.of(file.name, ingest.columns if columns is None else columns, schema, split_column, others)
    yield from READERS[file.format](file, layout, ingest)
