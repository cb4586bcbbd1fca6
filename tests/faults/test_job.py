"""Whatever a job dies of, and wherever: the same command goes on and ends with the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from models.triage import TriageModel
from pipeline.triage.chunks import PredictedChunk
from pipeline.triage.journal import Busy, Changed, open_job
from pipeline.triage.listing import Mismatch
from pipeline.triage.nightly import Outcome, Stopped
from pipeline.triage.publish import OutputError
from pipeline.triage.work import Work

from .conftest import KINDS, Fault, in_child, planted, snapshot

Job = Callable[..., Outcome]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


# In the fast tests a full disk stands for the other errors, which take the same way, and a kill for an interrupt.
LIKE_ANOTHER = ("EIO", "EDQUOT", "interrupt")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in LIKE_ANOTHER)) for kind in KINDS]
)
def test_a_fault_at_any_call_is_gone_on_from(kind: str, job: Job, tmp_path: Path) -> None:
    job()
    with planted(Fault("none", 0)) as counted:
        job(restart=True)
    whole, calls = snapshot(tmp_path / "out"), counted.calls
    assert {*calls} == {"write", "fsync", "replace", "rename", "exchange", "commit"}
    for number in range(1, len(calls) + 1):
        fault = Fault(kind, number)

        def work(fault: Fault = fault) -> None:
            with planted(fault):
                job(restart=True)

        ended = in_child(work)
        what = f"{kind} at call {number} of {len(calls)}, {calls[number - 1]}"
        assert ended == {"kill": -signal.SIGKILL, "short": 0}.get(kind, 1), what
        assert snapshot(tmp_path / "out") == whole, f"{what}: the night before, or the new one, whole"
        job()
        assert snapshot(tmp_path / "out") == whole, what
        assert left(tmp_path) == ["out"], what


@pytest.mark.parametrize("kind", ["kill", pytest.param("ENOSPC", marks=pytest.mark.slow)])
def test_the_first_night_is_there_whole_or_not_at_all(kind: str, job: Job, tmp_path: Path) -> None:
    with planted(Fault("none", 0)) as counted:
        job()
    whole = snapshot(tmp_path / "out")
    for number in range(1, len(counted.calls) + 1, 3):
        for path in (tmp_path / "out").iterdir():
            path.unlink()
        (tmp_path / "out").rmdir()

        def work(number: int = number) -> None:
            with planted(Fault(kind, number)):
                job()

        assert in_child(work) != 0
        assert snapshot(tmp_path / "out") in ({}, whole)
        job()
        assert snapshot(tmp_path / "out") == whole


def test_what_was_done_is_not_done_again(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = iter([False, False, True])
    with pytest.raises(Stopped, match="told to end: what is done is kept, and the same command goes on where it stop"):
        job(stopping=lambda: next(asked))
    done: list[tuple[int, int]] = []
    predict = Work.predict

    def counted(self: Work, raw: Any) -> Any:
        done.extend([raw.place] if hasattr(raw, "chunk") else [])
        return predict(self, raw)

    monkeypatch.setattr(Work, "predict", counted)
    outcome = job()
    assert done == [(1, 1)]
    assert outcome.manifest["totals"] == {
        "rows_in": 9, "rows_scored": 7, "rows_rejected": 2, "reject_reasons": {"duplicate_id": 1, "missing_text": 1},
    }  # fmt: skip


def test_a_night_that_is_done_is_not_done_again(job: Job, tmp_path: Path) -> None:
    first = job()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again = job()
    assert again.again
    assert again.manifest == first.manifest
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before
    assert not job(restart=True).again


def test_a_changed_input_is_refused_while_a_job_is_unfinished(job: Job, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        job(stopping=lambda: True)
    (tmp_path / "a.jsonl").write_text('{"id": "x", "text": "another thing altogether"}\n')
    with pytest.raises(Changed) as caught:
        job()
    assert str(caught.value) == (
        f"an unfinished job for this output has another plan ({tmp_path}/a.jsonl is changed); run it again with what "
        "it began with, or give --restart to throw its work away"
    )
    assert job(restart=True).manifest["totals"]["rows_in"] == 5


def test_an_input_that_changes_while_it_is_read_is_not_published(job: Job, tmp_path: Path) -> None:
    def grow(what: str, rows: int) -> None:
        if what == "predicting" and rows:
            with (tmp_path / "a.jsonl").open("a") as stream:
                stream.write('{"id": "late", "text": "one more"}\n')

    with pytest.raises(Changed, match=r"a.jsonl changed while it was read; --restart begins anew$"):
        job(progress=grow)
    assert not (tmp_path / "out").exists()
    assert job(restart=True).manifest["totals"]["rows_in"] > 9


def test_a_link_stays_a_link_and_a_mount_point_is_refused(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "big" / "night")
    job()
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "big" / "night" / "manifest.json").is_file()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path).endswith("night"))
    with pytest.raises(OutputError, match=r"is a mount point, which cannot be replaced; give a folder below it$"):
        job(restart=True)


def test_a_folder_that_is_being_removed_is_nobodys_to_work_in(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes while the work of an ended job is taken away begins in a folder of its own."""
    removed: list[Path] = []
    rmtree = shutil.rmtree

    def slow(path: Path, **named: Any) -> None:
        if ".out.job." in str(path) and not removed:
            removed.append(path)
            with open_job(tmp_path / "out") as journal:
                rmtree(path, **named)
                assert (journal.folder / "chunks").is_dir()
        else:
            rmtree(path, **named)

    monkeypatch.setattr(shutil, "rmtree", slow)
    job()
    assert len(removed) == 1


def test_one_writer_at_a_time(job: Job, tmp_path: Path) -> None:
    with open_job(tmp_path / "out"), pytest.raises(Busy, match=r"^another score.py works on --output .*/out; wait for"):
        job()
    job()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        with open_job(tmp_path / "out"):
            os.write(writing, b"x")
            signal.pause()
    os.read(reading, 1)
    with pytest.raises(Busy):
        job(restart=True)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert job().again  # the lock died with its process


def test_a_job_that_cannot_begin_leaves_nothing(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.feedback.sources.SourceFile.sha256", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job()
    assert left(tmp_path) == []


def test_chunks_that_somebody_took_away_are_done_again(job: Job, tmp_path: Path) -> None:
    job()
    whole = snapshot(tmp_path / "out")
    asked = iter([False, False, False, False, True])
    with pytest.raises(Stopped):
        job(restart=True, stopping=lambda: next(asked))
    first, second, *_ = sorted((tmp_path / ".out.job" / "chunks").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-9])
    job()
    assert snapshot(tmp_path / "out") == whole


def test_rows_that_do_not_add_up_are_not_published(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = PredictedChunk.of

    def losing(batch: Any, model: TriageModel) -> PredictedChunk:
        chunk = of(batch, model)
        return PredictedChunk(chunk.rows.slice(0, max(chunk.rows.num_rows - 1, 0)), chunk.rejects)

    monkeypatch.setattr(PredictedChunk, "of", losing)
    with pytest.raises(Mismatch, match=r"^9 rows were read, [0-9] scored and [0-9] rejected, which do not add up; "):
        job()
    assert not (tmp_path / "out").exists()


def test_a_watcher_never_sees_half_a_night(job: Job, tmp_path: Path) -> None:
    """While one night replaces another, whoever looks finds a folder with all its files, each time."""
    job()
    names = {*os.listdir(tmp_path / "out")}
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        os._exit(0 if _watched(tmp_path / "out", names, writing) else 1)
    os.read(reading, 1)
    for _ in range(8):
        job(restart=True)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _watched(folder: Path, names: set[str], ready: int) -> bool:
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    os.write(ready, b"x")
    while not told:
        handle = os.open(folder, os.O_RDONLY)
        whole = {*os.listdir(handle)} == names
        # Who still looks into the night before, while it is taken away, sees it go; what is published is another.
        published = os.path.samestat(os.fstat(handle), os.stat(folder))
        os.close(handle)
        if published and not whole:
            return False
    return True


@pytest.fixture(autouse=True)
def _reaped() -> Iterator[None]:
    yield
    with pytest.raises(ChildProcessError):  # no child of a test outlives it
        os.waitpid(-1, os.WNOHANG)


def test_every_part_of_the_night_is_a_table(job: Job, tmp_path: Path) -> None:
    job()
    assert pq.read_table(tmp_path / "out" / "scored.parquet").num_rows == 7
