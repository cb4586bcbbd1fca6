"""What agents corrected, as labelled rows to train on: the source is kept, for they are no random sample.

The queue shows only what the model thought risky, so a model is never judged on these rows (Ensign et al. 2018,
"Runaway feedback loops in predictive policing", shows what comes of forgetting that).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import select

from models.schema import Schema
from pipeline.followup.store import Store
from pipeline.followup.tables import CASES, CORRECTIONS, FEEDBACK


def labelled(store: Store, schema: Schema) -> Iterator[dict[str, Any]]:
    """Yield a row for every text that was corrected: its columns, the corrected heads, by whom and when.

    Of two corrections of the same head of a text the later one counts; those of a multilabel head add to what the model
    said.
    """
    columns = (
        CORRECTIONS.c.feedback_id, CORRECTIONS.c.head, CORRECTIONS.c.label, CORRECTIONS.c.author, CORRECTIONS.c.at,
        FEEDBACK.c.labels, FEEDBACK.c.text, FEEDBACK.c.created_at, FEEDBACK.c.channel, FEEDBACK.c.lang,
        CASES.c.customer_id, CASES.c.customer_value,
    )  # fmt: skip
    query = select(*columns).join(FEEDBACK, FEEDBACK.c.id == CORRECTIONS.c.feedback_id)
    query = query.join(CASES, CASES.c.id == FEEDBACK.c.case_id).order_by(CORRECTIONS.c.feedback_id, CORRECTIONS.c.id)
    with store.engine.connect() as connection:
        for number, corrected in groupby(connection.execute(query), key=lambda one: one.feedback_id):
            row: dict[str, Any] = {}
            for one in corrected:
                row |= {one.head: _label(one, schema, row), "author": one.author, "corrected_at": one.at.isoformat()}
            yield row | {
                "id": f"correction-{number}", "text": one.text, "customer_id": one.customer_id,
                "customer_value": one.customer_value, "channel": one.channel, "lang": one.lang,
                "created_at": one.created_at.isoformat() if one.created_at else None, "source": "corrections",
            }  # fmt: skip


def _label(one: Any, schema: Schema, row: dict[str, Any]) -> str | list[str]:
    head = next((head for head in schema if head.name == one.head), None)
    if head is None or head.kind != "multilabel":
        return str(one.label)
    said = row.get(one.head) or [label for label in one.labels if label in head.labels]
    return sorted({*said, one.label})
