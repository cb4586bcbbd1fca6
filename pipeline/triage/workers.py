"""Work on chunks by several processes, or by this one: what comes out is the same, and in the same order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, overload

from models.triage import TriageModel
from pipeline.config import Config

from .work import Placed, Predicted, Ranked, Raw, Told, Work

_READ_AHEAD = 4  # chunks that wait beside those at work


class WorkerDied(RuntimeError):  # noqa: N818
    """A process that worked on a chunk is gone; the message is one sentence."""


class Workers(Protocol):
    """Whoever works on chunks."""

    @overload
    def map(self, what: Literal["predict"], items: Iterable[Raw | Told]) -> Iterator[Predicted | Told]: ...
    @overload
    def map(self, what: Literal["rank"], items: Iterable[Placed]) -> Iterator[Ranked]: ...
    @overload
    def map(self, what: Literal["gather"], items: Iterable[Placed]) -> Iterator[list[tuple[str, dict[str, Any]]]]: ...


class Here:
    """The process itself, without others."""

    def __init__(self, model: TriageModel, config: Config) -> None:
        self._work = Work(model, config)

    def map(self, what: str, items: Iterable[Any]) -> Iterator[Any]:
        """Yield what becomes of each of `items`, in their order."""
        for item in items:
            yield getattr(self._work, what)(item)


class Processes(AbstractContextManager["Processes"]):
    """Several processes, each with a model of its own and its share of the cores; they end with this one."""

    def __init__(self, artefact: Path, config: Config, count: int) -> None:
        self._count = count
        shares = get_context("spawn").Queue()
        for share in _shares(count):
            shares.put(share)
        self._pool = ProcessPoolExecutor(
            count, get_context("spawn"), initializer=_start, initargs=(artefact, config, os.getpid(), shares)
        )

    def map(self, what: str, items: Iterable[Any]) -> Iterator[Any]:
        """Yield what becomes of each of `items`, in their order; they are read ahead in a thread.

        Raises
        ------
        WorkerDied
            A process was killed, which is how systems without memory to spare end one.
        """
        waiting: deque[Future[Any]] = deque()
        try:
            for item in _read_ahead(items):
                waiting.append(self._pool.submit(_do, what, item))
                while len(waiting) > self._count + _READ_AHEAD or (waiting and waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise WorkerDied(
                "a process that scored was killed, perhaps for want of memory; the same command goes on where it "
                "stopped, with fewer --workers it needs less"
            ) from None
        finally:
            for future in waiting:
                future.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self


_here: Work | None = None  # of a process that `Processes` started


def _start(artefact: Path, config: Config, parent: int, shares: Any) -> None:
    global _here
    for told in (signal.SIGTERM, signal.SIGINT):  # a terminal and systemd tell all processes: the first one decides
        signal.signal(told, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, shares.get())
    from pipeline.artefact import open_artefact

    _here = Work(open_artefact(artefact), config)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _do(what: str, item: Any) -> Any:
    return getattr(_here, what)(item)


def _shares(count: int) -> list[set[int]]:
    """Return which cores each process works on: all of them are given, none to two where there are enough."""
    known = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [*range(os.cpu_count() or 1)]
    return [set(known[place::count]) or {known[place % len(known)]} for place in range(count)]


def _read_ahead(items: Iterable[Any]) -> Iterator[Any]:
    """Yield `items`, the next ones read in a thread meanwhile; an error comes where it happened."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as reader:
        ahead = deque(reader.submit(next, iterator, end) for _ in range(_READ_AHEAD))
        while (item := ahead.popleft().result()) is not end:
            ahead.append(reader.submit(next, iterator, end))
            yield item
