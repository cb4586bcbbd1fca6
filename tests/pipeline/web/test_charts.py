"""Charts that hold whatever they are given, and the page of the ledger around them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import DictLoader, Template
from markupsafe import Markup

from pipeline.followup.figures import Contact, Rate, Worth, change, contact
from pipeline.followup.ledger import Agent, Kind, Ledger, Week
from pipeline.web.charts import Pair, Row, Shift, bars, columns, spread
from pipeline.web.display import Display
from pipeline.web.language import Language
from pipeline.web.ledger import facts
from pipeline.web.pages import HERE, environment
from pipeline.web.view import Viewing
from tests.pipeline.web.hostile import HOSTILE

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
ODD = [0.0, -0.0, -5.0, 1e-300, 1e308, math.inf, -math.inf, math.nan]
values = st.sampled_from(ODD) | st.floats(0, 1e6)
words = st.sampled_from(HOSTILE) | st.text(max_size=300) | st.sampled_from(["\ud800", "\x00\x0b", "\ufffe", "‮x"])
CHARTS: dict[str, Callable[..., Markup]] = {"bars": bars, "columns": columns, "spread": spread}


def one(kind: str, label: str, first: float, second: float) -> Row | Pair | Shift:
    if kind == "bars":
        return Row(label, first, label, label, second, first)
    return (Pair if kind == "columns" else Shift)(label, first, second, label)


def drawn(kind: str, label: str, numbers: list[float]) -> Markup:
    rows = [one(kind, label, number, numbers[at - 1]) for at, number in enumerate(numbers)]
    return CHARTS[kind](rows, name="one", title=label, desc=label)


def numbers_of(chart: ElementTree.Element) -> dict[str, float]:
    """Return every length of a chart, in per cent where it is in per cent."""
    return {
        f"{number} {name}": float(value.rstrip("%"))
        for number, element in enumerate(chart.iter())
        for name, value in element.attrib.items()
        if name in ("x", "x1", "x2", "cx", "width", "y", "y1", "y2", "cy", "height", "r", "rx")
    }


@pytest.mark.parametrize("kind", CHARTS)
@given(label=words, numbers=st.lists(values, min_size=1, max_size=60))
def test_whatever_it_is_given_a_chart_is_well_formed_and_inert(kind: str, label: str, numbers: list[float]) -> None:
    made = drawn(kind, label, numbers)
    chart = ElementTree.fromstring(made)
    assert {element.tag for element in chart.iter()} <= {"svg", "title", "desc", "g", "rect", "line", "circle", "text"}
    assert not [name for element in chart.iter() for name in element.attrib if name.startswith(("on", "style", "href"))]
    lengths = numbers_of(chart)
    assert all(math.isfinite(length) and length >= 0 for length in lengths.values())
    across = [length for name, length in lengths.items() if name.split()[1] in ("x", "x1", "x2", "cx", "width")]
    assert max(across) <= 100
    classes = {name for element in chart.iter() for name in element.get("class", "").split()}
    assert all(re.fullmatch(r"[a-z-]+|tone-\w+", name) for name in classes)


@pytest.mark.parametrize("kind", CHARTS)
def test_a_chart_has_a_name_and_a_description(kind: str) -> None:
    rows = [one(kind, "a", 1, 2)]
    chart = ElementTree.fromstring(CHARTS[kind](rows, name="weeks", title="Cases & more", desc="Numbers <below>"))
    assert chart.get("role") == "img"
    told = {element.get("id"): element.text for element in chart if element.get("id")}
    assert [told[name] for name in (chart.get("aria-labelledby") or "").split()] == ["Cases & more", "Numbers <below>"]
    assert (chart.get("width"), chart.get("viewBox")) == ("100%", None)


@pytest.mark.parametrize("kind", CHARTS)
def test_nothing_is_drawn_of_nothing(kind: str) -> None:
    assert drawn(kind, "x", []) == ""


def widths(chart: Markup, one: str) -> list[str]:
    return [element.get("width", "") for element in ElementTree.fromstring(chart).iter() if element.get("class") == one]


def test_bars_are_as_long_as_their_values_say() -> None:
    rows = [Row("a", 200, "200"), Row("b", 50, "50"), Row("c", 0, "0")]
    assert widths(bars(rows, name="n", title="t", desc="d"), "fill tone-accent") == ["100%", "25%"]
    assert widths(bars(rows, name="n", title="t", desc="d", whole=400), "fill tone-accent") == ["50%", "12.5%"]


def test_columns_of_many_weeks_keep_their_labels_apart() -> None:
    chart = ElementTree.fromstring(
        columns([Pair(f"week {n}", n, n / 2, f"{n}") for n in range(53)], name="n", title="t", desc="d", most="52")
    )
    labels = [float((text.get("x") or "").rstrip("%")) for text in chart.iter("text") if text.text != "52"]
    assert 4 <= len(labels) <= 6
    assert min(after - before for before, after in pairwise(labels)) > 15


def test_dots_stand_where_the_answers_are() -> None:
    chart = ElementTree.fromstring(spread([Shift("all", 0, 10, "0 → 10")], name="n", title="t", desc="d"))
    assert [(dot.get("class"), dot.get("cx")) for dot in chart.iter("circle")] == [("before", "3%"), ("after", "97%")]


def a_ledger(label: str, *, cases: int = 40, pairs: int = 12, agents: bool = False) -> Ledger:
    ended = {"resolved": cases // 2, "lost": cases // 4, "not_detractor": 0, "open": cases - cases // 2 - cases // 4}
    rescue, changed = Rate(cases // 2, cases // 2 + cases // 4), change({(3.0, 9.0): pairs} if pairs else {})
    worth = Worth(1e9, math.nan, 2, 0)
    reached: Contact = contact({70: cases - 1}, cases, 1, 1) if cases else contact({}, 0, 0, 0)
    return Ledger(
        since=NOW - timedelta(days=30), until=NOW, cases=cases, outcomes=ended, rescue=rescue,
        second_failures=Rate(1, cases), contact=reached, change=changed, worth=worth, spent=5.0,
        kinds=(Kind(label, cases, ended, rescue, worth, changed), Kind(None, 2, ended, Rate(1, 2), worth, changed)),
        causes=((label, 3),) if cases else (), weeks=(Week(NOW - timedelta(days=30), cases, 3, 2),),
        agents=(Agent(label, ended, rescue),) if agents else None,
    )  # fmt: skip


class Untranslated(Language):
    """The numbers of a language in English sentences, so that a test needs no catalogue."""

    def say(self, sentence: str, **facts: object) -> str:
        return sentence % facts if facts else sentence


@cache
def template() -> Template:
    """Return the page in a frame of nothing but its own parts, so that it can be read as XML."""
    frame = "<html>{% block look %}{% endblock %}<main>{% block main %}{% endblock %}</main></html>"
    page = (HERE / "templates" / "ledger.html").read_text("utf-8")
    pages = environment("en").overlay(loader=DictLoader({"base.html": frame, "ledger.html": page}))
    return pages.get_template("ledger.html")


def page(of: Ledger, *, language: str = "en", leads: bool = True) -> ElementTree.Element:
    shown = facts(of, Viewing(Display(), Untranslated(language), NOW))
    html = template().render(days=30, periods=(30, 90, 365), leads=leads, **shown)
    return ElementTree.fromstring(re.sub("[\ufffe\uffff]", "", html))  # HTML can hold them, XML cannot


@pytest.mark.parametrize("label", HOSTILE)
def test_the_page_of_the_ledger_holds_hostile_names(label: str) -> None:
    parsed = page(a_ledger(label, agents=True))
    assert not {element.tag for element in parsed.iter()} & {"script", "img", "iframe", "style", "form", "input"}
    assert not [name for element in parsed.iter() for name in element.attrib if name.startswith(("on", "style"))]
    assert len(list(parsed.iter("svg"))) == 7
    ids = [element.get("id") for element in parsed.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def plain(of: Ledger, **more: object) -> str:
    return " ".join("".join(page(of, **more).itertext()).split())  # type: ignore[arg-type]


def test_names_are_shown_to_nobody_who_did_not_ask() -> None:
    assert "Show who closed the cases" in plain(a_ledger("billing"))
    assert "Show who closed the cases" not in plain(a_ledger("billing"), leads=False)
    asked = plain(a_ledger("billing", agents=True))
    assert "never rank people by them" in asked
    assert "Hide the names" in asked


def test_few_cases_are_counted_and_not_rated() -> None:
    shown = plain(a_ledger("billing", cases=4, pairs=3))
    assert "2 of 3" in shown
    assert "too few for a rate" in shown
    assert "too few for a mean" in shown
    assert "%" not in shown.replace("95%", "")


def test_an_empty_ledger_says_what_will_stand_there() -> None:
    empty = a_ledger("billing", cases=0, pairs=0)
    shown = plain(replace(empty, weeks=(), kinds=()))
    assert "Nothing in the book yet" in shown
    assert "Look further back" in shown


def test_numbers_are_those_of_the_language() -> None:
    english, german = (plain(a_ledger("billing", cases=4_000), language=code) for code in ("en", "de"))
    assert "67%" in english
    assert "1,000,000,000" in english
    assert "70 minutes" in english
    assert "67 %" in german.replace("\xa0", " ")
    assert "1.000.000.000" in german
    assert "70 Minuten" in german
