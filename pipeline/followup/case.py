"""The words of follow-up: a case, its texts, its reasons, its history, and the moves that its status may make."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

STATUSES = ("open", "contacted", "closed")
# A customer has at most one live case; a closed one is opened again, or a new matter gets a case of its own.
LIVE = ("open", "contacted")
OUTCOMES = ("resolved", "lost", "not_detractor")
# What makes a moment of misery a moment of magic, in this order.
STEPS = ("own", "fix", "make_up", "cause", "thank")


def facets(labels: Mapping[str, str | list[str]]) -> str:
    """Return the single labels of a case as one text, a line each, by which the queue is filtered."""
    return "\n" + "".join(f"{head}={label}\n" for head, label in labels.items() if isinstance(label, str))


class PlainError(Exception):
    """What is wrong, in one sentence; `template` and `facts` make it up, so that it can be said in any language.

    A fact that is a float is an amount, and is said with two decimals.
    """

    def __init__(self, template: str, **facts: object) -> None:
        plain = {name: f"{fact:,.2f}" if isinstance(fact, float) else fact for name, fact in facts.items()}
        super().__init__(template % plain)
        self.template, self.facts = template, facts

    def __str__(self) -> str:  # a KeyError would quote it
        return str(self.args[0])


class UnknownCaseError(PlainError, KeyError):
    """No case has this number."""

    def __init__(self, case_id: int) -> None:
        super().__init__("there is no case %(id)s", id=case_id)


class UnusableError(PlainError, ValueError):
    """A value that somebody gave and that cannot be used."""


class CaseworkError(PlainError, ValueError):
    """What cannot be done with a case."""


class ConflictError(CaseworkError):
    """A change that came too late or is not allowed from where the case stands.

    `owner` is who has the case instead, where that is the reason.
    """

    @property
    def owner(self) -> str | None:
        """Who was faster."""
        owner = self.facts.get("owner")
        return None if owner is None else str(owner)


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
    nps: float | None = None
    number: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Identity of the text within a customer: its id and the SHA-256 of what it says (ids are reused in life)."""
        return self.id, hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Event:
    """One entry of a case's history: who did what, when, and from where."""

    at: datetime
    who: str
    what: str
    detail: dict[str, Any] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True)
class Gift:
    """What was given to make up for it, in the currency of the budget."""

    author: str
    amount: float
    what: str
    at: datetime


@dataclass(frozen=True)
class Case:
    """One customer's matter, open or closed; `texts` (newest first) and `events` (oldest first) by `Store.case` alone.

    `labels` holds, per head, the label or the list of labels of the lead text; `confidence`, per head, the
    probability of that label, or, for a binary head, of yes. `version` counts the changes of the row. `standing` is
    the place in the queue: the priority, less what the due time still allows (see `pipeline.followup.clock`).
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
    standing: float = 0.0
    customer_id: str | None = None
    customer_value: float | None = None
    reasons: tuple[Reason, ...] = ()
    labels: dict[str, str | list[str]] = field(default_factory=dict)
    facets: str = ""
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
    owner: str | None = None
    lease_until: datetime | None = None
    due_at: datetime | None = None
    due_told: bool = False
    next_at: datetime | None = None
    attempts: int = 0
    first_contact_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: str | None = None
    root_cause: str | None = None
    second_failure: bool = False
    spent: float = 0.0
    steps: dict[str, Any] = field(default_factory=dict)
    nps_before: float | None = None
    ask_at: datetime | None = None
    asked_at: datetime | None = None
    nps_after: float | None = None
    answered_at: datetime | None = None
    texts: tuple[Text, ...] = ()
    events: tuple[Event, ...] = ()
    gifts: tuple[Gift, ...] = ()

    @property
    def live(self) -> bool:
        """Whether the matter is still open."""
        return self.status in LIVE

    def held_by(self, now: datetime) -> str | None:
        """Return who has the case at `now`; None where it is free, or a lease has run out."""
        return self.owner if self.owner and self.lease_until and self.lease_until > now else None

    def overdue(self, now: datetime) -> bool:
        """Return whether the customer should have heard from a person, or had it made right, before `now`."""
        return self.live and self.due_at is not None and self.due_at < now


class Enqueued(NamedTuple):
    """What became of the escalations of a dump; the four add up to its rows."""

    opened: int
    reopened: int
    updated: int
    unchanged: int

    def __str__(self) -> str:
        again = f"{self.reopened} opened again, " if self.reopened else ""
        return f"{self.opened} cases opened, {again}{self.updated} updated, {self.unchanged} unchanged"
