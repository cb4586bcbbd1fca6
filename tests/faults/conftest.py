"""A small job whose every write, sync, rename and commit can be made to fail, or to be the last thing it does."""

from __future__ import annotations

import errno
import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from models.triage import TriageModel
from pipeline.config import Config
from pipeline.feedback.sources import discover
from pipeline.triage import durable, journal
from pipeline.triage.nightly import Outcome, run

CALLS = ("write", "fsync", "replace", "rename")
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EDQUOT": errno.EDQUOT}
KINDS = ("kill", *ERRORS, "short", "interrupt")


@dataclass
class Fault:
    """What happens at the call of a number, counted from 1 over all calls that change the disk; at 0 nothing does."""

    kind: str
    at: int
    calls: list[str] = field(default_factory=list)

    def __call__(self, name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.calls.append(name)
        if len(self.calls) != self.at:
            return call(*arguments, **named)
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "interrupt":
            raise KeyboardInterrupt
        if self.kind == "short":
            if name == "write":
                handle, data = arguments
                return call(handle, data[: max(1, len(data) // 2)])
            return call(*arguments, **named)
        if name == "commit":  # SQLite has errors of its own
            raise sqlite3.OperationalError("database or disk is full")
        raise OSError(ERRORS[self.kind], os.strerror(ERRORS[self.kind]))


@contextmanager
def planted(fault: Fault) -> Iterator[Fault]:
    """Let every call that changes the disk go through `fault`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            real = getattr(os, name)
            patch.setattr(os, name, lambda *a, _name=name, _real=real, **k: fault(_name, _real, *a, **k))
        exchanged, commit = durable._exchanged, journal.Journal._commit
        patch.setattr(durable, "_exchanged", lambda *a: fault("exchange", exchanged, *a))
        patch.setattr(journal.Journal, "_commit", lambda *a, **k: fault("commit", commit, *a, **k))
        yield fault


def in_child(work: Callable[[], object]) -> int:
    """Return how a process of its own ended that did `work`: 0, 1 where it raised, or minus the signal."""
    child = os.fork()
    if child == 0:
        signal.alarm(120)  # a child that hangs fails its test, and not the run
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the files of a night; the two moments at which it really began and ended are taken out."""
    found = {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.exists() else {}
    if "manifest.json" in found:
        found["manifest.json"] = re.sub(rb'"(started|finished)": "[^"]*"', b"", found["manifest.json"])
    return found


@pytest.fixture
def job(tmp_path: Path, model: TriageModel, write_lines: Callable[..., Path]) -> Callable[..., Outcome]:
    """Return a function that runs a job of two files and four chunks, with an id that is met twice, into ``out``."""
    texts = ["third time I ask, cancelling tonight", "all fine, thanks", "where is my parcel?", "you charged me twice"]
    said = {"created_at": "2026-11-20T20:00:00Z"}
    first = [
        {"id": f"a{n}", "text": text, "customer_id": f"c{n % 3}", "nps": 10 - n} | said for n, text in enumerate(texts)
    ]
    second = [{"id": f"b{n % 3}", "text": text, "customer_id": "c1"} for n, text in enumerate(texts)]
    files = [write_lines("a.jsonl", [*first, {"id": "a9"}]), write_lines("b.jsonl", second)]
    from datetime import UTC, datetime

    config = Config.model_validate({"ingest": {"batch_rows": 3}, "nights": str(tmp_path / "nights.jsonl")})

    def run_(**named: Any) -> Outcome:
        now = datetime(2026, 11, 21, 6, tzinfo=UTC)
        return run(discover([str(path) for path in files]), tmp_path / "out", model, config, now, **named)

    return run_
