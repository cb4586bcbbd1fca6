"""People worth thanking: new ones come in once, the foremost first, and each is thanked by one person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import select

from pipeline.followup.audit import NIGHT as JOB
from pipeline.followup.audit import Actor
from pipeline.followup.case import ConflictError
from pipeline.followup.policy import Policy, Thanks
from pipeline.followup.promoters import Promoter, UnknownPromoterError, promoters, take_in, thank
from pipeline.followup.store import Store
from pipeline.followup.tables import AUDIT
from pipeline.triage.answers import PROMOTERS
from tests.pipeline.followup.hands import ANA, AT, BO, LATER, NIGHT, at_once, everything

DAY = timedelta(days=1)


def happy(who: str, text: str = "", **more: Any) -> dict[str, Any]:
    row = {"case_key": who, "id": f"id of {who}", "customer_id": who, "customer_value": None, "reach": None}
    row |= {"nps": 10.0, "channel": "survey", "lang": "en", "created_at": "2026-11-20T08:00:00", "source": "a.csv"}
    row["text"] = text or f"thanks, {who}"
    return row | more


def taken(store: Store, *rows: dict[str, Any], at: datetime = NIGHT) -> int:
    with store.change(JOB, at) as change:
        return take_in(change, store.policy, pa.Table.from_pylist(list(rows), schema=PROMOTERS))


def test_new_promoters_come_in_once(store: Store) -> None:
    rows = [happy("C-1", customer_value=900.0, reach=7.0), happy("text:9:ab", customer_id=None)]
    assert taken(store, *rows) == 2
    first, second = promoters(store, 10)
    assert first == Promoter(
        id=1, case_key="C-1", text_id="id of C-1", text="thanks, C-1", added_at=NIGHT, customer_id="C-1",
        customer_value=900.0, reach=7.0, nps=10.0, channel="survey", lang="en",
        created_at=datetime.fromisoformat("2026-11-20T08:00:00Z"),
    )  # fmt: skip
    assert (second.case_key, second.customer_id) == ("text:9:ab", None)
    before = everything(store)
    assert taken(store, *rows, at=LATER) == 0
    assert taken(store, at=LATER) == 0
    assert everything(store) == before
    assert store.audit() == []


def test_the_log_counts_them_and_holds_nothing_of_what_they_wrote(store: Store) -> None:
    taken(store, happy("C-1", "my secret name"))
    thank(store, 1, ANA, at=AT)
    with store.engine.connect() as connection:
        entries = connection.execute(select(AUDIT).order_by(AUDIT.c.id)).all()
    assert [(entry.what, entry.who, entry.detail) for entry in entries] == [
        ("promoters", "nightly run", {"people": 1}), ("thanked", "ana", {"promoter": 1}),
    ]  # fmt: skip
    assert "my secret name" not in str(entries)


def test_a_night_keeps_its_foremost_alone(opening: Callable[..., Store]) -> None:
    store = opening(Policy(thanks=Thanks(most=2)))
    rows = [happy(f"C-{number}") for number in range(5)]
    assert taken(store, *rows) == 2
    assert taken(store, *rows, at=LATER) == 0  # the third of a night does not come in by the night being repeated
    assert [one.case_key for one in promoters(store, 10)] == ["C-0", "C-1"]
    assert taken(opening(Policy(thanks=Thanks(most=0))), *rows[3:]) == 0


def test_who_waits_for_thanks_is_not_there_twice(store: Store) -> None:
    taken(store, happy("C-1", "first"))
    assert taken(store, happy("C-1", "and another thing", created_at="2026-11-21T08:00:00"), at=LATER) == 0
    assert [one.text for one in promoters(store, 10)] == ["first"]


def test_who_was_thanked_comes_again_for_what_they_write_later(store: Store) -> None:
    taken(store, happy("C-1", "first"))
    thank(store, 1, ANA, at=AT)
    before = (AT - DAY).isoformat()
    assert taken(store, happy("C-1", "first"), happy("C-1", "of before", created_at=before), at=AT + DAY) == 0
    later = happy("C-1", "of after", created_at=(AT + DAY).isoformat())
    assert taken(store, later, at=AT + DAY) == 1
    assert [(one.text, one.thanked_by) for one in promoters(store, 10)] == [("of after", None), ("first", "ana")]
    assert taken(store, later, at=AT + 2 * DAY) == 0


def test_who_is_still_to_be_thanked_comes_first_and_the_most_valuable(store: Store) -> None:
    taken(
        store, happy("nobody knows"), happy("heard", reach=900.0), happy("small", customer_value=1.0),
        happy("thanked", customer_value=9_000.0), happy("big", customer_value=900.0),
    )  # fmt: skip
    thank(store, 4, ANA, at=AT)
    order = ["big", "small", "heard", "nobody knows", "thanked"]
    assert [one.case_key for one in promoters(store, 10)] == order
    assert [one.case_key for one in promoters(store, 2, 1)] == order[1:3]
    assert promoters(store, 2, 5) == []


def test_a_text_that_no_database_could_keep(store: Store) -> None:
    taken(store, happy("C-1", "well\x00done"))
    assert promoters(store, 1)[0].text == "well\u2400done"
    assert taken(store, happy("C-1", "well\x00done"), at=LATER) == 0


def test_the_second_who_thanks_is_told_who_did(store: Store) -> None:
    taken(store, happy("C-1"))
    done = thank(store, 1, ANA, at=AT)
    assert (done.thanked_by, done.thanked_at) == ("ana", AT)
    before = everything(store)
    for by in (BO, ANA):
        with pytest.raises(ConflictError, match=r"^ana has thanked them already$") as caught:
            thank(store, 1, by, at=AT + DAY)
        assert caught.value.owner == "ana"
    assert everything(store) == before
    assert store.audit() == []


def test_of_many_at_once_one_thanks(store: Store) -> None:
    taken(store, happy("C-1"))
    people = [Actor(f"agent {number}", "test") for number in range(8)]
    done = at_once(*(lambda by=by: thank(store, 1, by) for by in people))
    [winner] = [one for one in done if isinstance(one, Promoter)]
    losers = [one for one in done if isinstance(one, ConflictError)]
    assert len(losers) == 7
    assert {one.owner for one in losers} == {winner.thanked_by}
    assert store.audit() == []


@pytest.mark.parametrize("number", [0, 1, -1, 2**31, 2**70])
def test_nobody_has_such_a_number(store: Store, number: int) -> None:
    with pytest.raises(UnknownPromoterError) as caught:
        thank(store, number, ANA)
    assert str(caught.value) == f"nobody to thank has the number {number}"
