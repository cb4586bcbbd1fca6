"""A data set that `datasets.load_dataset` knows by name, as a file that is read like any other."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import ConfigError, resolve

from .sources import SourceFile

if TYPE_CHECKING:
    from datasets import Dataset, Features

FORMATS = ("parquet", "csv", "json")
_OWNER_AND_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*")
_ROWS = 10_000  # of a row group: a part of the digest, so no setting
_LONGEST_REASON = 200


@contextmanager
def fetched(name: str, split: str) -> Iterator[SourceFile]:
    """Give the rows of a data set as a Parquet file, which is gone afterwards.

    The file is called ``hub:name[split]``. The same rows, of the same types, give the same bytes, so its digest is of
    the content. Class numbers are written as the labels they stand for.

    Parameters
    ----------
    name
        ``owner/name`` on the Hugging Face Hub, or a folder of Parquet, CSV or JSON files; a relative one starts at the
        repository root.
    split
        What `datasets.load_dataset` takes, such as ``train`` or ``train[:1000]``.

    Raises
    ------
    ConfigError
        No such data set or split, no way to reach it, or files of another format.
    """
    with tempfile.TemporaryDirectory(prefix="amends-") as folder:
        path = Path(folder) / "rows.parquet"
        _write(_load(name, split, folder), path)
        yield SourceFile(path, f"hub:{name}[{split}]", "parquet")


def _load(name: str, split: str, scratch: str) -> Dataset:
    import datasets
    from datasets.load import httpx  # the client that the library itself uses

    folder = resolve(name)
    local = bool(name) and folder.is_dir()
    if not local and not _OWNER_AND_NAME.fullmatch(name):
        # "csv" alone would make load_dataset read whatever lies in the working folder.
        raise _refused(name, split, f"neither a folder, {folder}, nor owner/name")
    # So written, a name is never a folder beneath the working one.
    where = str(folder) if local else f"hf://datasets/{name}"
    # Unmasked feedback of a folder here must leave no copy in the library's cache; a download is kept there.
    cache = scratch if local else None
    failures = (datasets.exceptions.DatasetsError, httpx.HTTPError, pa.ArrowException)
    with _without_progress_bars():
        try:
            found = datasets.load_dataset_builder(where, cache_dir=cache).info.builder_name
            rows = datasets.load_dataset(where, split=split, cache_dir=cache) if found in FORMATS else None
        except (*failures, OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            # This one says but "An error occurred while generating the dataset".
            vague = type(error) is datasets.exceptions.DatasetGenerationError
            raise _refused(name, split, _reason(error.__cause__ if vague and error.__cause__ else error)) from error
    if rows is None:
        raise _refused(name, split, f"its files are of format {found}")
    return rows


def _refused(name: str, split: str, reason: str) -> ConfigError:
    return ConfigError(
        f"data.sources: hub {name!r} cannot be loaded: owner/name on the Hugging Face Hub, or a folder, of "
        f"{', '.join(FORMATS)} files with a split {split!r} was expected; got: {reason}; "
        "check hub and hub_split, and the network for a name on the Hub"
    )


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 3]}..."


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Silence the progress bars of both libraries, which cron would mail, and leave them as they were."""
    from datasets import utils
    from huggingface_hub import utils as hub_utils

    libraries = [library for library in (utils, hub_utils) if not library.are_progress_bars_disabled()]
    for library in libraries:
        library.disable_progress_bars()
    try:
        yield
    finally:
        for library in libraries:
            library.enable_progress_bars()


def _write(rows: Dataset, path: Path) -> None:
    names = _label_names(rows.features)
    schema = _named(rows.features.arrow_schema.empty_table(), names).schema.remove_metadata()
    with pq.ParquetWriter(path, schema, compression="none") as writer:
        for table in rows.with_format("arrow").iter(_ROWS):
            writer.write_table(_named(table, names))


def _label_names(features: Features) -> dict[str, list[str]]:
    """Return the labels of each column that holds class numbers, or lists of them."""
    from datasets import ClassLabel

    inner = {column: getattr(feature, "feature", feature) for column, feature in features.items()}
    return {column: feature.names for column, feature in inner.items() if isinstance(feature, ClassLabel)}


def _named(table: pa.Table, names: Mapping[str, Sequence[str]]) -> pa.Table:
    """Return `table` with the labels of `names` in place of their numbers."""
    for column, labels in names.items():
        index = table.schema.get_field_index(column)
        kind = pa.list_(pa.string()) if pa.types.is_nested(table.schema.field(index).type) else pa.string()
        cells = [_label(cell, labels) for cell in table.column(index).to_pylist()]
        table = table.set_column(index, column, pa.array(cells, kind))
    return table


def _label(cell: int | list[int | None] | None, labels: Sequence[str]) -> str | list[str] | None:
    if isinstance(cell, list):
        return [labels[number] for number in cell if number is not None and number >= 0]
    return labels[cell] if cell is not None and cell >= 0 else None  # -1: a row without a label
