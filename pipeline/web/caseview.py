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
            priority=points(text.priority, viewing.language) if text.priority is not None else None,
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
    named = [(visible(viewing.word(factor)), points(gain, viewing.language)) for factor, gain in more[:4]]
    return Above(before, name(before, viewing.language), named)


def history(events: Iterable[Event], viewing: Viewing) -> list[Entry]:
    """Return the history of a case in sentences, in the order given."""
    return [
        Entry(
            viewing.language.when(event.at, viewing.now),
            visible(_who(event.who, viewing)),
            _sentence(event, viewing),
            visible(str(event.detail.get("note", ""))),
        )
        for event in events
    ]


def _who(name: str, viewing: Viewing) -> str:
    # No user's name has a space; what has one is a part of the desk.
    return viewing.language.say(name) if " " in name else name


def _fact(value: object, viewing: Viewing) -> object:
    """Return a fact of an entry as it stands in a sentence: a word, a whole number, or one with two decimals."""
    if isinstance(value, str):
        return visible(viewing.word(value))
    if isinstance(value, float):
        return viewing.language.number(value, 0 if value.is_integer() else 2)
    return "–" if value is None else value


def _sentence(event: Event, viewing: Viewing) -> str:
    detail, language = event.detail, viewing.language
    texts = language.count("%(num)s text", "%(num)s texts", detail.get("texts", 0))
    facts = {name: _fact(value, viewing) for name, value in detail.items()}
    facts |= {"texts": texts, "priority": points(detail.get("priority") or 0.0, language)}
    facts |= {"role": visible(language.say(str(detail.get("role", ""))))}
    quoted = [key for key in ("to", "owner", "given_for", "currency", "name") if key in detail]
    facts |= {key: visible(str(detail[key])) for key in quoted}
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
    "promoters": "people to thank: %(people)s",
    "thanked": "thanked somebody",
    "signed_in": "signed in",
    "locked_out": "too many wrong passwords for %(name)s",
    "link_made": "a link by which to come in once was made",
    "feed_made": "made a new address for the calendar",
    "user_added": "added %(name)s: %(role)s",
    "user_changed": "changed the account of %(name)s",
    "key_added": "added the key %(name)s",
    "key_revoked": "revoked the key %(name)s",
    "view_kept": "kept the view %(name)s",
    "view_removed": "removed a view",
}
