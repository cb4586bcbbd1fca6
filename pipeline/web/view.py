"""Cases as the pages show them: every number already rounded, every text already cut into safe pieces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pipeline.followup.case import Case, Event, Reason, Text
from pipeline.web.apportion import in_tenths, tenths
from pipeline.web.display import Display
from pipeline.web.marking import Segment, excerpt, segments, visible
from pipeline.web.when import When, when

MARKED_POINTS = 5.0  # a reason of less is listed with its words, but marking them would colour the whole text


class Chip(NamedTuple):
    """A label with its head's words, its tone, and the confidence in per cent."""

    head: str
    words: str
    tone: str
    percent: int | None = None


class Bar(NamedTuple):
    """A reason as a bar: its factor, its words, its points as shown, its length (0 to 100), and the telling words."""

    factor: str
    name: str
    points: str
    length: float
    words: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One case in the queue."""

    case: Case
    rank: int
    name: str
    priority: str
    length: float
    tone: str
    chips: list[Chip]
    tags: list[str]
    value: str | None
    waiting: When | None
    text: list[Segment]


@dataclass(frozen=True)
class Letter:
    """One text of a customer on the case page."""

    text: Text
    body: list[Segment]
    at: When | None
    priority: str | None
    leads: bool
    tags: list[str]


@dataclass(frozen=True)
class Entry:
    """One line of a case's history."""

    at: When
    who: str
    words: str


def line(case: Case, rank: int, display: Display, now: datetime) -> Line:
    """Return `case` as a line of the queue."""
    label = case.labels.get(display.tone_head)
    return Line(
        case=case,
        rank=rank,
        name=name(case),
        priority=points(case.priority),
        length=_length(case.priority, 100),
        tone=display.tone(display.tone_head, label) if isinstance(label, str) else "plain",
        chips=[chip for chip in chips(case, display) if chip.head in map(display.name, display.columns)],
        tags=[display.name(one) for labels in case.labels.values() if isinstance(labels, list) for one in labels],
        value=f"{case.customer_value:,.0f}" if case.customer_value is not None else None,
        waiting=when(case.waiting_since, now) if case.waiting_since else None,
        text=excerpt(case.text, telling(case)),
    )


def name(case: Case) -> str:
    """Return how a case is called: by its customer where there is one."""
    return visible(case.customer_id) if case.customer_id else "Unnamed customer"


def telling(case: Case) -> list[str]:
    """Return the words that speak for the priority of a case, of reasons that weigh at least `MARKED_POINTS`."""
    return [word for reason in case.reasons if reason.contribution >= MARKED_POINTS for word in reason.words]


def points(value: float) -> str:
    """Return a number of points with one decimal."""
    return f"{in_tenths(value) / 10:.1f}"


def bars(case: Case, display: Display) -> list[Bar]:
    """Return the reasons that show at least a tenth of a point; the points add up to the priority as shown."""
    if not case.reasons:
        return []
    shares = tenths(case.priority, [reason.contribution for reason in case.reasons])
    named = [*case.reasons, Reason("everything_else", 0.0)]
    longest = max(map(abs, shares)) or 1
    return [
        Bar(
            factor=reason.factor,
            name=visible(display.name(reason.factor)),
            points=f"{share / 10:.1f}",
            length=_length(abs(share), longest),
            words=tuple(map(visible, reason.words)),
        )
        for reason, share in zip(named, shares, strict=False)
        if share
    ]


def chips(case: Case, display: Display) -> list[Chip]:
    """Return one chip per label of the single-label heads and per probability of the binary ones."""
    out = []
    for head in display.ordered([*case.labels, *case.confidence]):
        label, confidence = case.labels.get(head), case.confidence.get(head)
        percent = round(100 * confidence) if confidence is not None else None
        if isinstance(label, str):
            out.append(Chip(display.name(head), visible(display.name(label)), display.tone(head, label), percent))
        elif label is None:
            out.append(Chip(display.name(head), "", "plain", percent))
    return out


def letters(case: Case, display: Display, now: datetime) -> list[Letter]:
    """Return the texts of a case; telling words are marked in all of them, for a customer repeats what hurts."""
    words = telling(case)
    return [
        Letter(
            text=text,
            body=segments(text.text, words),
            at=when(text.created_at, now) if text.created_at else None,
            priority=points(text.priority) if text.priority is not None else None,
            leads=(text.id, text.text) == (case.lead_id, case.text),
            tags=[visible(display.name(label)) for label in text.labels],
        )
        for text in case.texts
    ]


def history(events: Iterable[Event], now: datetime) -> list[Entry]:
    """Return the history of a case in sentences, oldest first."""
    return [Entry(when(event.at, now), visible(event.who), _sentence(event)) for event in events]


def _sentence(event: Event) -> str:
    count = event.detail.get("texts", 0)
    texts = f"{count} new text{'' if count == 1 else 's'}" if count else "no new text"
    sentences = {
        "opened": f"opened the case with {texts.replace('new ', '')}",
        "raised": f"raised the priority to {points(event.detail.get('priority', 0.0))} ({texts})",
        "joined": f"added {texts}",
        "filed": f"filed {texts} without reopening",
        "open": "opened it again",
        "contacted": "reached the customer",
        "resolved": "marked it resolved",
        "dismissed": "dismissed it",
    }
    return sentences.get(event.what, visible(event.what))


def _length(value: float, whole: float) -> float:
    return round(min(max(100 * value / whole, 0.0), 100.0), 2)
