"""Cases as the pages show them: every number already rounded, every text already cut into safe pieces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pipeline.followup.case import Case, Reason
from pipeline.web.apportion import in_tenths, tenths
from pipeline.web.display import Display
from pipeline.web.language import Language, When
from pipeline.web.marking import Segment, excerpt, visible

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
    due: When | None
    overdue: bool
    owner: str | None
    text: list[Segment]
    doubt: str | None


@dataclass(frozen=True)
class Viewing:
    """How something is shown: what of it and in which words, in which language, and when."""

    display: Display
    language: Language
    now: datetime

    def word(self, key: str) -> str:
        """Return the words for a head, a label or a factor."""
        return self.language.say(self.display.name(key))

    def when(self, moment: datetime | None) -> When | None:
        """Return a moment as it is shown; None where there is none."""
        return self.language.when(moment, self.now) if moment else None


def line(case: Case, rank: int, viewing: Viewing) -> Line:
    """Return `case` as a line of the queue."""
    display = viewing.display
    label = case.labels.get(display.tone_head)
    heads = [viewing.word(head) for head in display.columns]
    return Line(
        case=case,
        rank=rank,
        name=name(case, viewing.language),
        priority=points(case.priority, viewing.language),
        length=length(case.priority, 100),
        tone=display.tone(display.tone_head, label) if isinstance(label, str) else "plain",
        chips=[chip for chip in chips(case, viewing) if chip.head in heads],
        tags=[viewing.word(one) for labels in case.labels.values() if isinstance(labels, list) for one in labels],
        value=viewing.language.number(case.customer_value) if case.customer_value is not None else None,
        waiting=viewing.when(case.waiting_since),
        due=viewing.when(case.due_at) if case.live else None,
        overdue=case.overdue(viewing.now),
        owner=case.held_by(viewing.now),
        text=excerpt(case.text, telling(case)),
        doubt=visible(viewing.word(case.review_reason)) if case.review_reason else None,
    )


def name(case: Case, language: Language) -> str:
    """Return how a case is called: by its customer where there is one."""
    return visible(case.customer_id) if case.customer_id else language.say("Unnamed customer")


def telling(case: Case) -> list[str]:
    """Return the words that speak for the priority of a case, of reasons that weigh at least `MARKED_POINTS`."""
    return [word for reason in case.reasons if reason.contribution >= MARKED_POINTS for word in reason.words]


def points(value: float, language: Language) -> str:
    """Return a number of points with one decimal."""
    return language.number(in_tenths(value) / 10, 1)


def bars(case: Case, viewing: Viewing) -> list[Bar]:
    """Return the reasons that show at least a tenth of a point; the points add up to the priority as shown."""
    if not case.reasons:
        return []
    shares = tenths(case.priority, [reason.contribution for reason in case.reasons])
    named = [*case.reasons, Reason("everything_else", 0.0)]
    longest = max(map(abs, shares)) or 1
    return [
        Bar(
            factor=reason.factor,
            name=visible(viewing.word(reason.factor)),
            points=viewing.language.number(share / 10, 1),
            length=length(abs(share), longest),
            words=tuple(map(visible, reason.words)),
        )
        for reason, share in zip(named, shares, strict=False)
        if share
    ]


def chips(case: Case, viewing: Viewing) -> list[Chip]:
    """Return one chip per label of the single-label heads and per probability of the binary ones."""
    out, display = [], viewing.display
    for head in display.ordered([*case.labels, *case.confidence]):
        label, confidence = case.labels.get(head), case.confidence.get(head)
        percent = round(100 * confidence) if confidence is not None else None
        if isinstance(label, str):
            out.append(Chip(viewing.word(head), visible(viewing.word(label)), display.tone(head, label), percent))
        elif label is None:
            out.append(Chip(viewing.word(head), "", "plain", percent))
    return out


def length(value: float, whole: float) -> float:
    """Return the length of a bar, in per cent of the longest one."""
    return round(min(max(100 * value / whole, 0.0), 100.0), 2)
