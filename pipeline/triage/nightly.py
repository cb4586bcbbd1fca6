"""The nightly job: every row of a dump scored or rejected with a reason, and the list of whom to call.

Chunks are predicted and kept (`journal`), then ranked in the context of the whole dump; a third look gathers the texts
of the customers who made the list. The same command goes on after any death, and ends with the same bytes.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.promise import Promise
from models.ranking import Ranking, inactive
from models.triage import TriageModel
from pipeline.config import Config
from pipeline.feedback.reading import read_chunks
from pipeline.feedback.record import FileRefused
from pipeline.feedback.seen import SeenIds
from pipeline.feedback.sources import Discovery, SourceFile

from .chunks import decode, read
from .durable import put_in_place, sync_folder, write_file
from .history import before
from .intake import totals
from .journal import Changed, ChunkEntry, FileEntry, Journal, open_job
from .listing import Listing
from .plan import Plan
from .publish import Parts, check, published_by, write_all
from .report import HASHING, READING
from .work import Predicted, Raw, Told
from .workers import Here, Workers

Progress = Callable[[str, int], None]  # what is being done, and how many more rows, or bytes of `HASHING`, `READING`


class Stopped(RuntimeError):  # noqa: N818
    """The job was told to end, and can be gone on with."""


@dataclass(frozen=True)
class Outcome:
    """The manifest of a night, and whether it had been published before by the same job."""

    manifest: dict[str, Any]
    again: bool = False


def run(
    found: Discovery, output: Path, model: TriageModel, config: Config, now: datetime | None = None,
    progress: Progress = lambda *_: None, *, workers: Workers | None = None, since: datetime | None = None,
    restart: bool = False, stopping: Callable[[], bool] = lambda: False,
) -> Outcome:  # fmt: skip
    """Return the manifest of a night, published as the folder `output`; nothing is done for one that is there already.

    Parameters
    ----------
    now
        The moment from which waiting is counted; that of the job's first start, where it is not given.
    workers
        Who works on the chunks; this process where nobody is given.
    since
        Rows of before are rejected as ``before_since``.
    restart
        Throw away what an unfinished job for this output has done, and do again what is published.
    stopping
        Asked after each chunk; where it says yes, the job ends there.

    Raises
    ------
    FileRefused
        No file could be read; nothing is published.
    OutputError
        `output` holds something else.
    Busy, Changed, Mismatch, Stopped, WorkerDied
        As their names say; each has a sentence.
    """
    output = output.resolve()  # a link stays, and what it leads to is replaced
    check(output)
    with open_job(output, restart=restart) as journal:
        plan = Plan.of(
            found, model, config, now.isoformat() if now else None, since.isoformat() if since else None,
            lambda size: progress(HASHING, size),
        )  # fmt: skip
        if not restart and (manifest := published_by(plan.job_id, output)) is not None:
            if journal.plan in (None, plan):
                journal.discard()
            return Outcome(manifest, again=True)
        journal.begin(plan)
        night = Nightly(output, journal, model, config, workers or Here(model, config), progress, stopping)
        try:
            manifest = night.run(found, plan)
        except FileRefused:
            journal.discard()
            raise
        put_in_place(journal.folder / "night", output)
        journal.discard()
    return Outcome(manifest)


class Nightly:
    """One job at work in its folder."""

    def __init__(
        self, output: Path, journal: Journal, model: TriageModel, config: Config, workers: Workers, progress: Progress,
        stopping: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._output = output
        self._journal = journal
        self._model = model
        self._config = config
        self._workers = workers
        self._progress = progress
        self._stopping = stopping
        self._seen: dict[int, SeenIds] = defaultdict(SeenIds)

    def run(self, found: Discovery, plan: Plan) -> dict[str, Any]:
        """Return the manifest of the night, whose files are now in the folder ``night`` of the job."""
        self._predict(found, plan)
        entries = self._journal.files()
        if all(entry.reason for entry in entries.values()):
            failed = entries[0]
            raise FileRefused(found.files[0].name, str(failed.reason), str(failed.sentence))
        folder = _fresh(self._journal.folder / "night")
        listing = Listing(self._journal, self._model, self._config, self._workers, self._step)
        with Parts(folder) as parts:
            listing.place(plan, parts)
            listing.rank(parts)
        cases, promise = listing.gather()
        listing.reconcile(folder)
        manifest = self._manifest(found, plan, listing, cases.num_rows, promise)
        write_all(folder, cases, manifest, before(self._config, plan.job_id, self._output))
        sync_folder(folder)
        return manifest

    def _predict(self, found: Discovery, plan: Plan) -> None:
        """Predict every chunk that is not entered yet, and enter it."""
        known = {(chunk.file, chunk.number): chunk for chunk in self._journal.chunks()}
        done = self._journal.files()
        since = datetime.fromisoformat(plan.since) if plan.since else None

        def raw() -> Iterator[Raw | Told]:
            for number, file in enumerate(found.files):
                if number not in done:
                    metered = replace(file, on_read=lambda size: self._progress(READING, size))
                    yield from _records(number, metered, self._config, known, since)
                    if file.sha256() != plan.inputs[number].sha256:
                        raise Changed(f"{file.name} changed while it was read; --restart begins anew")
                else:
                    self._progress(READING, plan.inputs[number].size)

        self._progress("predicting", sum(chunk.rows + chunk.rejected for chunk in known.values()))
        for item in self._workers.map("predict", raw()):
            if isinstance(item, FileEntry):
                self._journal.close_file(item)
                self._seen.pop(item.number, None)
            elif isinstance(item, ChunkEntry):
                ids = read(self._journal.path(item.file, item.number), ["id"])[0]
                self._seen[item.file].add(ids.column("id").to_pylist())
            else:
                self._enter(item)
                self._step("predicting", item.rows + item.rejected)

    def _enter(self, item: Predicted) -> None:
        data, rows, rejected = item.data, item.rows, item.rejected
        duplicates = self._seen[item.place[0]].add(item.ids)
        if duplicates.any():
            chunk = decode(data).without(duplicates)
            data, rows, rejected = chunk.to_bytes().to_pybytes(), chunk.rows.num_rows, len(chunk.rejects)
        write_file(self._journal.path(*item.place), data)
        self._journal.enter(ChunkEntry(*item.place, rows, rejected, len(data)))

    def _manifest(
        self, found: Discovery, plan: Plan, listing: Listing, listed: int, promise: Promise | None
    ) -> dict[str, Any]:
        counts, ranking = listing.counts, Ranking.from_settings(self._config.rank.model_dump())
        return {
            "job": plan.job_id,
            "files": [item.to_json() for item in counts.values()],
            "failed": self._failed(found, plan),
            "ignored": found.ignored,
            "totals": totals([*counts.values()]),
            "escalations": listed,
            "capacity": self._config.rank.capacity,
            "review": listing.reviewed,
            "answers": listing.answered,
            "promoters": listing.promoters.num_rows,
            "labels": {head: dict(sorted(counted.items())) for head, counted in listing.labels.items()},
            "promise": promise.to_json() if promise else None,
            "model_version": self._model.version,
            "config": self._config.digest(),
            "weights_without_a_factor": inactive(self._model.schema, ranking),
            "since": plan.since,
            "as_of": _stamp(self._journal.as_of),
            "started": _stamp(self._journal.started),
            "finished": _stamp(datetime.now(UTC)),
        }  # fmt: skip

    def _failed(self, found: Discovery, plan: Plan) -> list[dict[str, Any]]:
        """Return the files that are no part of the night, and why."""
        out: list[dict[str, Any]] = [
            {"path": error.source, "size": 0, "sha256": "", "reason": error.reason, "sentence": error.sentence}
            for error in found.refused
        ]
        for number, entry in self._journal.files().items():
            if entry.reason is not None:
                item = plan.inputs[number]
                said = {"reason": entry.reason, "sentence": entry.sentence}
                out.append({"path": item.path, "size": item.size, "sha256": item.sha256, **said})
        return out

    def _step(self, what: str, rows: int) -> None:
        self._progress(what, rows)
        if self._stopping():
            raise Stopped("told to end: what is done is kept, and the same command goes on where it stopped")


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _records(
    number: int, file: SourceFile, config: Config, known: dict[tuple[int, int], ChunkEntry], since: datetime | None
) -> Iterator[Raw | Told]:
    """Yield the chunks of a file, those that are known as what is known of them, and at last how it ended."""
    records = 0
    try:
        for place, chunk in enumerate(read_chunks(file, config.ingest)):
            records += len(chunk.numbers) + len(chunk.faults)
            yield known.get((number, place)) or Raw((number, place), file.name, chunk, since)
    except FileRefused as error:
        yield FileEntry(number, records, error.reason, error.sentence)
        return
    yield FileEntry(number, records)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
