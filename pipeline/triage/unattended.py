"""A night by the command line, with nobody there to ask: workers, signals, and what it may end of."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from models.families.encoder.runtime import cores
from pipeline.artefact import open_artefact
from pipeline.config import Config
from pipeline.feedback.sources import Discovery
from pipeline.registry import located

from . import report
from .history import note
from .journal import Busy, Changed, JournalError
from .listing import Mismatch
from .nightly import Outcome, Stopped, run
from .publish import check
from .workers import Processes, WorkerDied, Workers

WORTH_A_PROCESS = 2**20  # bytes of input: below, starting one takes longer than what it spares
CODES = {
    Busy: report.BUSY, Changed: report.OTHER_PLAN, Mismatch: report.MISMATCH, Stopped: report.TOLD_TO_END,
    WorkerDied: report.STOPPED_BY_SYSTEM,
}  # fmt: skip


_GOES_ON = "mend it, and the same command goes on where it stopped"


class Ended(RuntimeError):  # noqa: N818
    """A night that was not published: the exit code, and one sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def night(
    found: Discovery, config: Config, options: argparse.Namespace, now: datetime | None, since: datetime | None
) -> Outcome:
    """Return the night that `options` of score.py ask for, published and noted.

    Raises
    ------
    Ended
        It was not published, for a reason that has an exit code of its own.
    """
    check(options.output)
    try:
        outcome = _night(found, config, options, now, since)
        _note(config, outcome, options)
    except tuple(CODES) as error:
        raise Ended(CODES[type(error)], str(error)) from error
    except JournalError as error:
        raise Ended(report.STOPPED_BY_SYSTEM, f"the journal cannot be written ({error}); {_GOES_ON}") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        said = f"{error.strerror or error} ({error.filename or options.output})"
        raise Ended(report.STOPPED_BY_SYSTEM, f"the disk failed: {said}; {_GOES_ON}") from error
    return outcome


def _note(config: Config, outcome: Outcome, options: argparse.Namespace) -> None:
    try:
        note(config, outcome.manifest, options.output)
    except OSError as error:
        said = (
            f"the night is published, but cannot be noted in {config.nights} ({error.strerror}); mend it and run again"
        )
        raise Ended(report.STOPPED_BY_SYSTEM, said) from error


def _night(
    found: Discovery, config: Config, options: argparse.Namespace, now: datetime | None, since: datetime | None
) -> Outcome:
    artefact = located(options.model, config)
    loaded = open_artefact(artefact)
    size = sum(file.path.stat().st_size for file in found.files)
    with _told_to_end() as stopping, report.progress(size) as show, _workers(artefact, config, options, size) as them:
        return run(
            found, options.output, loaded, config, now, show,
            workers=them, since=since, restart=options.restart, stopping=lambda: bool(stopping),
        )  # fmt: skip


@contextmanager
def _workers(artefact: Path, config: Config, options: argparse.Namespace, size: int) -> Iterator[Workers | None]:
    """Give who works on the chunks; None where it is this process."""
    if options.engine == "ray":
        from .cluster import Cluster

        with Cluster(artefact, config, options.workers, options.address) as cluster:
            yield cluster
        return
    wanted = options.workers or min(cores(), 1 + size // WORTH_A_PROCESS)
    if wanted == 1:
        yield None
        return
    with Processes(artefact, config, wanted) as processes:
        yield processes


@contextmanager
def _told_to_end() -> Iterator[list[int]]:
    """Give a list that is empty until somebody tells this process to end; the chunk at work is finished first."""
    told: list[int] = []
    before = {one: signal.signal(one, lambda number, _: told.append(number)) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
