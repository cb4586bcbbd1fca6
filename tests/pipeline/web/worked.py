"""A desk at which everything was done that a page can show, and what people see of a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pyarrow as pa

from pipeline.followup import answers, casework, claims, people, promoters, views
from pipeline.followup.audit import NIGHT, Actor
from pipeline.followup.case import Case
from pipeline.followup.queue import Filter, page
from pipeline.followup.store import Store
from pipeline.triage.answers import PROMOTERS
from tests.pipeline.followup.lists import escalation, listed, said

DAY = timedelta(days=1)
ANA, BO = Actor("ana", "10.0.0.1"), Actor("bo", "10.0.0.2")
WORDS = "Xyzzy plugh, foo bar."  # what customers write; it is in no language
SEEN = ("title", "aria-label", "alt", "placeholder", "data-more", "label")
NEVER_SEEN = ("script", "style")


class Seen(HTMLParser):
    """The texts of a page, piece by piece, those of tooltips and for screen readers too."""

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self._within = ""
        self.feed(shown)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        for name, value in attrs:
            if name in SEEN:
                self.handle_data(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if data.strip() and self._within not in NEVER_SEEN:
            self.texts.add(" ".join(data.split()))


def work(store: Store) -> None:
    """Let Ana and Bo do everything that there is to do, in the last weeks and up to now."""
    now = datetime.now(UTC)
    for who in (ANA, BO):
        people.add_user(store, who, who.name, "agent", None)
    _ended(store, now - 30 * DAY)
    _going_on(store, now)
    row = {"case_key": "P-0", "id": "p0", "customer_id": "P-0", "customer_value": 4321.0, "nps": 10.0, "lang": "en",
           "created_at": (now - DAY).isoformat(), "text": WORDS, "source": "a.csv"}  # fmt: skip
    thanked = row | {"case_key": "P-1", "id": "p1", "customer_id": "P-1"}
    with store.change(NIGHT) as change:
        promoters.take_in(change, store.policy, pa.Table.from_pylist([thanked, row], schema=PROMOTERS))
    promoters.thank(store, 1, ANA)
    views.keep(store, ANA, "foo", "tab=all")
    views.keep(store, ANA, "bar", "tab=all")
    views.remove(store, ANA, 2)
    people.new_feed(store, ANA)
    people.add_key(store, ANA, "foo", ["read"])
    people.revoke_key(store, ANA, "foo")


def live(store: Store) -> list[Case]:
    """Return the cases that are not closed, in the order of the queue."""
    return page(store, Filter("all"), "nobody").cases


def _ended(store: Store, at: datetime) -> None:
    """Close cases in every way, of one type enough for rates; some customers answer before and after."""
    rows = [_row(f"K-{n}", at - 2 * DAY, nps=3.0 if n < 9 else None) for n in range(12)]
    rows[11] |= {"complaint_type": "none", "customer_value": None}
    store.enqueue(listed(*rows), at=at)
    for number in range(1, 13):
        if number != 3:
            claims.take(store, number, ANA, at=at + number * DAY / 6)
            casework.contacted(store, number, ANA, at=at + number * DAY / 6)
        claims.take(store, number, ANA, at=at + 3 * DAY)
        outcome = "not_detractor" if number in (4, 12) else "lost" if number in (5, 6) else "resolved"
        cause = store.policy.root_causes[number % 9]
        casework.close(store, number, ANA, outcome, cause, note="foo", at=at + 3 * DAY)
    answered = [{"id": f"a{n}", "customer_id": f"K-{n}", "created_at": (at + 20 * DAY).isoformat(), "nps": 8.0 + n % 2}
                for n in range(7)]  # fmt: skip
    with store.change(NIGHT, at + 21 * DAY) as change:
        assert answers.join(change, store.policy, pa.Table.from_pylist(answered)) == 7
    answers.asked(store, 8, ANA, at=at + 22 * DAY)


def _going_on(store: Store, now: datetime) -> None:
    """Have cases in every state before the end: free, taken, reached, called in vain, handed over, a second time."""
    rows = [_row(f"C-{n}", now - 2 * DAY) for n in range(6)] + [_row("K-4", now - DAY), _row("C-9", None)]
    rows[1] |= {"review": True, "review_reason": "uncertain"}
    rows[7] |= {"customer_id": None, "customer_value": None, "reasons": [], "waiting_since": None}
    store.enqueue(listed(*rows), at=now - DAY)
    first, *others = (case.id for case in live(store) if case.case_key.startswith("C-"))
    store.enqueue(listed(escalation("C-0", said("Foo.", 99.0, id="other"), reasons=[])), at=now - DAY / 2)
    claims.take(store, first, ANA, at=now)
    casework.contacted(store, first, ANA, note="foo", at=now)
    casework.check_step(store, first, ANA, "own", done=True, at=now)
    casework.check_step(store, first, ANA, "fix", done=True, at=now)
    casework.check_step(store, first, ANA, "fix", done=False, at=now)
    casework.give(store, first, ANA, 12.5, "foo", at=now)
    casework.remark(store, first, ANA, "bar", at=now)
    for other in others[:4]:
        claims.take(store, other, ANA, at=now)
    casework.no_answer(store, others[0], ANA, now + DAY, at=now)
    casework.hand_over(store, others[1], ANA, "bo", "foo", at=now)
    claims.release(store, others[2], ANA, at=now)
    casework.close(store, others[3], ANA, "resolved", "people", at=now)
    casework.reopen(store, others[3], ANA, at=now)


def _row(customer: str, at: datetime | None, **more: object) -> dict[str, object]:
    text = said(WORDS, 90.0 + int(customer[2:]) / 10, labels=["high", "billing"], **more)
    text["created_at"] = at.isoformat() if at else None
    reasons = [("urgency", 0.5, ["foo"]), ("waiting", 0.3, []), ("repeat_contact", 0.2, [])]
    told = [{"factor": name, "contribution": 90 * share, "words": words} for name, share, words in reasons]
    return escalation(customer, text, reasons=told)
