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
    _changed: dict[str, float] = field(default_factory=dict)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def viewing(self, request: Request) -> Viewing:
        """Return how things are shown to who sends `request`."""
        return Viewing(self.display, Language(visitor_of(request).language), datetime.now(UTC))

    def counts(self, who: str) -> dict[str, int]:
        """Return how many cases each tab holds for `who`.

        They are counted once for everybody and at most `_KEPT_SECONDS` old, but never older than what `who` did last.
        """
        found = self._recent(
            "counts", lambda: queue.counts(self.store, ""), max(self._changed.get(who, 0.0), self._changed.get("", 0.0))
        )
        return {**found, "mine": queue.held(self.store, who)}  # type: ignore[dict-item]

    def facets(self) -> dict[str, list[str]]:
        """Return the channels and languages to filter by."""
        return self._recent("facets", lambda: queue.facets(self.store))  # type: ignore[return-value]

    def changed(self, who: str) -> None:
        """Count anew for `who`, who has just changed something; "" stands for everybody."""
        self._changed[who] = time.monotonic()

    def _recent(self, key: str, find: Callable[[], object], since: float = 0.0) -> object:
        """Return what was found not long ago and not before `since`; who comes while somebody looks waits for them."""
        with self._counting:
            at, found = self._kept.get(key, (0.0, None))
            begun = time.monotonic()
            if found is None or begun - at > _KEPT_SECONDS or at <= since:
                found = find()
                self._kept[key] = (begun, found)
        return found
