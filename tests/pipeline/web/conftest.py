"""A desk over a fresh store and the small real model, asked as a browser on this machine would ask."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from models.scoring import REASON
from models.triage import TriageModel
from pipeline.config import Config
from pipeline.followup.store import Store
from pipeline.triage.cases import TEXT
from pipeline.triage.scoring import Scorer
from pipeline.web.app import create_app

BASE = "http://127.0.0.1:8000"
NIGHT = datetime(2026, 11, 21, 6, tzinfo=UTC)
COLUMNS = pa.schema(
    [
        ("case_key", pa.string()), ("customer_id", pa.string()), ("customer_value", pa.float64()),
        ("priority", pa.float64()), ("reasons", pa.list_(REASON)), ("urgency", pa.string()),
        ("urgency_confidence", pa.float64()), ("complaint_type", pa.string()),
        ("complaint_type_confidence", pa.float64()), ("signals", pa.list_(pa.string())), ("p_detractor", pa.float64()),
        ("lead_id", pa.string()), ("text", pa.string()), ("channel", pa.string()), ("lang", pa.string()),
        ("created_at", pa.string()), ("waiting_since", pa.string()), ("texts", pa.list_(TEXT)),
    ]
)  # fmt: skip


def escalations(*texts: str, words: list[str] | None = None) -> pa.Table:
    """Return a list with one case per text, the first one first."""
    rows = []
    for place, text in enumerate(texts):
        priority = 97.3 - place
        lead: dict[str, Any] = {
            "id": f"t{place}", "source": "a.csv", "created_at": "2026-11-20T08:00:00Z", "channel": "email",
            "lang": "en", "text": text, "priority": priority, "labels": ["high", "billing"],
        }  # fmt: skip
        reasons = [("urgency", 0.5, words or []), ("detractor", 0.3, []), ("waiting", 0.2, [])]
        rows.append(
            {key: lead[key] for key in ("text", "channel", "lang", "created_at")}
            | {
                "case_key": f"C-{place}", "customer_id": f"C-{place}", "customer_value": 1200.0, "priority": priority,
                "reasons": [{"factor": f, "contribution": priority * s, "words": w} for f, s, w in reasons],
                "urgency": "high", "urgency_confidence": 0.8, "complaint_type": "billing",
                "complaint_type_confidence": 0.7, "signals": ["churn_threat"], "p_detractor": 0.9,
                "lead_id": lead["id"],
                "waiting_since": lead["created_at"], "texts": [lead],
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=COLUMNS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/amends.db")
    yield opened
    opened.close()


@pytest.fixture
def scorer(model: TriageModel) -> Scorer:
    return Scorer(model, Config())


@pytest.fixture
def client(store: Store, scorer: Scorer) -> TestClient:
    return TestClient(create_app(store=store, scorer=scorer, demo=True), base_url=BASE, follow_redirects=False)


@pytest.fixture
def token(client: TestClient) -> str:
    """Return the token that the desk's own forms carry."""
    found = re.search(r'name="token" value="([^"]+)"', client.get("/").text)
    assert found
    return html.unescape(found[1])


@pytest.fixture
def mark(client: TestClient, token: str) -> Callable[..., Any]:
    """Return a function that sends the form of a button, as one of the desk's own pages would."""

    def send(case: int, status: str, version: int, **changes: Any) -> Any:
        form = {"token": token, "status": status, "version": str(version), "view": "case"} | changes.pop("form", {})
        headers = {"origin": BASE, "sec-fetch-site": "same-origin"} | changes.pop("headers", {})
        return client.post(f"/cases/{case}/mark", data=form, headers=headers)

    return send
