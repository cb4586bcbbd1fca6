"""What the case page shows beside the line of the queue: the texts, the history, and why not higher."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.followup.case import Case, Event, Text
from pipeline.web.language import When
from pipeline.web.marking import Segment, segments, visible
from pipeline.web.view import Viewing, name, points, telling


@dataclass(frozen=True)
class Letter:
    """One text of a customer."""

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
    note: str


@dataclass(frozen=True)
class Above:
    """The case right before another in the queue, and what lifts it there, in points."""

    case: Case
    name: str
    more: list[tuple[str, str]]


def letters(case: Case, viewing: Viewing) -> list[Letter]:
    """Return the texts of a case; telling words are marked in all of them, for a customer repeats what hurts."""
    words = telling(case)
    return [
        Letter(
            text=text,
            body=segments(text.text, words),
            at=viewing.when(text.created_at),
            priority=points(text.priority) if text.priority is not None else None,
            leads=(text.id, text.text) == (case.lead_id, case.text),
            tags=[visible(viewing.word(label)) for label in text.labels],
        )
        for text in case.texts
    ]


def above(one: Case, before: Case | None, viewing: Viewing) -> Above | None:
    """Return what the case before `one` has more of, the most first; None where `one` is on top."""
    if before is None:
        return None
    mine = {reason.factor: reason.contribution for reason in one.reasons}
    theirs = {reason.factor: reason.contribution for reason in before.reasons}
    lead = [(factor, theirs.get(factor, 0.0) - mine.get(factor, 0.0)) for factor in theirs]
    lead += [("due_sooner", (before.standing - before.priority) - (one.standing - one.priority))]
    more = sorted(((factor, points) for factor, points in lead if points >= 0.05), key=lambda item: -item[1])
    named = [(visible(viewing.word(factor)), points(gain)) for factor, gain in more[:4]]
    return Above(before, name(before, viewing.language), named)


def history(events: Iterable[Event], viewing: Viewing) -> list[Entry]:
    """Return the history of a case in sentences, in the order given."""
    return [
        Entry(
            viewing.language.when(event.at, viewing.now),
            visible(event.who),
            _sentence(event, viewing),
            visible(str(event.detail.get("note", ""))),
        )
        for event in events
    ]


def _sentence(event: Event, viewing: Viewing) -> str:
    detail, language = event.detail, viewing.language
    texts = language.count("%(num)s text", "%(num)s texts", detail.get("texts", 0))
    facts = {name: visible(viewing.word(value)) if isinstance(value, str) else value for name, value in detail.items()}
    facts |= {"texts": texts, "priority": points(detail.get("priority") or 0.0)}
    facts |= {key: visible(str(detail[key])) for key in ("to", "owner", "given_for", "currency") if key in detail}
    template = SENTENCES.get(event.what)
    if template is None:
        return visible(event.what)
    try:
        return language.say(template, **facts)
    except KeyError:  # an entry of an older version lacks a fact
        return visible(viewing.word(event.what))


SENTENCES = {
    "opened": "opened the case with %(texts)s",
    "raised": "raised the priority to %(priority)s (%(texts)s)",
    "joined": "added %(texts)s",
    "filed": "filed %(texts)s without reopening",
    "reopened": "opened it again",
    "taken": "took the case",
    "released": "put it back",
    "returned": "put it back: %(owner)s had it too long",
    "contacted": "reached the customer",
    "no_answer": "called, no answer",
    "closed": "closed it: %(outcome)s, %(root_cause)s",
    "handed_over": "handed it to %(to)s",
    "step_done": "ticked: %(step)s",
    "step_undone": "took back: %(step)s",
    "gave": "gave %(amount)s %(currency)s: %(given_for)s",
    "corrected": "corrected a label: %(label)s in place of %(instead_of)s",
    "noted": "noted",
    "due": "it is overdue",
    "asked": "asked again how likely they are to recommend us",
    "answered": "the customer answered: %(after)s",
    "moved": "moved it here from an earlier version",
    "resolved": "marked it resolved",
    "dismissed": "dismissed it",
}
