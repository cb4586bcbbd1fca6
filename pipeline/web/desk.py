"""What the pages of the desk are made from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fastapi import Request

from models.promise import Promise
from models.schema import Schema
from pipeline.followup import queue
from pipeline.followup.playbooks import Playbook
from pipeline.followup.store import Store
from pipeline.web.access import visitor_of
from pipeline.web.display import Display
from pipeline.web.language import Language
from pipeline.web.pages import Pages
from pipeline.web.view import Viewing

_KEPT_SECONDS = 2.0


@dataclass(frozen=True)
class Desk:
    """The store, the pages, and what is shown of a case.

    `promise` returns what the last night promised of its list, if anything; `playbooks` are by language.
    """

    store: Store
    pages: Pages
    display: Display
    schema: Schema
    playbooks: dict[str, dict[str, Playbook]]
    promise: Callable[[], Promise | None]
    _kept: dict[str, tuple[float, object]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def viewing(self, request: Request) -> Viewing:
        """Return how things are shown to who sends `request`."""
        return Viewing(self.display, Language(visitor_of(request).language), datetime.now(UTC))

    def counts(self, who: str) -> dict[str, int]:
        """Return how many cases each tab holds for `who`; at most `_KEPT_SECONDS` old, for everybody asks for them."""
        found = self._recent(f"counts {who}", lambda: queue.counts(self.store, who))
        return dict(found)  # type: ignore[call-overload, no-any-return]

    def facets(self) -> dict[str, list[str]]:
        """Return the channels and languages to filter by."""
        return self._recent("facets", lambda: queue.facets(self.store))  # type: ignore[return-value]

    def forget(self) -> None:
        """Count anew: somebody has just changed something."""
        with self._lock:
            self._kept.clear()

    def _recent(self, key: str, find: Callable[[], object]) -> object:
        with self._lock:
            at, found = self._kept.get(key, (0.0, None))
        if found is None or time.monotonic() - at > _KEPT_SECONDS:
            found = find()
            with self._lock:
                self._kept[key] = (time.monotonic(), found)
        return found
