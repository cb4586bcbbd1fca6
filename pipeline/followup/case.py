"""The words of follow-up: a case, its texts, its reasons, its history, and the moves that its status may make."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

STATUSES = ("open", "contacted", "resolved", "dismissed")
# A customer has at most one live case; a closed one stays as it was and a new matter gets a case of its own.
LIVE = ("open", "contacted")
# Every step can be taken back by hand: a slip of the finger must not lose a customer.
MOVES = {
    "open": ("contacted", "resolved", "dismissed"),
    "contacted": ("resolved", "dismissed", "open"),
    "resolved": ("open",),
    "dismissed": ("open",),
}


class UnknownCaseError(KeyError):
    """No case has this number; the message is one sentence."""

    def __init__(self, case_id: int) -> None:
        super().__init__(f"there is no case {case_id}")

    def __str__(self) -> str:
        return str(self.args[0])


class ConflictError(ValueError):
    """A change that came too late or is not allowed from where the case stands; the message is one sentence."""


class Reason(NamedTuple):
    """A factor of the priority, its share of it in points, and the words of the text that speak for it."""

    factor: str
    contribution: float
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """One thing that the customer wrote, masked of personal data before it came here."""

    id: str
    text: str
    source: str | None = None
    created_at: datetime | None = None
    channel: str | None = None
    lang: str | None = None
    priority: float | None = None
    labels: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Identity of the text within a customer: its id and the SHA-256 of what it says (ids are reused in life)."""
        return self.id, hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Event:
    """One entry of a case's history: who did what, and when."""

    at: datetime
    who: str
    what: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One customer's matter, open or closed; `texts` (newest first) and `events` (oldest first) by `Store.case` alone.

    `labels` holds, per head, the label or the list of labels of the lead text; `confidence`, per head, the
    probability of that label, or, for a binary head, of yes. `version` counts the changes of the row.
    """

    id: int
    case_key: str
    status: str
    priority: float
    text: str
    lead_id: str
    opened_at: datetime
    updated_at: datetime
    version: int = 1
    customer_id: str | None = None
    customer_value: float | None = None
    reasons: tuple[Reason, ...] = ()
    labels: dict[str, str | list[str]] = field(default_factory=dict)
    confidence: dict[str, float] = field(default_factory=dict)
    channel: str | None = None
    lang: str | None = None
    created_at: datetime | None = None
    waiting_since: datetime | None = None
    n_texts: int = 1
    review: bool = False
    review_reason: str | None = None
    model_version: str | None = None
    scored_at: datetime | None = None
    texts: tuple[Text, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def moves(self) -> tuple[str, ...]:
        """The statuses that this case may be given now."""
        return MOVES[self.status]


class Enqueued(NamedTuple):
    """What became of the escalations of a dump; the three add up to its rows."""

    opened: int
    updated: int
    unchanged: int

    def __str__(self) -> str:
        return f"{self.opened} cases opened, {self.updated} updated, {self.unchanged} unchanged"
