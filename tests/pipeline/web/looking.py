"""What tests see of an answer: who is on a page, what stands in its fields, who is in an export; and a crowd."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from xml.etree import ElementTree
from zipfile import ZipFile

from httpx2 import Response
from sqlalchemy import text

from pipeline.followup.store import Store
from tests.pipeline.followup.hands import fill

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
VOID = {"meta", "link", "input", "path", "rect", "br"}


@dataclass
class Page(HTMLParser):
    """A page as a browser takes it apart: its elements with their attributes, and the words between them."""

    source: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.feed(self.source)
        self.close()
        assert self.open == [], "something is not closed"

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of <{tag}> is given twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data[:40]!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data[:40]!r}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data[:40]!r}")

    @property
    def text(self) -> str:
        """What a person reads, on one line."""
        return " ".join("".join(self.words).split())

    def values(self, name: str) -> list[str | None]:
        """Return what stands in the fields of this name."""
        return [given.get("value") for _, given in self.elements if given.get("name") == name]


def seen(answer: Response) -> str:
    """Return what a person reads on a page."""
    return Page(answer.text).text


def customers(answer: Response) -> list[str]:
    """Return who is on a page of the queue, in its order."""
    return re.findall(r'<h2><a href="/cases/\d+"><bdi>(.*?)</bdi>', answer.text)


def in_csv(answer: Response) -> list[str]:
    """Return the customers of an export in CSV, in its order."""
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), strict=True)
    return [row["customer_id"] for row in rows]


def in_book(answer: Response) -> list[str]:
    """Return the customers of an export to Excel, in its order."""
    with ZipFile(io.BytesIO(answer.content)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    found = (cell for cell in sheet.iter(f"{MAIN}c") if re.fullmatch(r"B\d+", cell.get("r", "")))
    return ["".join(cell.itertext()) for cell in found][1:]


def crowd(store: Store, number: int) -> list[str]:
    """Return so many new customers, in the order of the queue; made in one statement, for a real night takes long."""
    [case] = fill(store, 90.0)
    with store.engine.begin() as connection:
        columns = [row.name for row in connection.execute(text("SELECT name FROM pragma_table_info('cases')"))]
        copied = ", ".join(name for name in columns if name not in ("id", "case_key", "customer_id", "standing"))
        connection.execute(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < :number) "
                f"INSERT INTO cases (case_key, customer_id, standing, {copied}) "
                f"SELECT 'C-' || i, 'C-' || i, standing - i / 1000.0, {copied} FROM cases, n WHERE id = :id"
            ),
            {"number": number, "id": case.id},
        )
    return [f"C-{place}" for place in range(1, number + 1)]
