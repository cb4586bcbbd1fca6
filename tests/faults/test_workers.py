"""Several processes, and a cluster: the same bytes as one process, also where some of them are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.triage import TriageModel
from pipeline.config import Config
from pipeline.feedback.sources import discover
from pipeline.triage.nightly import Outcome, run
from pipeline.triage.workers import Processes, WorkerDied

from .conftest import snapshot

ROWS = 400


@pytest.fixture
def dump(tmp_path: Path, write_lines: Callable[..., Path]) -> Path:
    texts = ["third time I ask, cancelling tonight", "all fine, thanks", "where is my parcel?", "you charged me twice"]
    return write_lines(
        "dump.jsonl",
        [
            {
                "id": f"{n % 390}",
                "text": f"{texts[n % 4]} {n}",
                "customer_id": f"c{n % 90}",
                "nps": n % 11,
                "reach": n % 7,
            }
            for n in range(ROWS)
        ],
    )


@pytest.fixture
def scored(tmp_path: Path, model: TriageModel, dump: Path) -> Callable[..., Outcome]:
    """Return a function that scores the dump into a folder, in 20 chunks."""
    config = Config.model_validate({"ingest": {"batch_rows": 20}, "nights": str(tmp_path / "nights.jsonl")})

    def run_(name: str, **named: Any) -> Outcome:
        now = datetime(2026, 11, 21, 6, tzinfo=UTC)
        return run(discover([str(dump)]), tmp_path / name, model, config, now, **named)

    return run_


def test_several_processes_give_the_same_bytes(
    scored: Callable[..., Outcome], model_folder: Path, tmp_path: Path
) -> None:
    scored("one")
    with Processes(model_folder, Config.model_validate({"ingest": {"batch_rows": 20}}), 3) as workers:
        outcome = scored("several", workers=workers)
    assert snapshot(tmp_path / "several") == snapshot(tmp_path / "one")
    assert (outcome.manifest["answers"], outcome.manifest["promoters"]) == (390, 48)
    assert outcome.manifest["totals"]["reject_reasons"] == {"duplicate_id": 10}


def test_a_process_that_is_killed_ends_the_job_and_loses_nothing(
    scored: Callable[..., Outcome], model_folder: Path, tmp_path: Path
) -> None:
    scored("one")
    config = Config.model_validate({"ingest": {"batch_rows": 20}})
    done = 0

    def kill(what: str, rows: int) -> None:
        nonlocal done
        done += what == "predicting" and rows > 0
        if done == 3:
            for number in workers._pool._processes or ():
                os.kill(number, signal.SIGKILL)

    with (
        pytest.raises(
            WorkerDied, match=r"^a process that scored was killed, perhaps for want of memory; the same comm"
        ),
        Processes(model_folder, config, 2) as workers,
    ):
        scored("several", workers=workers, progress=kill)
    assert not (tmp_path / "several").exists()
    scored("several")
    assert snapshot(tmp_path / "several") == snapshot(tmp_path / "one")


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_though_an_actor_is_killed(
    scored: Callable[..., Outcome], model_folder: Path, tmp_path: Path
) -> None:
    ray = pytest.importorskip("ray")
    from pipeline.triage.cluster import Cluster

    scored("one")
    config = Config.model_validate({"ingest": {"batch_rows": 20}})
    killed: list[int] = []

    def kill(what: str, rows: int) -> None:
        if what == "ranking" or (what == "predicting" and rows and not killed):
            number = ray.get(cluster.actors[len(killed) % 2].process.remote())
            if len(killed) < 2:
                os.kill(number, signal.SIGKILL)
                killed.append(number)

    with Cluster(model_folder, config, 2) as cluster:
        scored("cluster", workers=cluster, progress=kill)
    assert len(killed) == 2
    assert snapshot(tmp_path / "cluster") == snapshot(tmp_path / "one")
