"""Splits: nobody is on two sides, and neither order nor chance has a say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.schema import Head, Schema
from models.targets import encode_all
from pipeline.config import ConfigError
from pipeline.learning.dataset import KEPT, Dataset
from pipeline.learning.splits import Splits, groups, near_duplicates, normalise, split
from pipeline.settings import Split

SCHEMA = Schema((Head("lost", "binary"),))
LONG = (
    "The parcel was promised for Monday and came on Thursday, the box was torn open, two of six glasses were broken, "
    "and nobody at your hotline could tell me how I get my money back without sending the shards across the country."
)


def dataset(texts: list[str], **columns: list[str | None]) -> Dataset:
    given_: dict[str, list[str | None]] = {name: [None] * len(texts) for name in (*KEPT, "split")}
    cells: list[list[str] | None] = [["yes"]] * len(texts)
    return Dataset(SCHEMA, given_ | {"text": [*texts]} | columns, encode_all(SCHEMA, {"lost": cells}), {})


def sides(splits: Splits, rows: int) -> list[str]:
    """Return the side of each row, "none" for rows on no side."""
    out = ["none"] * rows
    for name in ("train", "calibration", "test"):
        for row in getattr(splits, name):
            assert out[row] == "none"  # on one side only
            out[row] = name
    return out


def invented(rows: int, seed: int = 0) -> list[str]:
    """Return texts of twelve words of their own, so that none is like another."""
    random = np.random.default_rng(seed)
    return [" ".join("".join(random.choice(list("abcdefghijklmnop"), 6)) for _ in range(12)) for _ in range(rows)]


@pytest.fixture(scope="module")
def splits(corpus: Dataset) -> Splits:
    return split(corpus, Split())


def test_shares_are_roughly_those_asked_for(corpus: Dataset, splits: Splits) -> None:
    counts = Counter(sides(splits, len(corpus)))
    assert sum(counts.values()) == len(corpus) == 3_300
    assert counts["none"] == 0
    assert counts["test"] / 3_300 == pytest.approx(0.2, abs=0.02)
    assert counts["calibration"] / 3_300 == pytest.approx(0.1, abs=0.02)
    assert splits.excluded == {}


def test_no_group_is_on_two_sides(corpus: Dataset, splits: Splits) -> None:
    of_group: dict[int, set[str]] = {}
    for group, side in zip(splits.group.tolist(), sides(splits, len(corpus)), strict=True):
        of_group.setdefault(group, set()).add(side)
    assert all(len(found) == 1 for found in of_group.values())
    assert len(of_group) < len(corpus)  # the text that stands twice is one group


def test_the_order_of_the_rows_does_not_matter(corpus: Dataset, splits: Splits) -> None:
    order = np.random.default_rng(4).permutation(len(corpus))
    shuffled = Dataset(
        corpus.schema,
        {name: [column[row] for row in order] for name, column in corpus.columns.items()},
        {name: target.take(order) for name, target in corpus.targets.items()},
        corpus.files,
    )
    before, after = sides(splits, len(corpus)), sides(split(shuffled, Split()), len(corpus))
    assert after == [before[row] for row in order]


def test_more_rows_move_nobody_to_another_side() -> None:
    texts, customers = invented(300), [f"c{row % 90}" for row in range(300)]
    few = dataset(texts[:200], customer_id=customers[:200])  # type: ignore[arg-type]
    more = dataset(texts, customer_id=customers)  # type: ignore[arg-type]
    assert sides(split(more, Split()), 300)[:200] == sides(split(few, Split()), 200)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(0, 99))
def test_a_customer_is_on_one_side(customers: list[int], seed: int) -> None:
    names: list[str | None] = [f"c{seed}-{customer}" for customer in customers]
    found = sides(
        split(dataset(invented(len(customers), seed), customer_id=names), Split(test=0.4, calibration=0.3)),
        len(customers),
    )
    by_customer: dict[Any, set[str]] = {}
    for name, side in zip(names, found, strict=True):
        by_customer.setdefault(name, set()).add(side)
    assert all(len(found) == 1 for found in by_customer.values())


def test_another_column_may_keep_rows_together() -> None:
    industries: list[str | None] = [f"i{row % 20}" for row in range(200)]
    found = split(dataset(invented(200), industry=industries), Split(by="industry", test=0.4))
    by_industry: dict[Any, set[str]] = {}
    for name, side in zip(industries, sides(found, 200), strict=True):
        by_industry.setdefault(name, set()).add(side)
    assert all(len(on) == 1 for on in by_industry.values())
    assert len({*sides(found, 200)}) == 3


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        split(dataset(["a", "b"]), Split(by="client"))
    assert str(caught.value) == (
        "data.split.by must be one of source, id, text, created_at, customer_id, customer_value, channel, lang, "
        "industry, nps, split; got 'client'"
    )


ALIKE = [
    LONG,
    LONG.upper(),
    LONG.replace(",", "").replace(".", "!!!"),
    LONG.replace(" ", "  ") + " 😡😡",
    LONG.replace("Thursday", "Friday"),
    "  " + LONG.replace("glasses", "bottles") + "\n",
    LONG.replace("box", "bo\u200bx"),
]


@pytest.mark.parametrize("other", ALIKE, ids=range(len(ALIKE)))
def test_near_duplicates_go_together(other: str) -> None:
    texts = [*invented(10), LONG, *invented(10, seed=1), other, "short one", "The parcel was promised for Monday."]
    customers: list[str | None] = [f"c{row}" for row in range(len(texts))]
    group = split(dataset(texts, customer_id=customers), Split()).group
    assert group[10] == group[21]
    assert len(set(group.tolist())) == len(texts) - 1


def test_likeness_is_handed_on_and_joins_customers() -> None:
    """A customer's other texts go where the copied one goes."""
    texts = [LONG, LONG.replace("Thursday", "Friday"), *invented(2)]
    group = split(dataset(texts, customer_id=["a", "b", "b", "c"]), Split()).group
    assert group[0] == group[1] == group[2] != group[3]


def test_texts_that_only_share_a_topic_stay_apart() -> None:
    texts = ["my parcel is late again", "my parcel is here, thanks", "where is my parcel", "parcel arrived broken"]
    assert near_duplicates(texts) == []
    assert near_duplicates([]) == []
    assert near_duplicates(["a", "abc", "abcde"]) == []  # too short to be compared


def test_punctuation_alone_makes_no_difference() -> None:
    assert normalise("late, again!!! 😡 (really_late)") == "late again really late"
    assert groups(["a", "b", "c"], ["late again", "late again", "other"]).tolist() == [0, 0, 1]


# ---- the source's own split ------------------------------------------------------------------------------------------


def test_the_sources_own_split_is_kept() -> None:
    own: list[str | None] = ["train"] * 40 + ["calibration"] * 10 + ["test"] * 50
    found = split(dataset(invented(100), split=own), Split())
    assert sides(found, 100) == own
    assert found.excluded == {}


def test_a_calibration_side_is_cut_from_train_where_the_source_names_none() -> None:
    own: list[str | None] = ["train"] * 800 + ["test"] * 200
    found = sides(split(dataset(invented(1_000), split=own), Split(calibration=0.2)), 1_000)
    assert found[800:] == ["test"] * 200
    assert set(found[:800]) == {"train", "calibration"}
    assert found.count("calibration") / 800 == pytest.approx(0.2, abs=0.05)


def test_other_words_are_left_out_and_counted() -> None:
    own: list[str | None] = ["train"] * 10 + ["overlap"] * 3 + ["calibration", "test"]
    found = split(dataset(invented(15), split=own), Split())
    assert sides(found, 15) == ["train"] * 10 + ["none"] * 3 + ["calibration", "test"]
    assert found.excluded["other split word"] == 3


def test_a_source_without_a_split_of_its_own_is_split_by_hash_beside_one_that_has_one() -> None:
    own: list[str | None] = ["train"] * 100 + ["test"] * 20 + [None] * 400
    found = split(dataset(invented(520), split=own), Split())
    assert sides(found, 520)[400:] == sides(split(dataset(invented(520)), Split()), 520)[400:]
    assert sides(found, 520)[100:120] == ["test"] * 20
    assert "other split word" not in found.excluded


def test_what_would_leak_from_a_test_row_is_left_out_of_training() -> None:
    texts = invented(20)
    customers: list[str | None] = [f"c{row}" for row in range(20)]
    own: list[str | None] = ["train"] * 8 + ["calibration"] * 4 + ["test"] * 8
    customers[0] = customers[12]  # a customer of the test side
    customers[9] = customers[13]
    texts[1] = texts[14] + "!"  # a text of the test side
    found = split(dataset(texts, customer_id=customers, split=own), Split())
    assert sides(found, 20) == ["none" if row in (0, 1, 9) else own[row] for row in range(20)]
    assert found.excluded == {"same customer or text as a test row": 3}


def test_rows_with_and_without_a_side_of_their_own_never_part_a_customer() -> None:
    """The same 400 customers in a source that brings its split and in one that brings none."""
    texts = invented(800)
    customers: list[str | None] = [f"c{number % 400}" for number in range(800)]
    named = [["train", "train", "calibration", "test"][number % 4] for number in range(400)]
    own: list[str | None] = [*named, *([None] * 400)]
    found = split(dataset(texts, split=own, customer_id=customers), Split())
    said = sides(found, 800)
    for number in range(400):
        assert said[number] == named[number]
        assert said[number + 400] in (named[number], "none")
    assert found.excluded == {"same customer or text as a test row": 100}


# ---- the latest texts held out ---------------------------------------------------------------------------------------

DAYS = [f"2026-{1 + day // 28:02}-{1 + day % 28:02}" for day in range(200)]


def test_the_latest_texts_are_held_out_where_asked() -> None:
    created: list[str | None] = [DAYS[(row * 37) % 200] for row in range(200)]
    found = split(dataset(invented(200), created_at=created), Split(latest=True))
    when = {name: [created[row] or "" for row in getattr(found, name)] for name in ("train", "calibration", "test")}
    assert max(when["train"]) < min(when["calibration"]) < max(when["calibration"]) < min(when["test"])
    assert [len(when[name]) for name in when] == pytest.approx([140, 20, 40], abs=1)


def test_a_customer_goes_where_the_latest_text_goes_and_the_undated_are_trained_on() -> None:
    created: list[str | None] = [*DAYS[:198], None, None]
    customers: list[str | None] = [f"C{row}" for row in range(200)]
    customers[0] = customers[197]
    found = sides(split(dataset(invented(200), created_at=created, customer_id=customers), Split(latest=True)), 200)
    assert found[0] == found[197] == "test"
    assert found[198:] == ["train", "train"]


def test_of_a_set_that_names_its_sides_the_latest_train_rows_calibrate() -> None:
    own: list[str | None] = ["train"] * 100 + ["test"] * 100
    found = split(dataset(invented(200), created_at=[*DAYS], split=own), Split(latest=True))
    assert found.train.tolist() == list(range(90))
    assert found.calibration.tolist() == list(range(90, 100))
    assert found.test.tolist() == list(range(100, 200))


def test_dates_are_needed_to_tell_the_latest() -> None:
    with pytest.raises(ConfigError, match=r"^data.split.latest needs dates, and no row has a created_at; map one with"):
        split(dataset(invented(20)), Split(latest=True))
