"""Hostile texts in every field a customer has, on every page and in every file, in a real Chromium: nothing happens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from pipeline.followup import casework, claims, promoters, views
from pipeline.followup.audit import NIGHT, Actor
from pipeline.followup.policy import Policy, Thanks
from pipeline.triage.answers import PROMOTERS
from pipeline.web.pages import STATIC
from tests.pipeline.followup.lists import escalation, listed, said
from tests.pipeline.web.browsing import Chromium, Desk, Watched, _chromium, _desk, _serving  # noqa: F401
from tests.pipeline.web.hostile import HOSTILE

pytestmark = pytest.mark.browser
# Half of a pair is refused by Arrow, and comes by what somebody types alone.
TEXTS = [text for text in HOSTILE if not re.search("[\ud800-\udfff]", text)]
STATES = ("free", "mine", "closed", "theirs", "later")
# Many short ones at once, where the first character does not matter, make a quick sample.
SHORT = [text for text in HOSTILE if len(text) < 400]
SOME = [" ".join(SHORT[start::4]) for start in range(4)]
# What a page is made of, in order; telling words and hidden characters have elements of their own, one for each.
SHAPE = """() => {
  const of = (root) => [...root.querySelectorAll("*")].filter((one) => !one.matches("mark, .hidden"))
    .map((one) => `${one.localName}[${one.getAttributeNames().sort()}]`).join(" ");
  const all = [...document.querySelectorAll("*")];
  const values = (name) => all.map((one) => one.getAttribute(name)).filter((value) => value !== null);
  return {
    hit: window.hit ?? null,
    tags: [...new Set(all.map((one) => one.localName))],
    attributes: [...new Set(all.flatMap((one) => one.getAttributeNames()))],
    hrefs: values("href"), sources: values("src"), actions: values("action"),
    shape: of(document.querySelector("main")),
    lines: [...document.querySelectorAll(".line")].map((one) => [one.querySelector("bdi").textContent, of(one)]),
  };
}"""
OURS = re.compile(
    r"/(\?tab=\w+|\?marked=\d+|cases/\d+|thanks(\?page=\d)?|ask|ledger(\?days=\d+(&by_agent=true#agents)?)?|account"
    r"|log(\?before=\d+)?|docs|openapi\.json|sign-in|export\.(csv|xlsx)\?[\w=&.%+~-]*|\?[\w=&.%+~-]*"
    r"|static/[\w.]+\?\w+)?|#[\w-]+"
)
UNSAFE = {"style", "srcdoc", "srcset", "formaction", "background", "poster", "data", "ping", "target", "download"}


# Types into a form what no keyboard could, and sends it.
TYPE = """(form, [fields, text]) => {
  for (const name of fields) { form.elements[name].removeAttribute("maxlength"); form.elements[name].value = text; }
  form.requestSubmit();
}"""
WRITTEN = [*(STATIC.parent / "templates").glob("*.html"), STATIC.parent / "charts.py"]
TAGS = {tag for path in WRITTEN for tag in re.findall("<([a-z][a-z0-9]*)", path.read_text("utf-8"))}


def beset(desk: Desk, texts: list[str]) -> dict[str, tuple[int, str]]:
    """Put a case of each text on the desk, which has it in every field; return, per case, its number and state.

    The case that is called "plain STATE" is one of the same state with nothing in it.
    """
    now = datetime.now(UTC)
    ana, bo = desk.user("ana", "admin"), desk.user("bo")
    known, rows = {}, [escalation("top", said("the first of all", 99.0))]
    for n, (name, text) in enumerate([(f"plain {state}", "plain") for state in STATES]
                                     + [(f"case {n}", text) for n, text in enumerate(texts)]):  # fmt: skip
        short = text[:2_000]
        field = {"channel": short, "lang": short}
        words = {"labels": [short, "angry"], "nps": 3.0} | field
        rows.append(escalation(
            name, said(text, 98.0 - n / 10, **words), said(f"{text} again", 5.0, **words), **field, customer_id=short,
            urgency=short, complaint_type=short, sentiment=short, signals=[short, "late"], model_version=short,
            review=True, review_reason=short, reasons=[{"factor": short, "contribution": 50.0, "words": [text[:80]]}],
        ))  # fmt: skip
        known[name] = (n, STATES[n % len(STATES)])
    desk.store.enqueue(listed(*rows), at=now - timedelta(days=20))
    numbers = {case.case_key: case.id for case in desk.cases()}
    for name, (n, state) in known.items():
        text = rows[n + 1]["text"]
        _work(desk, numbers[name], state, text, (ana, bo), now)
    with desk.store.change(NIGHT) as change:
        praise = [
            {"case_key": f"p{n}", "id": f"p{n}", "customer_id": text[:2_000], "customer_value": 1.0, "reach": None,
             "nps": 10.0, "channel": text[:99], "lang": text[:99], "created_at": None, "text": text, "source": text}
            for n, text in enumerate(["plain", *texts])
        ]  # fmt: skip
        promoters.take_in(change, desk.store.policy, pa.Table.from_pylist(praise, schema=PROMOTERS))
    return {name: (numbers[name], state) for name, (_, state) in known.items()}


def _work(desk: Desk, number: int, state: str, text: str, staff: tuple[Actor, Actor], now: datetime) -> None:
    """Bring a case to `state`, with `text` in whatever can be written about it."""
    store, by = desk.store, staff[state == "theirs"]
    if state == "free":
        return
    at = now - timedelta(days=19) if state == "closed" else now
    claims.take(store, number, by, at=at)
    casework.remark(store, number, by, f"note: {text}", at=at)
    if state == "mine":
        casework.give(store, number, by, 0.5, f"gift: {text}", at=at)
    elif state == "later":
        casework.no_answer(store, number, by, now + timedelta(days=1), note=text, at=at)
    elif state == "closed":
        casework.close(store, number, by, "resolved", "price", note=text, at=at)


class Looked:
    """A browser that goes from page to page, and the shapes of the lines that it saw."""

    def __init__(self, seen: Watched) -> None:
        self.desk, self.page = seen.desk, seen.page
        self.plain: set[str] = set()
        self.hostile: set[str] = set()

    def at(self, path: str) -> str:
        """Return the shape of a page, on which there is nothing but what is ours."""
        self.page.goto(path, wait_until="domcontentloaded")
        return self.now(path)

    def now(self, path: str) -> str:
        """Return the shape of the page as it stands."""
        found = self.page.evaluate(SHAPE)
        assert found["hit"] is None, path
        assert set(found["tags"]) <= TAGS, path
        assert not [name for name in found["attributes"] if name.startswith("on") or name in UNSAFE], path
        assert [one for one in found["hrefs"] if not OURS.fullmatch(one)] == [], path
        assert [one for one in found["sources"] if not one.startswith("/static/desk.js?")] == [], path
        assert [one for one in found["actions"] if not re.fullmatch(r"/[\w/-]*", one)] == [], path
        assert self.page.url.startswith(f"{self.desk.url}/"), path
        for name, shape in found["lines"]:
            if name != "top":
                (self.plain if name == "plain" else self.hostile).add(shape)
        return str(found["shape"])

    def taken(self, link: str) -> bytes:
        """Return the file that a link brings."""
        with self.page.expect_download() as found:
            self.page.locator(link).evaluate("(one) => one.click()")
        return Path(found.value.path()).read_bytes()


@pytest.fixture(name="wide_desk")
def _wide_desk(serving: Callable[..., Any]) -> Iterator[Desk]:
    """Return a desk that keeps everybody who is worth thanking."""
    with serving(Policy(thanks=Thanks(most=200))) as desk:
        yield desk


def test_no_text_does_anything_on_any_page(chromium: Chromium, wide_desk: Desk) -> None:
    desk, cases = wide_desk, beset(wide_desk, TEXTS)
    with Watched(chromium, desk, "ana", "admin") as seen:
        looked = Looked(seen)
        plain = {state: looked.at(f"/cases/{cases[f'plain {state}'][0]}") for state in STATES}
        for name, (number, state) in cases.items():
            assert looked.at(f"/cases/{number}") == plain[state], name
        for tab in ("free", "mine", "overdue", "review", "all", "closed"):
            looked.at(f"/?tab={tab}")
            looked.at(f"/?tab={tab}&page=2")
        for path in ("/thanks", "/thanks?page=2", "/ask"):
            looked.at(path)
        assert len(looked.plain) > 5
        assert looked.hostile <= looked.plain
        for path in ("/ledger", "/ledger?by_agent=true", "/account", "/docs"):
            looked.at(path)
        before: str | None = "/log"
        while before:
            looked.at(before)
            older = seen.page.locator("a[rel=next]")
            before = older.get_attribute("href") if older.count() else None


def test_no_text_does_anything_as_the_name_of_a_view(chromium: Chromium, desk: Desk) -> None:
    ana = desk.user("ana", "admin")
    with Watched(chromium, desk, "ana", "admin") as seen:
        looked = Looked(seen)
        for start in range(0, len(TEXTS), views.MOST):
            for text in TEXTS[start : start + views.MOST]:
                views.keep(desk.store, ana, text, "tab=all")
            looked.at("/")
            assert seen.page.locator(".views li").count() > 10 or start
            for view in views.views(desk.store, "ana"):
                views.remove(desk.store, ana, view.id)


def test_no_text_does_anything_in_a_file(chromium: Chromium, desk: Desk) -> None:
    beset(desk, TEXTS)
    with Watched(chromium, desk, "ana", "admin") as seen:
        looked = Looked(seen)
        looked.at("/?tab=all")
        assert looked.taken("[href^='/export.csv']").startswith(b"\xef\xbb\xbfid,")
        assert looked.taken("[href^='/export.xlsx']").startswith(b"PK")
        seen.page.goto("/account")
        seen.page.locator("[action='/account/calendar'] button").click()
        address = seen.page.locator("pre code").inner_text()
        with seen.page.expect_download() as found:
            seen.page.evaluate("(address) => { location.href = address; }", address)
        assert Path(found.value.path()).read_bytes().startswith(b"BEGIN:VCALENDAR")
        looked.now("the files")


def asked_for(text: str) -> list[str]:
    """Return addresses that have `text` in every place where an address has something of the visitor's."""
    part = quote(text[:2_000], safe="", errors="surrogatepass")
    return [f"/?{name}={part}" for name in ("q", "channel", "lang", "urgency", "sort", "value", "page")] + [
        f"/nowhere/{part}", f"/cases/{part}", f"/enter/{part}", f"/sign-in?next={part}", f"/sign-in?next=/{part}"
    ]  # fmt: skip


@pytest.mark.parametrize("texts", [SOME, pytest.param(HOSTILE, marks=pytest.mark.slow)], ids=["together", "each alone"])
def test_no_text_does_anything_in_an_address(chromium: Chromium, desk: Desk, texts: list[str]) -> None:
    desk.fill("one")
    for who in ("ana", ""):
        with Watched(chromium, desk, who, "admin") as seen:
            looked = Looked(seen)
            for text in texts:
                for path in asked_for(text)[0 if who else 5 :]:
                    looked.at(path)


@pytest.mark.parametrize("texts", [SOME, pytest.param(HOSTILE, marks=pytest.mark.slow)], ids=["together", "each alone"])
def test_no_text_does_anything_that_is_typed(chromium: Chromium, desk: Desk, texts: list[str]) -> None:
    [case] = desk.fill("one")
    with Watched(chromium, desk, "ana", "admin") as seen:
        looked, page = Looked(seen), seen.page
        claims.take(desk.store, case.id, Actor("ana", "test"))
        for text in [*texts, "half of a pair: \ud83d"]:
            looked.at(f"/cases/{case.id}")
            for form, fields in (("#note", ["note"]), ("#give form", ["amount", "what"])):
                with page.expect_navigation():
                    page.locator(form).evaluate(TYPE, [fields, text[:2_000]])
                looked.now(text)
        assert page.get_by_role("alert").count() == 1  # for no text is an amount
        assert "half of a pair: ⟨U+FFFD⟩" in page.locator(".entry-note").first.inner_text().replace("�", "⟨U+FFFD⟩")


def test_the_texts_would_bite(chromium: Chromium) -> None:
    """A page that shows them raw is hit, and calls elsewhere: what the tests above look for can be seen."""
    context, before = chromium.window(), len(chromium.trap.heard)
    page, hit = context.new_page(), 0
    calling = next(text for text in HOSTILE if text.startswith("<img src=http://evil.example"))
    for text in (HOSTILE[0], HOSTILE[3], HOSTILE[4], calling):
        page.goto("about:blank")
        page.set_content(text)
        hit += page.evaluate("window.hit ?? 0")
    context.close()
    assert hit == 3
    assert b"evil.example" in chromium.trap.heard[before]


def test_even_a_text_that_got_into_a_page_would_be_stopped(chromium: Chromium, desk: Desk) -> None:
    """The policy of the pages holds where nothing is escaped; it knows nothing of a page that leads elsewhere."""
    context, before = chromium.window(base_url=desk.url), len(chromium.trap.heard)
    page = context.new_page()
    page.goto("/sign-in")
    main = page.query_selector("main")  # once: some of the texts take the place of what finds it
    for text in HOSTILE:
        if "http-equiv=refresh" not in text:
            main.evaluate("(main, text) => { main.innerHTML = text; }", text)
    page.evaluate("async () => { await new Promise((done) => { setTimeout(done, 300); }); }")
    assert page.evaluate("window.hit ?? 0") == 0
    context.close()
    assert chromium.trap.heard[before:] == []
