"""What is done with one chunk of a night, wherever it is done: predicted, ranked, and searched for listed customers.

All of it depends on the chunk and on what is given with it alone, so that it does not matter who does it, or when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.instants import all_seconds
from models.ranking import Ranking
from models.scoring import RECORD, table
from models.triage import Predictions, TriageModel
from pipeline.config import Config
from pipeline.feedback.record import BEFORE_SINCE, Batch, Chunk, Reject
from pipeline.feedback.validation import Validator

from .answers import answers, promoters
from .cases import Leaders, case_key
from .chunks import PredictedChunk, predictions_of, read
from .context import Places
from .journal import ChunkEntry, FileEntry
from .promised import Promised

Told = FileEntry | ChunkEntry  # a file has ended; a chunk is known
Lead = tuple[str, float, str]  # the key of a case, its priority, and the id of the text that earned it


@dataclass(frozen=True)
class Raw:
    """Records as they were read, from which source, and from when on a record counts; `place` is for who sends it."""

    place: tuple[int, int]
    source: str
    chunk: Chunk
    since: datetime | None = None


@dataclass(frozen=True)
class Predicted:
    """A predicted chunk as bytes, how many records it holds, and the ids of its rows where the source gave any."""

    place: tuple[int, int]
    data: bytes
    rows: int
    rejected: int
    ids: list[str]


@dataclass(frozen=True)
class Placed:
    """A chunk in the context of its dump: where it lies, and what the dump says of its rows."""

    path: Path
    earlier: NDArray[np.uint8]
    places: Path
    now: float
    wanted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ranked:
    """The scored rows of a chunk, those to review with their texts, and what the night gathers over all chunks."""

    scored: bytes
    doubtful: bytes
    answers: bytes
    promoters: bytes
    leads: list[Lead]
    likely: NDArray[np.int64]
    labels: dict[str, Counter[str]]


class Work:
    """The model and the settings of a night, at work on chunks."""

    def __init__(self, model: TriageModel, config: Config) -> None:
        self._model = model
        self._config = config
        ranking = Ranking.from_settings(config.rank.model_dump())
        # Telling words cost many predictions each, and nobody reads those of texts that are not on the list.
        self._unexplained = replace(ranking, explain_most=0)
        self._explained = replace(ranking, explain_most=config.ingest.batch_rows)
        self._promised = Promised(model, config.rank.promise)
        self._places: dict[Path, Places] = {}

    def predict(self, raw: Raw | Told) -> Predicted | Told:
        """Return records judged and predicted; a duplicate id is left to who has all chunks before it.

        What is no chunk passes through.
        """
        if not isinstance(raw, Raw):
            return raw
        judged = Validator(raw.source, self._config.ingest, unique=False)(raw.chunk)
        chunk = PredictedChunk.of(_from(judged, raw.since), self._model)
        ids = chunk.rows.column("id").to_pylist() if "id" in raw.chunk.columns else []
        return Predicted(raw.place, chunk.to_bytes().to_pybytes(), chunk.rows.num_rows, len(chunk.rejects), ids)

    def rank(self, placed: Placed) -> Ranked:
        """Return the scored rows of a chunk, and what they add to the night."""
        rows, _ = read(placed.path)
        predictions = predictions_of(rows, self._model.schema)
        scored = self._scored(placed, rows, predictions, self._unexplained, np.arange(rows.num_rows))
        beside = scored.append_column("text", rows.column("text"))
        keys, led = _keys(rows), ~scored.column("review").to_numpy()
        sure = scored.filter(pa.array(led))
        leaders = Leaders(self._config.rank.capacity)
        leaders.add([*compress(keys, led)], *(sure.column(name).to_pylist() for name in ("priority", "id")))
        thankful = promoters(rows, keys, self._config.rank.capacity)
        doubtful = beside.filter(scored.column("review"))
        likely = self._promised.counted(predictions)
        return Ranked(
            _packed(scored), _packed(doubtful), _packed(answers(rows)), _packed(thankful), leaders.best(), likely,
            self._labels(scored),
        )  # fmt: skip

    def gather(self, placed: Placed) -> list[tuple[str, dict[str, Any]]]:
        """Return the rows of the chunk that belong to cases on the list, by the key of the case.

        Of a customer's texts, a person reads the reasons of the one that leads.
        """
        rows, _ = read(placed.path)
        keys, ids = _keys(rows), rows.column("id").to_pylist()
        places = np.array([place for place, key in enumerate(keys) if key in placed.wanted], np.int64)
        leading = np.array([ids[place] == placed.wanted[keys[place]] for place in places.tolist()], bool)
        out = []
        for some, ranking in ((places[leading], self._explained), (places[~leading], self._unexplained)):
            chosen = rows.take(pa.array(some))
            predictions = predictions_of(chosen, self._model.schema)
            scored = self._scored(placed, chosen, predictions, ranking, some).to_pylist()
            out += [(keys[place], row | outcome)
                    for place, row, outcome in zip(some.tolist(), chosen.to_pylist(), scored, strict=True)]  # fmt: skip
        return out

    def _scored(
        self,
        placed: Placed,
        rows: pa.RecordBatch,
        predictions: Predictions,
        ranking: Ranking,
        numbers: NDArray[np.int64],
    ) -> pa.Table:
        if placed.places not in self._places:
            self._places[placed.places] = Places(np.load(placed.places, allow_pickle=False))
        context = self._places[placed.places].of(rows, placed.earlier[numbers], placed.now)
        records = {name: rows.column(name).to_pylist() for name in RECORD}
        return table(self._model, records, predictions, ranking, context)

    def _labels(self, scored: pa.Table) -> dict[str, Counter[str]]:
        """Return how often each label was given; of a yes-or-no head, how often yes is the likelier."""
        out = {}
        for head in self._model.schema:
            if head.kind == "binary":
                yes = int((scored.column(f"p_{head.name}").to_numpy() >= 0.5).sum())
                out[head.name] = Counter(yes=yes, no=scored.num_rows - yes)
                continue
            column = scored.column(head.name)
            given = column.combine_chunks().flatten() if head.kind == "multilabel" else column
            out[head.name] = Counter({item["values"]: item["counts"] for item in given.value_counts().to_pylist()})
        return out


def _from(batch: Batch, since: datetime | None) -> Batch:
    """Return the batch with the rows of before `since` among its rejects; an undated row is never too old."""
    if since is None:
        return batch
    early = all_seconds(batch.rows.column("created_at").to_pylist()) < since.timestamp()
    old = batch.rows.filter(pa.array(early))
    places = zip(old.column("source").to_pylist(), old.column("record").to_pylist(), strict=True)
    rejects = [*batch.rejects, *(Reject(source, record, BEFORE_SINCE) for source, record in places)]
    return Batch(batch.rows.filter(pa.array(~early)), sorted(rejects, key=lambda one: one.record), {})


def _keys(rows: pa.RecordBatch) -> list[str]:
    columns = (rows.column(name).to_pylist() for name in ("customer_id", "id", "text"))
    return [case_key(*cells) for cells in zip(*columns, strict=True)]


def _packed(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return bytes(sink.getvalue())


def unpacked(data: bytes) -> pa.Table:
    """Return the table that a `Ranked` carries."""
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()
