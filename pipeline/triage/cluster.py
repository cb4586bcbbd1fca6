"""Work on chunks by the machines of a Ray cluster; what comes out is the same as of one machine, and in the same order.

Ray Core's actors, each with a model of its own: the driver reads, and enters in the journal what comes back, by the
rules of one machine. Ray restarts an actor that dies, and does its tasks again (Moritz et al. 2018). The checkout, the
artefact and the output must lie on paths that every node sees.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from models.families.encoder.runtime import cores
from pipeline.config import ROOT, Config, ConfigError

from .work import Work
from .workers import WorkerDied

_RETRIES = 5  # deaths of an actor, and of a chunk with it, before the job ends: a chunk may be what kills them
_EACH = 2  # chunks that an actor has: one at work, one at hand
_STORE = 256 * 2**20  # bytes of Ray's object store, where this process starts a cluster of its own


class Scorer:
    """A model on one of the nodes."""

    def __init__(self, artefact: Path, config: Config) -> None:
        from pipeline.artefact import open_artefact

        self._work = Work(open_artefact(artefact), config)

    def do(self, what: str, item: Any) -> Any:
        """Return what becomes of a chunk."""
        return getattr(self._work, what)(item)

    def process(self) -> int:
        """Return the number of the process."""
        return os.getpid()


class Cluster(AbstractContextManager["Cluster"]):
    """The actors of a job; `address` is of a running cluster, without one it is started on this machine."""

    def __init__(self, artefact: Path, config: Config, count: int | None, address: str | None = None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray: Any = import_module("ray")
        except ImportError:
            raise ConfigError("--engine ray needs a library that is not installed; pip install 'ray>=2.60'") from None
        self._ray = ray
        own = (
            {} if address else {"num_cpus": count or cores(), "object_store_memory": _STORE, "include_dashboard": False}
        )
        environment = {"env_vars": {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}}
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error", runtime_env=environment, **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())[:200]
            raise ConfigError(f"the Ray cluster {address or 'on this machine'} does not answer ({why})") from error
        there = int(ray.cluster_resources().get("CPU", 0))
        if count is not None and count > there:
            raise ConfigError(
                f"--workers {count} is more than the {there} CPUs of the Ray cluster; give fewer, or none"
            )
        remote = ray.remote(num_cpus=1, max_restarts=_RETRIES, max_task_retries=_RETRIES)(Scorer)
        self.actors = [remote.remote(artefact, config) for _ in range(count or there)]

    def map(self, what: str, items: Iterable[Any]) -> Iterator[Any]:
        """Yield what becomes of each of `items`, in their order.

        Raises
        ------
        WorkerDied
            The cluster is gone.
        """
        waiting: deque[tuple[Any, int]] = deque()
        busy = Counter(dict.fromkeys(range(len(self.actors)), 0))
        try:
            for item in items:
                place = min(busy, key=lambda one: busy[one])
                waiting.append((self.actors[place].do.remote(what, item), place))
                busy[place] += 1
                while len(waiting) >= _EACH * len(self.actors):
                    yield self._first(waiting, busy)
            while waiting:
                yield self._first(waiting, busy)
        except self._ray.exceptions.RayActorError as error:
            raise WorkerDied(f"the Ray cluster lost its actors ({error}); the same command goes on") from error

    def _first(self, waiting: deque[tuple[Any, int]], busy: Counter[int]) -> Any:
        reference, place = waiting.popleft()
        busy[place] -= 1
        return self._ray.get(reference)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()
