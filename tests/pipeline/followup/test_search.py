"""Looking for words: whatever is typed is no error, and a word of a text finds its case, on either database."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from pipeline.followup.queue import Filter, every, page
from pipeline.followup.store import Store
from tests.pipeline.followup.hands import AT, close
from tests.pipeline.followup.lists import escalation, listed, said

TEXTS = [
    "My refund of 3.50 EUR never came, order 4711-22, and/or the voucher it's about",
    "see https://shop.example.com/returns/form?id=77&lang=de#top or write info@help.example",
    "<b>bold</b> claims, 100% rubbish; foo_bar v1.2.3 C++ #hashtag @handle 50e +49-170-12",
    'O\'Reilly said "never AND again" NOT near OR (that) col:umn * ^ - x',
    "ÜBER die Straße in İstanbul, ΣΊΣΥΦΟΣ, Жалоба на ДОСТАВКУ",
    "यह बिल्कुल गलत है, मुझे पैसे वापस चाहिए",
    "返金してください。ขอคืนเงินค่ะ أريد استرداد أموالي",
    "cafe\u0301 déçu, na\u00efve — “quoted” …dots… 1½ \U0001f621angry\U0001f621 \u200dzero\u200bwidth",
    "a\x00b under\u00adhyphen tab\tnew\nline \U0001e900\U0001e901 end",
    "x" * 3_000 + " afterlong",
]


def words_of(text: str) -> list[str]:
    """Return the words of a text: letters and digits, with the marks that belong to them."""
    kept = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return kept.split()


@pytest.fixture
def told(store: Store) -> Store:
    rows = [
        escalation(f"C-{number}", said(text, 50.0, id=f"t{number}"), customer_id=f"K-{number}")
        for number, text in enumerate(TEXTS)
    ]
    store.enqueue(listed(*rows), at=AT)
    return store


def find(store: Store, query: str, tab: str = "all") -> list[str]:
    found = page(store, Filter(tab, query=query), "ana", limit=100, at=AT)
    assert found.total == len(found.cases)
    return sorted(case.case_key for case in found.cases)


def test_every_word_of_a_text_finds_its_case(told: Store) -> None:
    # SQLite has letters of Unicode 6.1 alone, PostgreSQL words of up to 2 KiB.
    missed = [
        (number, word)
        for number, text in enumerate(TEXTS)
        for word in dict.fromkeys(words_of(text))
        if f"C-{number}" not in find(told, word) and word[0] not in "\U0001e900x"
    ]
    assert missed == []


FOUND = {
    "refund": "0", "REFUND never": "0", "refu": "0", "efund": "", "refund rubbish": "", "never": "03", "4711-22": "0",
    "3.50": "02", "and/or the": "0", "it's": "0", "O'Reilly": "3", "info@help.example": "1",
    "https://shop.example.com/returns/form?id=77&lang=de#top": "1", "v1.2.3": "2", "foo_bar": "2", "<b>bold</b>": "2",
    "über strasse": "", "über straße": "4", "ДОСТАВКУ жалоба": "4", "жалоба": "4", "ΣΊΣΥΦΟΣ": "4", "İSTANBUL": "4",
    "बिल्कुल गलत": "5", "返金": "6", "أموالي": "6", "angry": "7", "width zero": "7", "hyphen": "8",
    "K-3": "3", " K-3 ": "3", "k-3": "",  # the customer's number, as it is
    "   ": "0123456789",
}  # fmt: skip


def test_what_is_looked_for_is_found(told: Store) -> None:
    assert {query: "".join(find(told, query)).replace("C-", "") for query in FOUND} == FOUND


PUNCTUATION = [
    "'", '"', "''", '""', "*", "%", "_", "\\", "(",
    ")", ":", "&", "|", "!", "<->", "--", ";", "^", "~", "\x00", "\ud800",
    "😡", "…", "\u0301", "\u200b", "''; -- ;", "\U0001f468\u200d\U0001f469",
]  # fmt: skip
OPERATORS = [
    "AND", "OR", "NOT", "NEAR", "NEAR(a b, 2)", "a AND", "text:a", "a OR OR b", "-a", "+a", '"a', "a*", "*a", "{a}",
    "a:*", "a & b", "a | !b", "a <-> b", "'a'", "a\\", "$1", "%(x)s", "%s", ":match", "?", "²", "\U0001e900",
    "'; DROP TABLE cases; --", "a" * 2_046, "a" * 5_000, "é" * 50_000, "a " * 5_000, "😡" * 9_000,
]  # fmt: skip


def test_punctuation_alone_finds_nothing(told: Store) -> None:
    assert {query: find(told, query) for query in PUNCTUATION} == {query: [] for query in PUNCTUATION}


def test_operators_and_endless_words_are_words(told: Store) -> None:
    for query in OPERATORS:
        assert set(find(told, query)) <= {f"C-{number}" for number in range(len(TEXTS))}
    assert find(told, "never AND again") == find(told, "again and never") == ["C-3"]
    assert find(told, "refund OR rubbish") == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30))
@example("ﷺ ﬁ ǅ ʼn ẞ")
@example("\u0345\u0300 ͅα")
@example("a\u0300\u0301b ߊ\u07eb")
def test_whatever_is_typed_is_no_error(told: Store, query: str) -> None:
    assert set(find(told, query)) <= {f"C-{number}" for number in range(len(TEXTS))}


def test_closed_cases_are_searched_in_their_tab(told: Store) -> None:
    close(told, 1)
    key, number = told.case(1).case_key, str(told.case(1).customer_id)
    assert find(told, number) == []
    assert find(told, number, "closed") == [key]


def test_every_text_of_a_case_is_searched(told: Store) -> None:
    told.enqueue(listed(escalation("C-0", said("zeppelin", 10.0))), at=AT)
    assert find(told, "zeppelin") == find(told, "voucher") == ["C-0"]
    assert [case.case_key for case in every(told, Filter("all", query="zeppelin"), "ana")] == ["C-0"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_postgresql_looks_words_up_in_its_index(told: Store) -> None:
    plans: list[str] = []

    def explain(connection: Connection, _: object, statement: str, parameters: object, *__: object) -> None:
        if "to_tsquery" in statement and not statement.startswith("EXPLAIN"):
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            found = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)  # type: ignore[arg-type]
            plans.append("\n".join(found.scalars()))

    event.listen(told.engine, "before_cursor_execute", explain)
    find(told, "refund")
    assert plans
    assert all("ix_feedback_words" in plan for plan in plans)
