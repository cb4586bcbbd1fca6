"""A small ranked list, as the nightly job writes it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

TEXT = pa.struct(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("created_at", pa.string()),
        ("channel", pa.string()),
        ("lang", pa.string()),
        ("text", pa.string()),
        ("priority", pa.float64()),
        ("labels", pa.list_(pa.string())),
        ("nps", pa.float64()),
    ]
)
REASON = pa.struct([("factor", pa.string()), ("contribution", pa.float64()), ("words", pa.list_(pa.string()))])
ESCALATIONS = pa.schema(
    [
        ("rank", pa.int32()),
        ("case_key", pa.string()),
        ("customer_id", pa.string()),
        ("customer_value", pa.float64()),
        ("priority", pa.float64()),
        ("reasons", pa.list_(REASON)),
        ("sentiment", pa.string()),
        ("sentiment_confidence", pa.float64()),
        ("urgency", pa.string()),
        ("urgency_confidence", pa.float64()),
        ("complaint_type", pa.string()),
        ("complaint_type_confidence", pa.float64()),
        ("p_detractor", pa.float64()),
        ("signals", pa.list_(pa.string())),
        ("lead_id", pa.string()),
        ("text", pa.string()),
        ("channel", pa.string()),
        ("lang", pa.string()),
        ("created_at", pa.string()),
        ("waiting_since", pa.string()),
        ("n_texts", pa.int32()),
        ("texts", pa.list_(TEXT)),
        ("review", pa.bool_()),
        ("review_reason", pa.string()),
        ("model_version", pa.string()),
        ("scored_at", pa.string()),
    ]
)


def said(text: str, priority: float, **more: Any) -> dict[str, Any]:
    """Return one text of a customer; its id follows from what it says."""
    base = {"id": f"t-{text[:24]}", "source": "dump.csv", "created_at": "2026-11-20T08:00:00", "channel": "email"}
    return base | {"lang": "en", "text": text, "priority": priority, "labels": ["negative"]} | more


def escalation(customer: str, *texts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return one row of the ranked list: the strongest of `texts` leads, as in the nightly job."""
    lead = max(texts, key=lambda entry: entry["priority"])
    priority = lead["priority"]
    row = {
        "case_key": customer,
        "customer_id": customer,
        "customer_value": 1200.0,
        "priority": priority,
        "reasons": [
            {"factor": "urgency", "contribution": priority * 0.6, "words": ["today"]},
            {"factor": "churn_threat", "contribution": priority * 0.4, "words": ["leaving", "never again"]},
        ],
        "sentiment": "negative",
        "sentiment_confidence": 0.93,
        "urgency": "high",
        "urgency_confidence": 0.71,
        "complaint_type": "billing",
        "complaint_type_confidence": 0.64,
        "p_detractor": 0.97,
        "signals": ["churn_threat"],
        "lead_id": lead["id"],
        "text": lead["text"],
        "channel": lead["channel"],
        "lang": lead["lang"],
        "created_at": lead["created_at"],
        "waiting_since": min((entry["created_at"] for entry in texts if entry["created_at"]), default=None),
        "n_texts": len(texts),
        "texts": list(texts),
        "review": False,
        "model_version": "7",
        "scored_at": "2026-11-21T06:00:00+00:00",
    }
    return row | more


def listed(*rows: dict[str, Any]) -> pa.Table:
    """Return `rows` as the table that `escalations.parquet` holds, ranked."""
    ranked = sorted(rows, key=lambda row: -(row["priority"] or 0))
    return pa.Table.from_pylist([row | {"rank": n} for n, row in enumerate(ranked, 1)], schema=ESCALATIONS)
