"""A desk that is served on a port of its own, and a real Chromium that looks at it."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import uvicorn

from pipeline.followup import answers, casework, claims, people, promoters, sessions, views
from pipeline.followup.audit import NIGHT, Actor
from pipeline.followup.case import Case
from pipeline.followup.policy import Policy
from pipeline.followup.queue import Filter, page
from pipeline.followup.store import Store
from pipeline.triage.answers import PROMOTERS
from pipeline.web.app import create_app
from pipeline.web.scorer import Loading
from tests.pipeline.followup.lists import escalation, listed, said

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
TEST = Actor("test", "test")


def lacking(what: str) -> None:
    """Skip the test for want of `what`, which may be so on a machine of one's own alone."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


class Trap:
    """A proxy that lets nothing through and counts who tries: it sees even what no page tells of."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            with caller:
                said = caller.recv(1_000)
            # Chromium asks its maker what kind of field those of a form are; no page can help it.
            self.heard += [] if b"content-autofill.googleapis.com" in said else [said]

    def close(self) -> None:
        """Hear nothing more."""
        self._socket.close()


@dataclass(frozen=True)
class Chromium:
    """A running browser, all of whose ways out of this machine end in a trap."""

    running: Any
    trap: Trap

    def window(self, **options: Any) -> Any:
        """Return a window that shares nothing with the others."""
        return self.running.new_context(proxy={"server": self.trap.address, "bypass": "127.0.0.1"}, **options)


# For a module: while Playwright runs, no other test of this thread could have an event loop of its own.
@pytest.fixture(scope="module", name="chromium")
def _chromium() -> Iterator[Chromium]:
    if not CHROMIUM.exists():
        lacking("the browser tests need Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running, trap = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS), Trap()
        yield Chromium(running, trap)
        running.close()
        trap.close()


@dataclass(frozen=True)
class Desk:
    """A desk that answers at `url`, with its store."""

    url: str
    store: Store

    def fill(self, *texts: str, at: datetime | None = None, **more: Any) -> list[Case]:
        """Return new cases of the customers C-0, C-1, ..., one per text, the most important first."""
        rows = [escalation(f"C-{n}", said(text, 97.3 - n / 10), **more) for n, text in enumerate(texts)]
        self.store.enqueue(listed(*rows), at=at or datetime.now(UTC))
        return self.cases()

    def cases(self, tab: str = "all", who: str = "nobody") -> list[Case]:
        """Return the cases of a tab, in the order of the queue."""
        return page(self.store, Filter(tab), who, limit=1_000).cases

    def praised(self, *texts: str, **more: Any) -> None:
        """Add people worth thanking, P-0, P-1, ..., one per text."""
        rows = [
            {"case_key": f"P-{n}", "id": f"p{n}", "customer_id": f"P-{n}", "customer_value": 900.0 - n, "reach": None,
             "nps": 10.0, "channel": "survey", "lang": "en", "created_at": "2026-11-20T08:00:00", "text": text,
             "source": "a.csv"} | more
            for n, text in enumerate(texts)
        ]  # fmt: skip
        with self.store.change(NIGHT) as change:
            promoters.take_in(change, self.store.policy, pa.Table.from_pylist(rows, schema=PROMOTERS))

    def user(self, name: str, role: str = "agent", password: str | None = None) -> Actor:
        """Return somebody who may sign in from now on."""
        if name not in [one.name for one in people.users(self.store)]:
            people.add_user(self.store, TEST, name, role, password)
        return Actor(name, "127.0.0.1")

    def way_in(self, name: str) -> str:
        """Return the address by which `name` comes in once."""
        return f"/enter/{sessions.link(self.store, name)}"


@pytest.fixture(scope="session", name="serving")
def _serving(_migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return a context whose value is a desk that is served under a policy, over an empty store."""

    @contextmanager
    def serving(policy: Policy | None = None, **options: Any) -> Iterator[Desk]:
        path = tmp_path_factory.mktemp("desk") / "amends.db"
        shutil.copy(_migrated, path)
        store = Store.open(f"sqlite:///{path}", policy)
        # No test here asks for a score, so the model is for ever on its way.
        app = create_app(store=store, scorer=Loading(lambda: pytest.fail("nobody scores here")), **options)
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Desk(f"http://127.0.0.1:{port}", store)
        server.should_exit = True
        thread.join()
        store.close()

    return serving


@pytest.fixture(name="desk")
def _desk(serving: Callable[..., Any]) -> Iterator[Desk]:
    with serving() as desk:
        yield desk


class Watched:
    """A browser window of its own, with every request and every complaint of the browser written down.

    In the end nobody may have asked for anything but the desk, and the browser may have complained of nothing.
    """

    def __init__(self, chromium: Chromium, desk: Desk, who: str = "", role: str = "agent", **options: Any) -> None:
        self.desk, self.who, self.role = desk, who, role
        self.trap, self.heard = chromium.trap, len(chromium.trap.heard)
        self.context = chromium.window(base_url=desk.url, **options)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.context.on("console", self._hear)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.context.on("dialog", self._dismiss)
        self.context.set_default_timeout(10_000)
        self.page = self.context.new_page()

    def __enter__(self) -> Watched:
        if self.who:
            self.desk.user(self.who, self.role)
            self.page.goto(self.desk.way_in(self.who))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.context.close()
        if kind is None:
            assert self.complaints == []
            assert [url for url in self.requests if not url.startswith(f"{self.desk.url}/")] == []
            assert self.trap.heard[self.heard :] == []

    def _hear(self, said: Any) -> None:
        # A page that says what went wrong comes with a status of its own, which Chromium writes down as well.
        answered = said.text.startswith("Failed to load resource: the server responded with a status of 4")
        if said.type in ("error", "warning") and not answered:
            self.complaints.append(said.text)

    def _dismiss(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()


def press(page: Any, *keys: str) -> None:
    """Press keys one after the other, once the page takes any."""
    page.wait_for_selector("#show-keys:not([hidden])", state="attached")
    for key in keys:
        page.keyboard.press(key)


def furnish(desk: Desk, word: str = "refund", text: str = "refund now", who: str = "ana") -> dict[str, int]:
    """Put something on every page of the desk, `word` and `text` wherever they can stand; return a case of each state.

    `who` looks at it, is an admin, and has some of the cases; a colleague has another.
    """
    now = datetime.now(UTC)
    ana, bo = desk.user(who, "admin"), desk.user(f"bo{'-' * len(who)}"[:64])
    past = now - timedelta(days=40)
    _history(desk, word, past, (ana, bo))
    more = {
        "channel": word, "model_version": word, "signals": [word, "churn_threat"], "complaint_type": word,
        "reasons": [{"factor": word, "contribution": 60.0, "words": [word]},
                    {"factor": "customer_value", "contribution": 20.0, "words": []}],
    }  # fmt: skip
    bare = {"customer_id": None, "customer_value": None, "channel": None, "lang": None, "reasons": [], "signals": [],
            "waiting_since": None, "urgency": None, "complaint_type": None, "model_version": None}  # fmt: skip
    states = ("mine", "reached", "later", "theirs", "closed", "review", "free")
    rows = [
        escalation(f"{name} {word}", said(f"{name}: {text}", 90.0 - n, labels=[word], channel=word),
                   said(f"before: {text}", 10.0, created_at=None), **more,
                   customer_value=10.0**15, review=name == "review", review_reason=word)
        for n, name in enumerate(states)
    ]  # fmt: skip
    rows.append(escalation("bare", said("nothing known", 20.0, channel=None), **bare))
    rows.append(escalation(f"0 {word}", said(f"again: {word}", 50.0), **more))
    rows.append(escalation("late", said("since long", 40.0)))
    desk.store.enqueue(listed(*rows[:-1]), at=now - timedelta(hours=2))
    desk.store.enqueue(listed(rows[-1]), at=past)
    ids = {case.case_key.split(" ")[0]: case.id for case in desk.cases()}
    for name in ("mine", "reached", "later", "closed"):
        claims.take(desk.store, ids[name], ana, at=now)
        casework.remark(desk.store, ids[name], ana, f"noted: {word}", at=now)
    claims.take(desk.store, ids["theirs"], bo, at=now)
    casework.contacted(desk.store, ids["reached"], ana, at=now)
    casework.give(desk.store, ids["reached"], ana, 12.5, word[:200], at=now)
    casework.check_step(desk.store, ids["reached"], ana, "own", True, at=now)
    casework.no_answer(desk.store, ids["later"], ana, now + timedelta(days=1), at=now)
    casework.close(desk.store, ids["closed"], ana, "lost", "price", at=now)
    views.keep(desk.store, ana, word[:40], "tab=all")
    desk.praised(text, "so kind", channel=word)
    promoters.thank(desk.store, 2, bo)
    return ids | {"again": ids.pop("0")}


def _history(desk: Desk, word: str, past: datetime, staff: tuple[Actor, Actor]) -> None:
    """Close enough cases for a ledger; who was called answers once more how likely they are to recommend us."""
    old = [escalation(f"{n} {word}", said(word, 80.0, nps=float(n % 7)), complaint_type=("billing", "delivery")[n % 2])
           for n in range(14)]  # fmt: skip
    desk.store.enqueue(listed(*old), at=past)
    for n, case in enumerate(desk.cases()):
        by, at = staff[n % 2], past + timedelta(hours=6 * n + 1)
        claims.take(desk.store, case.id, by, at=at)
        casework.contacted(desk.store, case.id, by, at=at)
        casework.close(desk.store, case.id, by, ("resolved", "lost", "resolved", "not_detractor")[n % 4],
                       ("price", "people")[n % 2], at=at)  # fmt: skip
    said_since = [{"customer_id": row["customer_id"], "created_at": (past + timedelta(days=20)).isoformat(),
                   "nps": float(3 + n % 8)} for n, row in enumerate(old[:10])]  # fmt: skip
    with desk.store.change(NIGHT) as change:
        answers.join(change, desk.store.policy, pa.Table.from_pylist(said_since))
