"""What a job has done so far: a folder beside the output, with a journal, the chunks that are whole, and a lock.

A chunk is entered in the journal after its file has its name on the disk. Whatever the job dies of, the journal names
nothing that is not there, and what it does not name is done again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .plan import Plan

JournalError = sqlite3.Error  # a journal that cannot be written: SQLite has errors of its own for a full disk
COPIES = "copies"  # of inputs that lie elsewhere
_TABLES = """
create table job (id integer primary key check (id = 1), plan text not null, as_of text not null,
                  started text not null);
create table chunk (file integer, number integer, rows integer not null, rejected integer not null,
                    bytes integer not null, primary key (file, number));
create table file (number integer primary key, records integer not null, reason text, sentence text);
"""
# Its write-ahead log may lose commits in SQLite before 3.51.3; the rollback journal does not.
_PRAGMAS = ("journal_mode = delete", "synchronous = full")


class Busy(RuntimeError):  # noqa: N818  the state of the world, as scripts name it
    """Another process works on the same output; the message is one sentence."""


class Changed(ValueError):  # noqa: N818
    """An unfinished job is of another plan; the message is one sentence."""


@dataclass(frozen=True)
class ChunkEntry:
    """A chunk whose file is whole: which input it is of, its place there, and its rows."""

    file: int
    number: int
    rows: int
    rejected: int
    bytes: int


@dataclass(frozen=True)
class FileEntry:
    """An input that was read to its end, or that failed whole, for a `reason` and with a `sentence` about it."""

    number: int
    records: int
    reason: str | None = None
    sentence: str | None = None


class Journal:
    """The state of one job in its folder; `open_job` opens it under a lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.discarded = False
        self._db = sqlite3.connect(folder / "journal.sqlite", isolation_level=None)
        for pragma in _PRAGMAS:
            self._db.execute(f"pragma {pragma}")
        if not self._db.execute("select 1 from sqlite_master where name = 'job'").fetchone():
            self._db.executescript(f"begin; {_TABLES} commit;")

    @property
    def plan(self) -> Plan | None:
        """The plan of the job at work here; None where none has begun."""
        known = self._db.execute("select plan from job").fetchone()
        return Plan.from_json(known[0]) if known else None

    def begin(self, plan: Plan) -> None:
        """Enter the plan of a new job, or find that it is the one at work here.

        Raises
        ------
        Changed
            Another one is.
        """
        before = self.plan
        if before is None:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._commit("insert into job values (1, ?, ?, ?)", (plan.to_json(), plan.as_of or now, now))
        elif before != plan:
            what = "; ".join(before.differences(plan))
            raise Changed(
                f"an unfinished job for this output has another plan ({what}); "
                "run it again with what it began with, or give --restart to throw its work away"
            )
        else:
            self._forget_lost()

    def _forget_lost(self) -> None:
        """Forget the chunks whose files were cut or taken away by others since."""
        for chunk in self.chunks():
            path = self.path(chunk.file, chunk.number)
            if not path.is_file() or path.stat().st_size != chunk.bytes:
                self._db.execute("delete from file where number = ?", (chunk.file,))
                self._commit("delete from chunk where file = ? and number = ?", (chunk.file, chunk.number))

    @property
    def as_of(self) -> datetime:
        """The moment from which waiting is counted, the same however often the job is gone on with."""
        return datetime.fromisoformat(self._db.execute("select as_of from job").fetchone()[0])

    @property
    def started(self) -> datetime:
        """When the job began, the first time."""
        return datetime.fromisoformat(self._db.execute("select started from job").fetchone()[0])

    def chunks(self) -> list[ChunkEntry]:
        """Return the chunks that are whole, in the order of the input."""
        return [ChunkEntry(*row) for row in self._db.execute("select * from chunk order by file, number")]

    def files(self) -> dict[int, FileEntry]:
        """Return the inputs that are done with, by their number."""
        return {row[0]: FileEntry(*row) for row in self._db.execute("select * from file order by number")}

    def path(self, file: int, number: int) -> Path:
        """Return where the file of a chunk lies."""
        return self.folder / "chunks" / f"{file:05}-{number:07}.arrow"

    def enter(self, chunk: ChunkEntry) -> None:
        """Enter a chunk whose file has its name."""
        self._commit("insert into chunk values (?, ?, ?, ?, ?)", (*vars(chunk).values(),))

    def close_file(self, entry: FileEntry) -> None:
        """Enter that an input is done with; of one that failed whole, every chunk is forgotten."""
        if entry.reason is None:
            self._commit("insert into file values (?, ?, ?, ?)", (*vars(entry).values(),))
            return
        self._db.execute("begin")
        self._db.execute("delete from chunk where file = ?", (entry.number,))
        self._db.execute("insert into file values (?, ?, ?, ?)", (*vars(entry).values(),))
        self._commit("commit")
        for path in (self.folder / "chunks").glob(f"{entry.number:05}-*"):
            path.unlink()

    def _commit(self, statement: str, values: tuple[object, ...] = ()) -> None:
        """Run what ends a transaction; the disk has it when this returns."""
        self._db.execute(statement, values)

    def discard(self) -> None:
        """Throw the job's work away once it is closed: it is published, or can never be."""
        self.discarded = True

    def close(self) -> None:
        """Close the journal."""
        self._db.close()
        if self.discarded:
            # Out of the way at one stroke, and its lock with it: who comes next begins in a folder of its own.
            aside = self.folder.with_name(f"{self.folder.name}.{os.getpid()}")
            os.rename(self.folder, aside)
            shutil.rmtree(aside, ignore_errors=True)


def folder_of(output: Path) -> Path:
    """Return the folder in which the job for `output` works."""
    return output.absolute().parent / f".{output.name}.job"


@contextmanager
def open_job(output: Path, *, restart: bool = False) -> Iterator[Journal]:
    """Give the journal of the job for `output`, and nobody else as long as it is open.

    Raises
    ------
    Busy
        Another process has it.
    """
    folder = folder_of(output)
    lock = _locked(folder, output)
    try:
        if restart:
            for path in folder.iterdir():
                if path.name not in ("lock", COPIES):  # the copies are of now: whoever restarts has them made anew
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        for gone in folder.parent.glob(f"{folder.name}.*"):  # of jobs that died while their work was taken away
            shutil.rmtree(gone, ignore_errors=True)
        (folder / "chunks").mkdir(exist_ok=True)
        for left in (folder / "chunks").glob("*.tmp"):
            left.unlink(missing_ok=True)
        journal = Journal(folder)
        try:
            yield journal
        finally:
            if journal.plan is None:  # it ended before it began
                journal.discard()
            journal.close()
    finally:
        os.close(lock)


def _locked(folder: Path, output: Path) -> int:
    """Return the handle of the lock, which dies with the process that holds it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have finished, and removed the folder, between the two lines above.
            if os.path.exists(folder / "lock") and os.path.samestat(os.fstat(handle), os.stat(folder / "lock")):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise Busy(f"another score.py works on --output {output}; wait for it, or give another folder") from None
        except FileNotFoundError:
            pass
        os.close(handle)
