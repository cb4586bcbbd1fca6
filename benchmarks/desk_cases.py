"""Cases by the hundred thousand, for benchmarks of the desk: texts of the starter corpus, drawn owners and times."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.json as pj
from sqlalchemy import insert

from pipeline.config import ROOT, load
from pipeline.followup.case import facets
from pipeline.followup.engine import take_stock
from pipeline.followup.store import Store
from pipeline.followup.tables import CASES, FEEDBACK

Row = dict[str, Any]
_ALLOWED = {"critical": 0.05, "high": 0.35, "normal": 2.5, "low": 14.0}


def filled(store: Store, cases: int, *, live: float = 0.8, seed: int = 7) -> None:
    """Fill `store` with `cases`, a share of `live` of them open, as 60 days would have left them."""
    rows = list(_cases(store, cases, live, random.Random(seed)))
    with store.engine.connect().execution_options(amends_writes=True) as connection, connection.begin():
        for start in range(0, cases, 2_000):
            part = rows[start : start + 2_000]
            connection.execute(insert(CASES), [case for case, _ in part])
            connection.execute(insert(FEEDBACK), [text for _, text in part])
        if connection.dialect.name == "postgresql":
            for name in ("cases", "feedback"):
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {cases})")
    take_stock(store.engine)


def _cases(
    store: Store, cases: int, live: float, rng: random.Random
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    texts = [text for path in sorted((ROOT / "data/starter").glob("*.jsonl"))
             for text in pj.read_json(path).column("text").to_pylist()]  # fmt: skip
    types = load().schema_()["complaint_type"].labels
    now = datetime.now(UTC)
    for number in range(1, cases + 1):
        urgency = rng.choices([*_ALLOWED], [1, 3, 5, 4])[0]
        opened, priority = now - timedelta(days=rng.random() * 60), rng.random() * 100
        due = opened + timedelta(days=_ALLOWED[urgency])
        closed, text = rng.random() >= live, rng.choice(texts)
        owner = f"agent{rng.randrange(50)}" if not closed and rng.random() < 0.03 else None
        labels: dict[str, Any] = {"urgency": urgency, "complaint_type": rng.choice(types), "sentiment": "negative",
                                  "signals": ["churn_threat"]}  # fmt: skip
        case = {
            "id": number, "case_key": f"C-{number}", "customer_id": f"C-{number}",
            "customer_value": rng.random() * 5_000 if rng.random() < 0.7 else None,
            "status": "closed" if closed else "open", "outcome": "resolved" if closed else None,
            "root_cause": "process" if closed else None, "closed_at": opened + timedelta(hours=9) if closed else None,
            "priority": priority, "standing": store.clock.standing(priority, due), "due_at": due, "due_told": True,
            "second_failure": rng.random() < 0.005, "review": rng.random() < 0.03, "owner": owner,
            "lease_until": now + timedelta(hours=5) if owner else None, "labels": labels, "facets": facets(labels),
            "channel": rng.choice(["email", "chat", "survey", "social"]), "lang": rng.choice(["en", "en", "de", "fr"]),
            "opened_at": opened, "updated_at": opened, "waiting_since": opened - timedelta(days=1), "version": 1,
            "attempts": 0, "spent": 0.0, "steps": {}, "lead_id": str(number), "n_texts": 1, "text": text,
            "confidence": {"urgency": 0.8, "detractor": 0.9},
            "reasons": [{"factor": "urgency", "contribution": priority * 0.6, "words": ["never"]},
                        {"factor": "detractor", "contribution": priority * 0.4, "words": []}],
        }  # fmt: skip
        feedback = {
            "id": number, "case_id": number, "case_key": f"C-{number}", "text_id": str(number),
            "digest": f"{number:064x}", "text": text, "labels": [], "added_at": opened, "created_at": opened,
        }  # fmt: skip
        yield case, feedback
