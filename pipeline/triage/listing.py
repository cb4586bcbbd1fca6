"""From predicted chunks to the list: every row in the context of its dump, and the customers there is room for."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.promise import Promise
from models.triage import TriageModel
from pipeline.config import Config
from pipeline.feedback.record import CANONICAL, Batch

from .answers import PROMOTERS, foremost
from .cases import CaseTexts, Leaders, escalations
from .chunks import PredictedChunk, read
from .context import CODES, DumpContext
from .durable import write_file
from .intake import FileCount, totals
from .journal import Journal
from .plan import Plan
from .promised import Promised
from .publish import Parts
from .work import Placed, unpacked
from .workers import Workers


class Mismatch(RuntimeError):  # noqa: N818
    """Rows were lost or doubled, so that nothing is published; the message is one sentence."""


class Listing:
    """What is made of the chunks of a job: `place`, `rank` and `gather` come in this order.

    Attributes
    ----------
    counts
        What became of the rows of each file that could be read, by its number.
    reviewed, answered
        How many rows are to review, and how many are known customers' answers.
    promoters
        The people worth thanking.
    labels
        How often each label was given, by head.
    """

    def __init__(
        self, journal: Journal, model: TriageModel, config: Config, workers: Workers, step: Callable[[str, int], None]
    ) -> None:
        self._journal = journal
        self._model = model
        self._config = config
        self._workers = workers
        self._step = step
        self._leaders = Leaders(config.rank.capacity)
        self._promised = Promised(model, config.rank.promise)
        self._placed: list[Placed] = []
        self.counts: dict[int, FileCount] = {}
        self.reviewed = self.answered = 0
        self.promoters: pa.Table = PROMOTERS.empty_table()
        self.labels: dict[str, Counter[str]] = defaultdict(Counter)

    def place(self, plan: Plan, parts: Parts) -> None:
        """Count the rows of each file, write the rejects, and put each chunk into the context of the dump."""
        context = DumpContext(self._config.rank.repeat_window_days)
        read_whole = {number for number, entry in self._journal.files().items() if entry.reason is None}
        self.counts = {
            number: FileCount(item.path, item.size, item.sha256)
            for number, item in enumerate(plan.inputs) if number in read_whole
        }  # fmt: skip
        paths, starts = [], [0]
        for chunk in self._journal.chunks():
            path = self._journal.path(chunk.file, chunk.number)
            rows, rejects = read(path, CODES)
            self.counts[chunk.file].take(rows.num_rows, rejects.column("reason").to_pylist())
            parts.write("rejected", pa.Table.from_batches([rejects]))
            if rows.num_rows:
                context.add(rows)
                paths.append(path)
                starts.append(starts[-1] + rows.num_rows)
        earlier, places = context.close()
        where = self._journal.folder / "places.npy"
        np.save(held := io.BytesIO(), places.below)
        write_file(where, held.getvalue())
        if not paths:  # every file of a night is written whatever came
            paths, starts = [self._nothing()], [0, 0]
        now, spans = self._journal.as_of.timestamp(), zip(paths, starts[:-1], starts[1:], strict=True)
        self._placed = [Placed(path, earlier[start:stop], where, now) for path, start, stop in spans]

    def _nothing(self) -> Path:
        path = self._journal.folder / "nothing.arrow"
        empty = Batch(pa.RecordBatch.from_pylist([], schema=CANONICAL), [], {})
        write_file(path, PredictedChunk.of(empty, self._model).to_bytes())
        return path

    def rank(self, parts: Parts) -> None:
        """Write every scored row, the rows to review, the answers, and whom to thank."""
        for one in self._workers.map("rank", self._placed):
            scored, doubtful, answered = unpacked(one.scored), unpacked(one.doubtful), unpacked(one.answers)
            parts.write("scored", scored)
            parts.write("review", doubtful)
            parts.write("answers", answered)
            self.reviewed += doubtful.num_rows
            self.answered += answered.num_rows
            thankful = pa.concat_tables([self.promoters, unpacked(one.promoters)])
            self.promoters = foremost(thankful, self._config.rank.capacity)
            if one.leads:
                self._leaders.add(*zip(*one.leads, strict=True))
            self._promised.add(one.likely)
            for head, counted in one.labels.items():
                self.labels[head].update(counted)
            self._step("ranking", scored.num_rows)
        parts.write("promoters", self.promoters)

    def gather(self) -> tuple[pa.Table, Promise | None]:
        """Return the list, with the texts of its customers, and what may be promised of it."""
        wanted = self._leaders.leads()
        found = {key: CaseTexts() for key in wanted}
        asked = (Placed(one.path, one.earlier, one.places, one.now, wanted) for one in self._placed)
        for rows in self._workers.map("gather", asked):
            for key, row in rows:
                found[key].add(row)
            self._step("gathering", len(rows))
        promise = self._promised.of([texts.lead for texts in found.values() if texts.lead])
        return escalations(found, self._model.schema), promise

    def reconcile(self, folder: Path) -> None:
        """Count once more, by what is in the files: rows in are rows scored and rows rejected.

        Raises
        ------
        Mismatch
            They are not.
        """
        read_in = sum(entry.records for entry in self._journal.files().values() if entry.reason is None)
        scored, rejected = (pq.read_metadata(folder / f"{name}.parquet").num_rows for name in ("scored", "rejected"))
        said = totals([*self.counts.values()])
        if not (read_in == scored + rejected and (scored, rejected) == (said["rows_scored"], said["rows_rejected"])):
            raise Mismatch(
                f"{read_in:,} rows were read, {scored:,} scored and {rejected:,} rejected, which do not add up; "
                "nothing is published: report this, and give --restart to do all of it again"
            )
