"""What others are told of: written in the transaction of the change itself, sent later, so that none is lost."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, func, insert, select, update

from pipeline.followup.audit import Change
from pipeline.followup.engine import writing
from pipeline.followup.policy import Policy
from pipeline.followup.tables import OUTBOX
from pipeline.followup.webhooks import Sent, Target, pause, send

if TYPE_CHECKING:
    from pipeline.followup.store import Store

LOG = logging.getLogger(__name__)

# No text of a customer leaves the desk: who is told looks the case up.
_TOLD = ("customer_id", "status", "priority", "due_at", "owner", "outcome", "root_cause", "second_failure")


def tell(change: Change, policy: Policy, event: str, case_id: int, case: Mapping[str, Any]) -> None:
    """Put a message about `event` into the outbox, once for every address that is to be told of it."""
    urls = [hook.url for hook in policy.webhooks if event in hook.events]
    if not urls:
        return
    facts = {name: case.get(name) for name in _TOLD}
    facts["due_at"] = facts["due_at"].isoformat() if facts["due_at"] else None
    link = f"{policy.site.rstrip('/')}/cases/{case_id}" if policy.site else None
    body = {"event": event, "at": change.at.isoformat(), "case": {"id": case_id, "url": link} | facts}
    row = {"event": event, "body": body, "made_at": change.at, "try_at": change.at, "tries": 0}
    change.connection.execute(insert(OUTBOX), [row | {"url": url} for url in urls])


def deliver(
    store: Store, targets: Mapping[str, Target], *, most: int = 20, at: datetime | None = None,
    taken: timedelta = timedelta(minutes=2),
) -> int:  # fmt: skip
    """Return how many messages that are due were tried; one that fails is tried again later, and in the end put aside.

    A message is `taken` for so long before it is sent, so that several servers never send it at once; one whose server
    dies in between, or that slow receivers before it leave no time for, is sent later: the receiver knows it by its id.
    """
    now, until = at or datetime.now(UTC), time.monotonic() + taken.total_seconds() / 2
    due = select(OUTBOX).where(OUTBOX.c.try_at <= now).order_by(OUTBOX.c.try_at).limit(most)
    with writing(store.engine) as connection:
        messages = connection.execute(due.with_for_update(skip_locked=True)).all()
        if messages:
            numbers = [message.id for message in messages]
            connection.execute(update(OUTBOX).where(OUTBOX.c.id.in_(numbers)).values(try_at=now + taken))
    tried = 0
    for message in messages:
        if time.monotonic() > until:  # one attempt may take long too: soon others may send what is left
            break
        tried += 1
        result = _sent(message, targets.get(message.url), now)
        with writing(store.engine) as connection:
            connection.execute(
                update(OUTBOX).where(OUTBOX.c.id == message.id).values(_after(message, result, store, now))
            )
    return tried


def _sent(message: Row[Any], target: Target | None, now: datetime) -> Sent:
    if target is None:
        return Sent(False, None, "no webhook of the settings has this address any more", False)
    body = json.dumps(message.body, sort_keys=True).encode()
    return send(target, message.event, f"outbox-{message.id}", body, now=now)


def _after(message: Row[Any], result: Sent, store: Store, now: datetime) -> dict[str, Any]:
    tries = message.tries + 1
    if result.ok:
        return {"tries": tries, "sent_at": now, "try_at": None, "problem": None}
    again = result.retry and tries < store.policy.webhook_attempts
    if not again:
        LOG.warning("webhook message %d is put aside after %d tries: %s", message.id, tries, result.problem)
    try_at = now + pause(tries, str(message.id)) if again else None
    return {"tries": tries, "try_at": try_at, "problem": result.problem}


def put_aside(store: Store) -> int:
    """Return how many messages were given up; they stay in the outbox."""
    query = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.try_at.is_(None), OUTBOX.c.sent_at.is_(None))
    with store.engine.connect() as connection:
        return connection.execute(query).scalar_one()
