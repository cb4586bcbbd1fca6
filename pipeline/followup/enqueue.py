"""The rule by which today's escalations become cases: new texts count once, nothing handled comes back by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from pipeline.followup.case import LIVE, Text
from pipeline.followup.escalations import Escalation
from pipeline.followup.tables import CASES, EVENTS, FEEDBACK


@dataclass(frozen=True)
class Enqueuing:
    """One transaction's worth of enqueueing: its connection, its moment, its author, and the day's cut.

    `cut` is the lowest priority on the list: what reaches it would have earned a call by itself.
    """

    connection: Connection
    at: datetime
    by: str
    cut: float

    def take(self, escalation: Escalation) -> str:
        """Return what became of `escalation`: ``opened``, ``updated`` or ``unchanged``.

        New texts join the customer's live case, which may rise but never sinks. Where the last case is closed, a new
        one opens only for a new text that deserves the list on its own; a weaker one is filed with the closed case.
        """
        known = self._known(escalation.case_key)
        new = list({text.key: text for text in escalation.texts if text.key not in known}.values())
        if not new:
            return "unchanged"  # priority grows with waiting alone, so the same dump an hour later is not news
        live = self._live(escalation.case_key)
        if live is not None:
            return self._join(live, escalation, known, new)
        if escalation.lead.key not in known:
            return self._open(escalation, new)
        strongest = _strongest(new)
        if (strongest.priority or 0.0) >= self.cut:
            return self._open(escalation.led_by(strongest), new)
        self._attach(max(known.values()), escalation.case_key, new, "filed")
        return "updated"

    def _known(self, case_key: str) -> dict[tuple[str, str], int]:
        """Return the case of each text that the store already has of this customer."""
        rows = self.connection.execute(
            select(FEEDBACK.c.text_id, FEEDBACK.c.digest, FEEDBACK.c.case_id).where(FEEDBACK.c.case_key == case_key)
        )
        return {(row.text_id, row.digest): row.case_id for row in rows}

    def _live(self, case_key: str) -> Row[Any] | None:
        query = select(CASES).where(CASES.c.case_key == case_key, CASES.c.status.in_(LIVE)).with_for_update()
        return self.connection.execute(query).first()

    def _open(self, escalation: Escalation, new: Sequence[Text]) -> str:
        row = _ranked(escalation) | {
            "case_key": escalation.case_key,
            "status": "open",
            "waiting_since": escalation.waiting_since,
            "n_texts": 0,
            "opened_at": self.at,
            "updated_at": self.at,
            "version": 0,
        }
        case_id = self.connection.execute(insert(CASES).values(row).returning(CASES.c.id)).scalar_one()
        self._attach(case_id, escalation.case_key, new, "opened", priority=escalation.priority)
        return "opened"

    def _join(
        self, live: Row[Any], escalation: Escalation, known: dict[tuple[str, str], int], new: Sequence[Text]
    ) -> str:
        # A lead that an earlier, closed case already answered must not lift this one.
        ours = known.get(escalation.lead.key, live.id) == live.id
        candidate = escalation if ours else escalation.led_by(_strongest(new))
        raised = candidate if candidate.priority > live.priority else None
        if raised is not None:
            waiting = [moment for moment in (live.waiting_since, raised.waiting_since) if moment]
            values = _ranked(raised) | {"waiting_since": min(waiting, default=None)}
            if raised.customer_value is None:
                values["customer_value"] = live.customer_value
            self.connection.execute(update(CASES).where(CASES.c.id == live.id).values(values))
        change = {} if raised is None else {"priority": raised.priority, "before": live.priority}
        self._attach(live.id, escalation.case_key, new, "joined" if raised is None else "raised", **change)
        return "updated"

    def _attach(self, case_id: int, case_key: str, new: Sequence[Text], what: str, **detail: Any) -> None:
        self.connection.execute(insert(FEEDBACK), [_stored(text, case_id, case_key, self.at) for text in new])
        count = select(func.count()).where(FEEDBACK.c.case_id == case_id).scalar_subquery()
        self.connection.execute(
            update(CASES)
            .where(CASES.c.id == case_id)
            .values(n_texts=count, updated_at=self.at, version=CASES.c.version + 1)
        )
        entry = {
            "case_id": case_id,
            "at": self.at,
            "who": self.by,
            "what": what,
            "detail": detail | {"texts": len(new)},
        }
        self.connection.execute(insert(EVENTS).values(entry))


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
    }
