"""Every page for every eye and hand: axe-core finds nothing, nothing is wider than the window, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import ROOT
from pipeline.followup import claims
from pipeline.followup.audit import Actor
from pipeline.web.language import languages
from tests.pipeline.web.browsing import Chromium, Desk, Watched, _chromium, _serving, furnish, lacking  # noqa: F401

pytestmark = pytest.mark.browser
AXE = ROOT / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
# What lies over a whole line of the queue, to be pressed, hides nothing; axe cannot know and would give up there.
RUN = """async () => {
  const found = await axe.run(document, {
    runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] },
    checks: { "color-contrast": { options: { ignorePseudo: true } } }, resultTypes: ["violations", "incomplete"],
  });
  const unsure = found.incomplete.filter((one) => one.id !== "color-contrast");
  return [...found.violations, ...unsure].map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(", ")}`);
}"""
# What sticks out of the window, or is cut off at its side; what scrolls by itself may.
WIDE = """() => {
  const name = (one) => `${one.tagName}.${one.getAttribute("class") ?? ""}`;
  const out = document.documentElement.scrollWidth > innerWidth ? ["the page"] : [];
  for (const one of document.body.querySelectorAll("*")) {
    if (one.closest(".scroll, pre, .sr, dialog:not([open]), svg, select")) continue;
    const box = one.getBoundingClientRect();
    if (box.width && (box.left < -.5 || box.right > innerWidth + .5)) out.push(name(one));
    const cut = one.clientWidth && one.scrollWidth > one.clientWidth + 1 && one.tagName !== "INPUT";
    if (cut && getComputedStyle(one).overflowX !== "visible") out.push(`cut: ${name(one)}`);
  }
  return out.slice(0, 9);
}"""
LISTS = ["/", "/?tab=mine", "/?tab=overdue", "/?tab=review", "/?tab=all", "/?tab=closed"]
REPORTS = ["/thanks", "/ask", "/ledger", "/ledger?days=30&by_agent=true", "/log", "/account", "/docs"]
ODD = ["/?q=nobody", "/?page=9", "/?value=" + "W" * 60, "/nowhere", "/cases/999"]


@pytest.fixture(scope="module", name="full")
def _full(serving: Callable[..., Any]) -> Iterator[tuple[Desk, dict[str, int]]]:
    with serving() as desk:
        yield desk, furnish(desk)


@pytest.fixture(scope="module", name="stuffed")
def _stuffed(serving: Callable[..., Any]) -> Iterator[tuple[Desk, dict[str, int]]]:
    """Return a desk of words without an end."""
    with serving() as desk:
        yield desk, furnish(desk, "W" * 300, "w" * 50_000, who="a" * 64)


@pytest.fixture(scope="module", name="axe")
def _axe() -> Path:
    if not AXE.exists():
        lacking("the accessibility tests need axe-core: make test brings it by npm")
    return AXE


def pages_of(ids: dict[str, int]) -> list[str]:
    cases = [f"/cases/{number}" for number in ids.values()]
    return [*LISTS, f"/?marked={ids['closed']}", *cases, *REPORTS, *ODD]


def unfold(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


def send(page: Any, button: str) -> None:
    """Press a button, and wait until the page that answers has its colours."""
    with page.expect_navigation(wait_until="load"):
        page.locator(button).click()


class Checked:
    """A page, and what was found on each that was looked at, in light and in dark."""

    def __init__(self, seen: Watched, question: str) -> None:
        self.page, self.question, self.found = seen.page, question, {}
        self.looked = 0

    def look(self, what: str) -> None:
        """Look at the page as it stands, with everything unfolded."""
        unfold(self.page)
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = self.page.evaluate(self.question)
            if found:
                self.found[what, scheme] = found
        self.looked += 1

    def go(self, *paths: str) -> None:
        """Look at each of the pages."""
        for path in paths:
            self.page.goto(path)
            self.look(path)


@pytest.fixture(params=["en", pytest.param("de", marks=pytest.mark.slow)], name="language")
def _language(request: pytest.FixtureRequest) -> str:
    if request.param not in languages():
        pytest.skip(f"there is no catalogue of {request.param}")
    return str(request.param)


def audited(chromium: Chromium, desk: Desk, axe: Path, *who: str, language: str = "en") -> Watched:
    """Return a window in which axe can be asked; the policy of the pages would keep it out."""
    locale = {"en": "en-US", "de": "de-DE"}[language]
    seen = Watched(chromium, desk, *who, locale=locale, bypass_csp=True)
    seen.context.add_init_script(path=axe)
    return seen


def test_axe_finds_nothing_on_any_page(
    chromium: Chromium, full: tuple[Desk, dict[str, int]], axe: Path, language: str
) -> None:
    desk, ids = full
    with audited(chromium, desk, axe, "ana", "admin", language=language) as seen:
        checked = Checked(seen, RUN)
        checked.go(*pages_of(ids))
        assert checked.page.evaluate("document.documentElement.lang") == language
        assert checked.found == {}
        assert checked.looked > 25


def test_axe_finds_nothing_in_what_a_page_answers(
    chromium: Chromium, full: tuple[Desk, dict[str, int]], axe: Path, language: str
) -> None:
    desk, ids = full
    with audited(chromium, desk, axe, "ana", "admin", language=language) as seen:
        page, checked = seen.page, Checked(seen, RUN)
        page.goto("/")
        page.keyboard.press("?")
        checked.look("the keys")
        page.goto("/account")
        page.fill("[name=old]", "wrong")
        page.fill("[name=new]", "correct horse battery")
        send(page, "[action='/account/password'] button")
        checked.look("a new password")  # Ana had none before, so that any old one will do
        page.fill("[name=old]", "wrong")
        page.fill("[name=new]", "correct horse battery")
        send(page, "[action='/account/password'] button")
        checked.look("a wrong password")
        send(page, "[action='/account/calendar'] button")
        checked.look("a calendar")
        page.goto(f"/cases/{ids['mine']}")
        unfold(page)
        page.fill("[name=amount]", "nothing")
        page.fill("[name=what]", "a voucher")
        send(page, "#give button")
        checked.look("a wrong amount")
        page.goto(f"/cases/{ids['free']}")
        claims.take(desk.store, ids["free"], Actor("bo---", "test"))
        send(page, ".actions button")
        checked.look("too late")
        claims.release(desk.store, ids["free"], Actor("bo---", "test"))
        assert checked.found == {}
        assert checked.looked == 6


def test_axe_finds_nothing_on_an_empty_desk_or_before_it(
    chromium: Chromium, serving: Any, axe: Path, language: str
) -> None:
    with serving(demo=True) as desk:
        with audited(chromium, desk, axe, "ana", language=language) as seen:
            checked = Checked(seen, RUN)
            checked.go(*LISTS, "/thanks", "/ask", "/ledger", "/log")
            assert checked.found == {}
        with audited(chromium, desk, axe, language=language) as seen:
            checked = Checked(seen, RUN)
            checked.go("/", "/docs", "/nowhere", "/enter/nothing")
            seen.page.fill("[name=name]", "nobody")
            seen.page.fill("[name=password]", "nothing")
            send(seen.page, "main button")
            checked.look("a wrong password")
            assert checked.found == {}


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_is_wider_than_the_window(chromium: Chromium, stuffed: tuple[Desk, dict[str, int]], width: int) -> None:
    desk, ids = stuffed
    with Watched(chromium, desk, "a" * 64, viewport={"width": width, "height": 800}) as seen:
        checked = Checked(seen, WIDE)
        checked.go(*pages_of(ids))
        seen.page.goto("/")
        seen.page.keyboard.press("?")
        checked.look("the keys")
        assert checked.found == {}
    with Watched(chromium, desk, viewport={"width": width, "height": 800}) as seen:
        checked = Checked(seen, WIDE)
        checked.go("/", "/docs", "/nowhere", "/enter/nothing")
        assert checked.found == {}


@pytest.mark.parametrize("width", [320, 375, 600, 760, 1024])
@pytest.mark.slow
def test_words_of_every_language_fit(
    chromium: Chromium, full: tuple[Desk, dict[str, int]], language: str, width: int
) -> None:
    desk, ids = full
    locale = {"en": "en-US", "de": "de-DE"}[language]
    with Watched(chromium, desk, "ana", "admin", locale=locale, viewport={"width": width, "height": 800}) as seen:
        checked = Checked(seen, WIDE)
        checked.go(*pages_of(ids))
        assert checked.found == {}
