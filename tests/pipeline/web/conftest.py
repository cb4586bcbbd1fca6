"""A desk over a fresh store and the small real model, asked as a browser on this machine would ask."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

from models.scoring import REASON
from models.triage import TriageModel
from pipeline.config import Config
from pipeline.followup import people, sessions
from pipeline.followup.audit import Actor
from pipeline.followup.store import Store
from pipeline.triage.cases import TEXT
from pipeline.triage.scoring import Scorer
from pipeline.web.access import COOKIE
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


def sign_in(store: Store, name: str, role: str) -> str:
    """Return the token of a session of a new user."""
    people.add_user(store, Actor("test", "test"), name, role, None)
    return sessions.sign_in_known(store, name, "test", how="test")


class Browser(TestClient):
    """A client that is signed in, follows no redirects, and sends forms as one of the desk's own pages would."""

    def __init__(self, app: FastAPI, store: Store, token: str | None = None, base: str = BASE) -> None:
        # Cookies by hand: the session's is for TLS alone, which a browser waives for its own machine.
        cookies = {"Cookie": f"{COOKIE}={token}"} if token else {}
        super().__init__(app, base_url=base, follow_redirects=False, headers=cookies)
        user = sessions.session_user(store, token) if token else None
        self.token = user.csrf if user else app.state.token

    def press(self, path: str, /, **fields: Any) -> Response:
        """Return the answer to a form."""
        form = {"token": self.token} | {name: str(value) for name, value in fields.items()}
        return self.post(path, data=form, headers={"origin": str(self.base_url).rstrip("/"),
                                                   "sec-fetch-site": "same-origin"})  # fmt: skip


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "amends.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(tmp_path: Path, _migrated: Path) -> Iterator[Store]:
    shutil.copy(_migrated, tmp_path / "amends.db")
    opened = Store.open(f"sqlite:///{tmp_path}/amends.db")
    yield opened
    opened.close()


@pytest.fixture
def scorer(model: TriageModel) -> Scorer:
    return Scorer(model, Config())


@pytest.fixture
def app(store: Store, scorer: Scorer) -> FastAPI:
    return create_app(store=store, scorer=scorer)


@pytest.fixture
def enter(app: FastAPI, store: Store) -> Callable[[str, str], Browser]:
    """Return a function that signs somebody in who was not there before."""
    return lambda name, role: Browser(app, store, sign_in(store, name, role))


@pytest.fixture
def agent(enter: Callable[[str, str], Browser]) -> Browser:
    """An agent called ana."""
    return enter("ana", "agent")


@pytest.fixture
def lead(enter: Callable[[str, str], Browser]) -> Browser:
    """A lead called lea."""
    return enter("lea", "lead")


@pytest.fixture
def client(store: Store, scorer: Scorer) -> TestClient:
    """A program that asks the API of a demo, which needs no key."""
    return TestClient(create_app(store=store, scorer=scorer, demo=True), base_url=BASE, follow_redirects=False)
