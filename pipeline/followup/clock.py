"""When a case is due and where that puts it in the queue: ageing, so that nobody waits for ever.

A case's standing is its priority less ``ageing_points_per_day`` for every day until it is due; past its due time that
becomes a gain. Since all cases gain at the same pace, the order never changes by the passing of time alone: the
standing is a column with an index, and whoever comes in later than ``100 / ageing_points_per_day`` days after a case
was due stands behind it, whatever their priority. (Linear ageing: Kleinrock, "Queueing Systems" vol. 2, delay-dependent
priorities.)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pipeline.followup.calendar import Allowance, Calendar
from pipeline.followup.policy import Policy

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class Clock:
    """The rules of `policy` about time, read once.

    Raises
    ------
    ConfigError
        An allowance or the calendar cannot be read.
    """

    def __init__(self, policy: Policy) -> None:
        self.calendar = Calendar.of(policy.calendar)
        self.lease = timedelta(minutes=policy.lease_minutes)
        self.hand_over = timedelta(hours=policy.hand_over_hours)
        self._head = policy.due_head
        self._due = {label: Allowance.parse(text) for label, text in policy.due.items()}
        self._settle = Allowance.parse(policy.settle)
        self._pace = policy.ageing_points_per_day

    def due(self, labels: Mapping[str, object], at: datetime) -> datetime:
        """Return until when a customer whose case came in at `at` must hear from a person."""
        label = labels.get(self._head)
        return self.calendar.due(at, self._due.get(label if isinstance(label, str) else "other", self._due["other"]))

    def settle(self, at: datetime) -> datetime:
        """Return until when it must be made right for a customer who was reached at `at`."""
        return self.calendar.due(at, self._settle)

    def standing(self, priority: float, due_at: datetime) -> float:
        """Return the place in the queue; of two cases, the one with more is called first."""
        return priority - self._pace * ((due_at - _EPOCH) / timedelta(days=1))

    def aged(self, due_at: datetime, now: datetime) -> float:
        """Return the points that a case has gained at `now` by being late; 0 before it is due."""
        return max(0.0, self._pace * ((now - due_at) / timedelta(days=1)))
