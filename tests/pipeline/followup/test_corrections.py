"""What agents corrected comes out as labelled rows, one for each text, that say where they are from."""

from __future__ import annotations

import pytest

from pipeline.config import load
from pipeline.followup import casework
from pipeline.followup.corrections import labelled
from pipeline.followup.store import Store
from tests.pipeline.followup.hands import ANA, NIGHT
from tests.pipeline.followup.lists import escalation, listed, said

SCHEMA = load().schema_()


@pytest.fixture
def numbers(store: Store) -> list[int]:
    """The numbers of two texts of one customer."""
    first = said("leaving today", 90.0, labels=["negative", "churn_threat"])
    store.enqueue(listed(escalation("C-1", first, said("hm", 20.0))), at=NIGHT)
    return sorted(text.number for text in store.case(1).texts if text.number is not None)


def test_nothing_corrected_is_no_row(store: Store, numbers: list[int]) -> None:
    assert list(labelled(store, SCHEMA)) == []


def test_each_text_is_a_row_with_its_latest_labels(store: Store, numbers: list[int]) -> None:
    for number, head, label in [
        (numbers[0], "urgency", "low"), (numbers[1], "sentiment", "neutral"), (numbers[0], "urgency", "critical"),
        (numbers[0], "signals", "vulnerable"), (numbers[0], "signals", "legal_threat"),
    ]:  # fmt: skip
        casework.correct(store, 1, ANA, SCHEMA, number, head, label, at=NIGHT)
    rows = {row["text"]: row for row in labelled(store, SCHEMA)}
    assert set(rows) == {"leaving today", "hm"}
    told = rows["leaving today"]
    assert (told["urgency"], told["signals"]) == ("critical", ["churn_threat", "legal_threat", "vulnerable"])
    assert (told["customer_id"], told["source"], told["author"]) == ("C-1", "corrections", ANA.name)
    assert told["corrected_at"] == NIGHT.isoformat()
    assert rows["hm"]["sentiment"] == "neutral"
    assert "urgency" not in rows["hm"]
