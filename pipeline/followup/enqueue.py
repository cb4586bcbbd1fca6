"""The rule by which today's escalations become cases: new texts count once, nothing handled comes back by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Row, func, select

from pipeline.followup.audit import Change
from pipeline.followup.case import LIVE, Enqueued, Text, facets
from pipeline.followup.clock import Clock
from pipeline.followup.escalations import Escalation, read
from pipeline.followup.outbox import tell
from pipeline.followup.policy import Policy
from pipeline.followup.tables import CASES, FEEDBACK


def enqueue(change: Change, policy: Policy, clock: Clock, escalations: pa.Table) -> Enqueued:
    """Return how many cases the ranked list of a dump opened, opened again, updated and left unchanged.

    The same list twice changes nothing. Nobody else may enqueue meanwhile (``Store.change(..., work="enqueue")``).

    Raises
    ------
    ValueError
        `escalations` lacks a column that no case can do without.
    """
    rows = read(escalations)
    enqueuing = Enqueuing(change, policy, clock, cut=min((row.priority for row in rows), default=0.0))
    done = Counter(enqueuing.take(row) for row in rows)
    return Enqueued(done["opened"], done["reopened"], done["updated"], done["unchanged"])


@dataclass(frozen=True)
class Enqueuing:
    """One transaction's worth of enqueueing: its change, the rules, and the day's cut.

    `cut` is the lowest priority on the list: what reaches it would have earned a call by itself. A customer without a
    case gets none for less than `least`, unless a person must read the text.
    """

    change: Change
    policy: Policy
    clock: Clock
    cut: float
    least: float = 0.0

    def take(self, escalation: Escalation) -> str:
        """Return what became of `escalation`: ``opened``, ``reopened``, ``updated`` or ``unchanged``.

        New texts join the customer's live case, which may rise but never sinks. Where the last case is closed, a new
        text that deserves the list on its own opens it again, if it was closed within ``reopen_days``, or opens a new
        one; a weaker text is filed with the closed case.
        """
        known = self._known(escalation.case_key)
        new = list({text.key: text for text in escalation.texts if text.key not in known}.values())
        if not new:
            return "unchanged"  # priority grows with waiting alone, so the same dump an hour later is not news
        last = self._last(escalation.case_key)
        if last is not None and last.status in LIVE:
            return self._join(last, escalation, known, new)
        ours = escalation.lead.key not in known
        led = escalation if ours else escalation.led_by(_strongest(new))
        if last is None and led.priority < self.least and not led.review:
            return "unchanged"
        if last is None or led.priority >= self.cut or (ours and led.review):
            return self._open(led, new, last)
        self._attach(max(known.values()), escalation.case_key, new, "filed")
        return "updated"

    def _known(self, case_key: str) -> dict[tuple[str, str], int]:
        """Return the case of each text that the store already has of this customer."""
        rows = self.change.connection.execute(
            select(FEEDBACK.c.text_id, FEEDBACK.c.digest, FEEDBACK.c.case_id).where(FEEDBACK.c.case_key == case_key)
        )
        return {(row.text_id, row.digest): row.case_id for row in rows}

    def _last(self, case_key: str) -> Row[Any] | None:
        """Return the customer's live case, or else the one that was closed last."""
        query = select(CASES).where(CASES.c.case_key == case_key)
        order = (CASES.c.closed_at.desc().nulls_first(), CASES.c.id.desc())
        return self.change.connection.execute(query.order_by(*order).limit(1).with_for_update()).first()

    def _open(self, escalation: Escalation, new: Sequence[Text], last: Row[Any] | None) -> str:
        at = self.change.at
        since = None if last is None else at - last.closed_at
        failed = last is not None and last.outcome != "not_detractor"
        second = failed and since is not None and since <= timedelta(days=self.policy.second_failure_days)
        row = _ranked(escalation) | self._timed(escalation) | {
            "status": "open", "second_failure": second, "waiting_since": escalation.waiting_since,
            "owner": None, "lease_until": None, "next_at": None, "updated_at": at, "due_told": False,
            "nps_before": _nps(new), "first_contact_at": None, "closed_at": None, "outcome": None, "root_cause": None,
            "steps": {}, "ask_at": None, "asked_at": None, "nps_after": None, "answered_at": None,
        }  # fmt: skip
        if last is not None and since is not None and since <= timedelta(days=self.policy.reopen_days):
            # It waits for a person anew: the ledger's time to first contact begins here.
            self.change.update(CASES, last.id, row | {"opened_at": at})
            self._attach(last.id, escalation.case_key, new, "reopened", after=last.outcome, second_failure=second)
            tell(self.change, self.policy, "case.opened", last.id, dict(last._mapping) | row)
            return "reopened"
        row |= {
            "case_key": escalation.case_key, "n_texts": 0, "opened_at": at, "version": 0, "attempts": 0, "spent": 0.0,
        }  # fmt: skip
        case_id = self.change.insert(CASES, row)
        detail = {"priority": escalation.priority} | ({"second_failure": True} if second else {})
        self._attach(case_id, escalation.case_key, new, "opened", **detail)
        tell(self.change, self.policy, "case.opened", case_id, row)
        return "opened"

    def _timed(self, escalation: Escalation) -> dict[str, Any]:
        due = self.clock.due(escalation.labels, self.change.at)
        return {"due_at": due, "standing": self.clock.standing(escalation.priority, due)}

    def _join(
        self, live: Row[Any], escalation: Escalation, known: dict[tuple[str, str], int], new: Sequence[Text]
    ) -> str:
        # A lead that an earlier, closed case already answered must not lift this one.
        ours = known.get(escalation.lead.key, live.id) == live.id
        candidate = escalation if ours else escalation.led_by(_strongest(new))
        raised = candidate if candidate.priority > live.priority else None
        if raised is not None:
            self.change.update(CASES, live.id, self._raised(live, raised))
        change = {} if raised is None else {"priority": raised.priority, "before": live.priority}
        self._attach(live.id, escalation.case_key, new, "joined" if raised is None else "raised", **change)
        return "updated"

    def _raised(self, live: Row[Any], raised: Escalation) -> dict[str, Any]:
        waiting = [moment for moment in (live.waiting_since, raised.waiting_since) if moment]
        due = min(live.due_at, self.clock.due(raised.labels, self.change.at))
        values = _ranked(raised) | {"waiting_since": min(waiting, default=None), "due_at": due}
        values["standing"] = self.clock.standing(raised.priority, due)
        if raised.customer_value is None:
            values["customer_value"] = live.customer_value
        return values

    def _attach(self, case_id: int, case_key: str, new: Sequence[Text], what: str, **detail: Any) -> None:
        self.change.insert_all(FEEDBACK, [_stored(text, case_id, case_key, self.change.at) for text in new])
        count = select(func.count()).where(FEEDBACK.c.case_id == case_id).scalar_subquery()
        values = {"n_texts": count, "updated_at": self.change.at, "version": CASES.c.version + 1}
        self.change.update(CASES, case_id, values)
        self.change.note(what, case_id, **detail, texts=len(new))


def _nps(texts: Sequence[Text]) -> float | None:
    """Return the answer of the newest text that has one: how likely they were to recommend us before the call."""
    answers = [(text.created_at.timestamp() if text.created_at else 0.0, text.nps) for text in texts]
    return max((answer for answer in answers if answer[1] is not None), default=(0.0, None))[1]


def _strongest(texts: Sequence[Text]) -> Text:
    return max(texts, key=lambda text: (text.priority or 0.0, text.key))


def _ranked(escalation: Escalation) -> dict[str, Any]:
    """Return the columns that belong together: a priority, the text that earned it, the reasons that add up to it."""
    return {
        "customer_id": escalation.customer_id,
        "customer_value": escalation.customer_value,
        "priority": escalation.priority,
        "reasons": [reason._asdict() for reason in escalation.reasons],
        "labels": escalation.labels,
        "facets": facets(escalation.labels),
        "confidence": escalation.confidence,
        "lead_id": escalation.lead.id,
        "text": escalation.lead.text,
        "channel": escalation.lead.channel,
        "lang": escalation.lead.lang,
        "created_at": escalation.lead.created_at,
        "review": escalation.review,
        "review_reason": escalation.review_reason,
        "model_version": escalation.model_version,
        "scored_at": escalation.scored_at,
    }


def _stored(text: Text, case_id: int, case_key: str, at: datetime) -> dict[str, Any]:
    text_id, digest = text.key
    return {
        "case_id": case_id,
        "case_key": case_key,
        "text_id": text_id,
        "digest": digest,
        "source": text.source,
        "created_at": text.created_at,
        "channel": text.channel,
        "lang": text.lang,
        "text": text.text,
        "priority": text.priority,
        "labels": list(text.labels),
        "added_at": at,
        "nps": text.nps,
    }
