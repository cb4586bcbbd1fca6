"""Lists that are odd or broken: what can be kept is, and what cannot stops the list before anything is written."""

from __future__ import annotations

import random
import string

import pyarrow as pa
import pytest

from pipeline.followup.case import Enqueued
from pipeline.followup.store import Store
from tests.pipeline.followup.hands import LATER, NIGHT, cases
from tests.pipeline.followup.lists import escalation, listed, said


def test_an_id_used_for_two_texts_loses_neither(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("one", 50.0, id="1"), said("two", 40.0, id="1"))))
    assert {text.text for text in store.case(1).texts} == {"one", "two"}


def test_a_text_listed_twice_counts_once(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("one", 50.0), said("one", 50.0))))
    assert store.case(1).n_texts == 1


def test_a_lead_absent_from_the_texts_is_kept(store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("one", 50.0), lead_id="L", text="the lead")))
    assert {text.text for text in store.case(1).texts} == {"one", "the lead"}


def test_only_the_necessary_columns_are_needed(store: Store) -> None:
    rows = [{"case_key": "text:1", "priority": None, "lead_id": "1", "text": "hello"}]
    assert store.enqueue(pa.Table.from_pylist(rows)) == Enqueued(1, 0, 0, 0)
    case = store.case(1)
    assert (case.customer_id, case.priority, case.labels, case.waiting_since) == (None, 0.0, {}, None)
    assert case.due_at is not None


def test_probability_columns_of_labels_are_no_heads_of_their_own(store: Store) -> None:
    table = listed(escalation("C-1", said("one", 50.0)))
    for name in ("p_urgency_high", "p_signals_churn_threat", "p_value_hint"):
        table = table.append_column(name, pa.array([0.5]))
    store.enqueue(table)
    assert sorted(store.case(1).confidence) == ["complaint_type", "detractor", "sentiment", "urgency", "value_hint"]


def test_a_missing_column_is_named(store: Store) -> None:
    with pytest.raises(ValueError, match="missing: priority, lead_id"):
        store.enqueue(pa.table({"case_key": ["C-1"], "text": ["hello"]}))


def test_an_empty_necessary_cell_stops_the_whole_list(store: Store) -> None:
    rows = [{"case_key": key, "priority": 5.0, "lead_id": "1", "text": "hello"} for key in ("C-1", None)]
    with pytest.raises(ValueError, match="every escalation needs case_key"):
        store.enqueue(pa.Table.from_pylist(rows))
    assert cases(store) == []


@pytest.mark.parametrize("when", ["yesterday", "", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_cannot_be_read_is_unknown(store: Store, when: str) -> None:
    store.enqueue(listed(escalation("C-1", said("one", 50.0, created_at=when))))
    assert store.case(1).texts[0].created_at is None


def test_a_character_that_postgresql_cannot_keep_stops_no_night(store: Store) -> None:
    odd = "a\x00b"
    more = dict.fromkeys(("customer_id", "channel", "lang", "review_reason", "model_version", "urgency"), odd)
    text = said(odd, 50.0, id=odd, source=odd, channel=odd, lang=odd, labels=[odd])
    reasons = [{"factor": odd, "contribution": 50.0, "words": [odd]}]
    table = listed(escalation(odd, text, reasons=reasons, signals=[odd], **more))
    assert store.enqueue(table, at=NIGHT) == (1, 0, 0, 0)
    assert store.enqueue(table, at=LATER) == (0, 0, 0, 1)
    case = store.case(1)
    assert {case.case_key, case.customer_id, case.channel, case.text, case.texts[0].id, case.lead_id} == {"a\u2400b"}
    assert store.audit() == []


def test_a_channel_or_language_of_any_length_stops_no_night(store: Store) -> None:
    """Somebody may map the wrong column to it; an index of PostgreSQL has no place for so long a value."""
    drawn = random.Random(7)
    endless = ["".join(drawn.choices(string.ascii_letters, k=20_000)) for _ in range(2)]
    text = said("hello", 50.0, channel=endless[0], lang=endless[1], source=endless[0])
    assert store.enqueue(listed(escalation("C-1", text, model_version=endless[0])), at=NIGHT) == (1, 0, 0, 0)
    case = store.case(1)
    assert (case.channel, case.lang) == (endless[0][:100], endless[1][:100])
    assert (case.texts[0].channel, case.texts[0].lang) == (case.channel, case.lang)
