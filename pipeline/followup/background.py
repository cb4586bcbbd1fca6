"""What goes on beside the requests: leases run out, late cases are marked, messages are sent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from pipeline.followup.audit import CLOCK
from pipeline.followup.claims import give_back
from pipeline.followup.outbox import deliver, tell
from pipeline.followup.store import Store
from pipeline.followup.tables import CASES, IS_LIVE
from pipeline.followup.webhooks import Target

LOG = logging.getLogger(__name__)
_AT_ONCE = 200


class Background:
    """A thread that looks after the store every few `seconds`; several servers may each have one."""

    def __init__(self, store: Store, targets: Sequence[Target], *, seconds: float = 5.0) -> None:
        self.store, self._seconds = store, seconds
        self._targets = {target.url: target for target in targets}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="desk clock", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done."""
        self._ended.set()
        self._thread.join(timeout=30)

    def once(self, *, at: datetime | None = None) -> None:
        """Do all that is due."""
        give_back(self.store, at=at)
        mark_late(self.store, at=at)
        deliver(self.store, self._targets, at=at)

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self.once()
            except SQLAlchemyError as error:  # away, or busy, for a while: what was not done is done later
                LOG.warning("the case store did not answer: %s", type(getattr(error, "orig", None) or error).__name__)


def mark_late(store: Store, *, at: datetime | None = None) -> int:
    """Return how many cases were marked as overdue, and told of, for the first time."""
    with store.change(CLOCK, at) as change:
        late = select(CASES.c.id).where(IS_LIVE, CASES.c.due_at < change.at, CASES.c.due_told.is_(False))
        numbers = list(change.connection.execute(late.limit(_AT_ONCE).with_for_update(skip_locked=True)).scalars())
        for number in numbers:
            row = change.update(CASES, number, {"due_told": True})
            if row is not None:
                change.note("due", number)
                tell(change, store.policy, "case.due", number, dict(row._mapping))
        return len(numbers)
