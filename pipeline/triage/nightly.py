"""The nightly job: every row of a dump scored or rejected with a reason, and the list of whom to call.

Two passes, neither holding more than a batch: the first validates and predicts, the second ranks in the context of the
whole dump. A third look gathers the texts of the customers who made the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.promise import Promise
from models.ranking import Ranking, inactive
from models.scoring import RECORD, table
from models.triage import Predictions, TriageModel
from pipeline.config import Config
from pipeline.feedback.reading import read_feedback
from pipeline.feedback.record import Batch
from pipeline.feedback.sources import Discovery, SourceFile

from .cases import CaseTexts, Leaders, case_key, escalations
from .context import DumpContext
from .intake import FileCount, totals
from .promised import Promised
from .publish import MANIFEST, published, write_csv, write_html, write_manifest
from .spool import Spool

REJECTED = pa.schema([("file", pa.string()), ("record", pa.int64()), ("reason", pa.string())])
Progress = Callable[[str, int], None]  # what is being done, and how many bytes of the input are read, or rows ranked


class Nightly:
    """One run over one dump with one model; `run` writes everything into a scratch folder."""

    def __init__(self, model: TriageModel, config: Config, now: datetime, progress: Progress) -> None:
        self._model = model
        self._config = config
        ranking = Ranking.from_settings(config.rank.model_dump())
        # Telling words cost many predictions each, and nobody reads those of texts that are not on the list.
        self._unexplained = replace(ranking, explain_most=0)
        self._explained = replace(ranking, explain_most=config.ingest.batch_rows)
        self._now = now
        self._progress = progress
        self._context = DumpContext(config.rank.repeat_window_days)
        self._leaders = Leaders(config.rank.capacity)
        self._promised = Promised(model, config.rank.promise)

    def run(self, found: Discovery, folder: Path) -> dict[str, Any]:
        """Return the manifest of the night whose files are now in `folder`."""
        started = datetime.now(UTC)
        spool_path = folder / "spool.arrow"
        with Spool(spool_path, self._model.schema) as spool:
            counts = self._predict(found.files, spool, folder)
        self._context.close()
        reviewed = self._rank(spool, folder)
        cases, promise = self._gather(spool)
        spool_path.unlink(missing_ok=True)
        manifest = {
            "files": [item.to_json() for item in counts],
            "ignored": found.ignored,
            "totals": totals(counts),
            "escalations": cases.num_rows,
            "capacity": self._config.rank.capacity,
            "review": reviewed,
            "promise": promise.to_json() if promise else None,
            "model_version": self._model.version,
            "config": self._config.digest(),
            "weights_without_a_factor": inactive(self._model.schema, self._explained),
            "as_of": _stamp(self._now),
            "started": _stamp(started),
            "finished": _stamp(datetime.now(UTC)),
        }
        pq.write_table(cases, folder / "escalations.parquet")
        write_csv(folder / "escalations.csv", cases)
        write_html(folder / "escalations.html", cases, manifest)
        write_manifest(folder / MANIFEST, manifest)
        return manifest

    def _predict(self, files: Sequence[SourceFile], spool: Spool, folder: Path) -> list[FileCount]:
        counts = []
        with pq.ParquetWriter(folder / "rejected.parquet", REJECTED) as rejected:
            for file in files:
                counts.append(FileCount(file.name, file.path.stat().st_size, file.sha256()))
                for batch in read_feedback(file, ingest=self._config.ingest):
                    counts[-1].add(batch)
                    if batch.rejects:
                        rejected.write_table(_reject_table(batch))
                    if batch.rows.num_rows:
                        self._context.add(batch.rows)
                        spool.write(batch.rows, self._model.predict(batch.rows.column("text").to_pylist()))
                    self._progress("predicting", batch.rows_in)
        return counts

    def _rank(self, spool: Spool, folder: Path) -> int:
        """Write every scored row, and the rows to review; return how many those are."""
        reviewed = 0
        scored_writer = review_writer = None
        try:
            for start, rows, predictions in _or_nothing(spool, self._model):
                numbers = np.arange(start, start + rows.num_rows)
                scored = self._scored(numbers, rows, predictions, self._unexplained)
                beside = scored.append_column("text", rows.column("text"))
                if scored_writer is None or review_writer is None:
                    scored_writer = pq.ParquetWriter(folder / "scored.parquet", scored.schema)
                    review_writer = pq.ParquetWriter(folder / "review.parquet", beside.schema)
                scored_writer.write_table(scored)
                doubtful = beside.filter(scored.column("review"))
                if doubtful.num_rows:
                    review_writer.write_table(doubtful)
                reviewed += doubtful.num_rows
                self._lead(rows, scored)
                self._promised.add(predictions)
                self._progress("ranking", rows.num_rows)
        finally:
            for writer in (scored_writer, review_writer):
                if writer is not None:
                    writer.close()
        return reviewed

    def _lead(self, rows: pa.RecordBatch, scored: pa.Table) -> None:
        keys, ids = _keys(rows), scored.column("id").to_pylist()
        priorities = scored.column("priority").to_pylist()
        led = np.flatnonzero(~scored.column("review").to_numpy()).tolist()
        self._leaders.add(
            [keys[place] for place in led], [priorities[place] for place in led], [ids[place] for place in led]
        )

    def _gather(self, spool: Spool) -> tuple[pa.Table, Promise | None]:
        leads = self._leaders.leads()
        found = {key: CaseTexts() for key in leads}
        for start, rows, _ in spool:
            keys = _keys(rows)
            places = np.array([place for place, key in enumerate(keys) if key in found], np.int64)
            if not len(places):
                continue
            ids = rows.column("id")
            leading = np.array([ids[place].as_py() == leads[keys[place]] for place in places.tolist()])
            # Of a customer's texts, a person reads the reasons of the one that leads.
            for some, ranking in ((places[leading], self._explained), (places[~leading], self._unexplained)):
                chosen = rows.take(pa.array(some))
                scored = self._scored(start + some, chosen, spool.predictions(chosen), ranking).to_pylist()
                for place, row, outcome in zip(some.tolist(), chosen.to_pylist(), scored, strict=True):
                    found[keys[place]].add(row | outcome)
        promise = self._promised.of([texts.lead for texts in found.values() if texts.lead])
        return escalations(found, self._model.schema), promise

    def _scored(
        self, numbers: NDArray[np.int64], rows: pa.RecordBatch, predictions: Predictions, ranking: Ranking
    ) -> pa.Table:
        records = {name: rows.column(name).to_pylist() for name in RECORD}
        context = self._context.of(rows, numbers, self._now.timestamp())
        return table(self._model, records, predictions, ranking, context)


def run(
    found: Discovery, output: Path, model: TriageModel, config: Config,
    now: datetime, progress: Progress = lambda *_: None,
) -> dict[str, Any]:  # fmt: skip
    """Return the manifest of a night, published as the folder `output`.

    Raises
    ------
    FileRefused
        A file that cannot be read; nothing is published.
    OutputError
        `output` holds something else.
    """
    with published(output) as scratch:
        return Nightly(model, config, now, progress).run(found, scratch)


def _or_nothing(spool: Spool, model: TriageModel) -> Any:
    """Yield the spool's batches; one without rows where it has none, so that every file is written whatever came."""
    if spool.rows:
        yield from spool
    else:
        from pipeline.feedback.record import CANONICAL

        yield 0, pa.RecordBatch.from_pylist([], schema=CANONICAL), model.predict([])


def _keys(rows: pa.RecordBatch) -> list[str]:
    columns = (rows.column(name).to_pylist() for name in ("customer_id", "id", "text"))
    return [case_key(*cells) for cells in zip(*columns, strict=True)]


def _reject_table(batch: Batch) -> pa.Table:
    columns = zip(*batch.rejects, strict=True)
    return pa.table(
        [pa.array(column, kind.type) for column, kind in zip(columns, REJECTED, strict=True)], schema=REJECTED
    )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
