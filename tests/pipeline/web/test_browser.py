"""The desk in a real Chromium: by keyboard, on a phone, without JavaScript, and with hostile texts on it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from models.triage import TriageModel
from pipeline.config import Config
from pipeline.followup.store import Store
from pipeline.triage.scoring import Scorer
from pipeline.web.app import create_app
from tests.pipeline.web.conftest import NIGHT, escalations
from tests.pipeline.web.test_pages import HOSTILE

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail("the browser tests need Chromium: apt-get install chromium")
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def desk(tmp_path: Path, model: TriageModel) -> Iterator[tuple[str, Store]]:
    store = Store.open(f"sqlite:///{tmp_path}/amends.db")
    app = create_app(store=store, scorer=Scorer(model, Config()), demo=True)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", store
    server.should_exit = True
    thread.join()
    store.close()


class Watched:
    """A page, with every request and every complaint of the browser written down."""

    def __init__(self, browser: Any, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append("a dialog"))

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def test_a_case_is_worked_by_keyboard(browser: Any, desk: tuple[str, Store]) -> None:
    url, store = desk
    store.enqueue(escalations("one", "two", "three"), at=NIGHT)
    with Watched(browser) as seen:
        page = seen.page
        page.goto(url)
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/cases/*")
        assert page.locator("h1").inner_text() == "C-1"
        page.keyboard.press("c")
        page.wait_for_selector(".tone-state:has-text('In touch')")
        page.keyboard.press("?")
        assert page.locator("dialog#keys").is_visible()
        assert not seen.complaints
        assert all(request.startswith(url) for request in seen.requests)
    assert store.counts()["contacted"] == 1


def test_all_of_it_works_without_javascript(browser: Any, desk: tuple[str, Store]) -> None:
    url, store = desk
    store.enqueue(escalations("one", "two"), at=NIGHT)
    with Watched(browser, java_script_enabled=False) as seen:
        seen.page.goto(url)
        seen.page.click("text=C-0")
        seen.page.click("button:has-text('Resolved')")
        assert "is now under Resolved" in seen.page.locator(".notice").inner_text()
        assert not seen.complaints
    assert store.counts()["resolved"] == 1


@pytest.mark.parametrize("path", ["/", "/cases/1", "/docs"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Any, desk: tuple[str, Store], path: str, scheme: str) -> None:
    url, store = desk
    store.enqueue(escalations("one " * 60, "w" * 400, words=["one"]), at=NIGHT)
    with Watched(browser, viewport={"width": 375, "height": 700}, color_scheme=scheme) as seen:
        seen.page.goto(url + path)
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 375
        assert not seen.complaints


def test_hostile_texts_do_nothing(browser: Any, desk: tuple[str, Store]) -> None:
    url, store = desk
    store.enqueue(escalations(*HOSTILE), at=NIGHT)
    with Watched(browser) as seen:
        for path in ["/", *(f"/cases/{case.id}" for case in store.queue())]:
            seen.page.goto(url + path)
            assert seen.page.evaluate("window.hit") is None
        assert not seen.complaints
        assert all(request.startswith(url) for request in seen.requests)
