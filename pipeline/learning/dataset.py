"""Labelled feedback of all configured sources as one data set in memory."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.schema import Schema
from models.targets import Target, encode_all
from pipeline.config import Config, ConfigError, resolve
from pipeline.feedback.hub import fetched
from pipeline.feedback.layout import INPUTS, SPLIT
from pipeline.feedback.reading import read_feedback
from pipeline.feedback.sources import SourceFile, discover
from pipeline.settings import Source

KEPT = ("source", "id", "text", "created_at", "customer_id", "customer_value", "channel", "lang", "industry", "nps")


@dataclass
class Dataset:
    """Rows that passed validation, their labels as targets, and what was refused.

    `columns` holds the columns named in `KEPT`, and ``split`` (the source's own word, or None). `files` gives the
    SHA-256 of every file and of every split off the Hub, `rejected` counts rows by reason, `rejected_labels` labels
    outside the schema by head.
    """

    schema: Schema
    columns: dict[str, list[str | None]]
    targets: dict[str, Target]
    files: dict[str, str]
    rejected: Counter[str] = field(default_factory=Counter)
    rejected_labels: dict[str, Counter[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["text"])

    @property
    def texts(self) -> list[str]:
        """The texts, masked of personal data."""
        return [text or "" for text in self.columns["text"]]

    def take(self, rows: NDArray[np.int64]) -> tuple[list[str], dict[str, Target]]:
        """Return texts and targets of some `rows`."""
        texts = self.texts
        return [texts[row] for row in rows], {name: target.take(rows) for name, target in self.targets.items()}

    def digest(self) -> str:
        """Return the SHA-256 over all files' hashes."""
        return hashlib.sha256("\n".join(sorted(self.files.values())).encode()).hexdigest()


def load_dataset(config: Config) -> Dataset:
    """Return the data set of all `config.data.sources`.

    Raises
    ------
    ConfigError
        A source names no row that could be used, or a data set that cannot be loaded.
    FileRefused, InputError
        A file that cannot be read at all.
    """
    schema = config.schema_()
    columns: dict[str, list[str | None]] = {name: [] for name in (*KEPT, *_others(config), "split")}
    cells: dict[str, list[list[str] | None]] = {head.name: [] for head in schema}
    data = Dataset(schema, columns, {}, {})
    weights: list[float] = []
    for source in config.data.sources:
        with _files(source, config) as files:
            for name, file in files.items():
                data.files[name] = file.sha256()
                _read(file, source, config, data, cells)
        weights += [source.weight] * (len(data) - len(weights))
    if not len(data):
        raise ConfigError(f"data.sources hold no row that can be used; rejected were {dict(data.rejected)}")
    data.targets = _weighted(encode_all(schema, cells), weights)
    return data


@contextmanager
def _files(source: Source, config: Config) -> Iterator[dict[str, SourceFile]]:
    """Give the files of a source under the names by which the data set records them."""
    if source.hub is not None:
        with fetched(source.hub, source.hub_split) as file:
            yield {file.name: file}
    else:
        found = discover([resolve(source.path or "")], follow_links=config.ingest.follow_links)
        yield {_name(file.path): file for file in found.files}


def _weighted(targets: dict[str, Target], weights: Sequence[float]) -> dict[str, Target]:
    if all(weight == 1 for weight in weights):
        return targets
    of_row = np.array(weights, np.float32)
    return {name: replace(target, weight=of_row) for name, target in targets.items()}


def _read(
    file: SourceFile, source: Source, config: Config, data: Dataset, cells: dict[str, list[list[str] | None]]
) -> None:
    batches = read_feedback(
        file,
        ingest=config.ingest,
        columns=source.columns,
        labels=source.labels,
        schema=data.schema,
        split_column=source.split_column,
        others=_others(config),
    )
    for batch in batches:
        table = batch.rows.to_pydict()
        for name in (*KEPT, *_others(config)):
            data.columns[name] += table[name]
        data.columns["split"] += table.get("split") or [None] * batch.rows.num_rows
        for head, lists in cells.items():
            lists += table[head]
        data.rejected.update(reject.reason for reject in batch.rejects)
        for head, unknown in batch.rejected_labels.items():
            data.rejected_labels.setdefault(head, Counter()).update(unknown)


def _others(config: Config) -> list[str]:
    """Return the columns that figures are told apart by and that mean nothing else to us."""
    known = {*KEPT, *INPUTS, SPLIT, "length", *config.schema_().names}
    return [name for name in config.evaluation.slices if name not in known]


def _name(path: Path) -> str:
    return os.path.relpath(path, resolve("."))
