"""What only Parquet has: types, dictionaries, nested columns."""

from __future__ import annotations

import datetime
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Read = Callable[..., Any]


@pytest.fixture
def read_table(tmp_path: Path, read: Read) -> Callable[..., Any]:
    """Return a function that writes columns and reads them as feedback."""

    def read_table_(columns: dict[str, Any], **options: Any) -> Any:
        pq.write_table(pa.table(columns), tmp_path / "a.parquet")
        return read(tmp_path / "a.parquet", **options)

    return read_table_


def test_dates_become_iso_text(read_table: Read) -> None:
    moment = datetime.datetime(2026, 1, 31, 9, 30, 0, 250_000)
    for kind, expected in [
        (pa.timestamp("us"), "2026-01-31 09:30:00.250000"),
        (pa.timestamp("ms", "UTC"), "2026-01-31 09:30:00.250Z"),
        (pa.timestamp("ns", "Europe/Berlin"), "2026-01-31 09:30:00.250000000Z"),
        (pa.date32(), "2026-01-31"),
    ]:
        out = read_table({"text": ["late", "lost"], "created_at": pa.array([moment, None], kind)})
        assert [row["created_at"] for row in out.rows] == [expected, None]


def test_a_date_out_of_range_or_of_another_type_is_bad(read_table: Read) -> None:
    for values in (pa.array([10**18], pa.timestamp("us")), pa.array([20260131]), pa.array([b"2026-01-31"])):
        assert read_table({"text": ["late"], "created_at": values}).rejects == [(1, "bad_created_at")]


def test_numbers_of_all_types(read_table: Read) -> None:
    columns = {
        "id": pa.array([1, 2, 3], pa.uint16()),
        "text": ["a", "b", "c"],
        "nps": pa.array([0, 10, None], pa.int8()),
        "reach": pa.array([0.5, float("nan"), None], pa.float32()),
        "customer_value": pa.array([1, None, 2], pa.decimal128(5, 2)),
        "customer_id": pa.array([7, 8, 9]),
    }
    out = read_table(columns)
    assert out.rejects == [(2, "bad_value")]
    assert [(r["id"], r["nps"], r["reach"], r["customer_value"], r["customer_id"]) for r in out.rows] == [
        ("1", 0.0, 0.5, 1.0, "7"),
        ("3", None, None, 2.0, "9"),
    ]


def test_ids_that_are_no_integers_are_missing(read_table: Read) -> None:
    for ids in (pa.array([1.0]), pa.array([True]), pa.array([None], pa.string()), pa.array([b"1"])):
        assert read_table({"text": ["late"], "id": ids}).rejects == [(1, "missing_id")]


def bad_strings() -> pa.Array:
    """Return three strings, the second of which is not UTF-8."""
    return pa.Array.from_buffers(pa.string(), 3, pa.array([b"late", b"l\xe9te", b"lost"]).buffers())


@pytest.mark.parametrize("column", ["text", "note"])
def test_a_string_that_is_not_utf8_costs_one_row(column: str, read_table: Read) -> None:
    columns = {"text": pa.array(["late", "late", "lost"]), column: bad_strings()}
    out = read_table(columns)
    assert out.rejects == [(2, "bad_encoding")]
    assert out.texts == ["late", "lost"]


def test_nul_is_found_in_columns_nobody_asked_for(read_table: Read) -> None:
    columns = {
        "text": ["a", "b", "c", "d"],
        "note": ["", "\0", "", None],
        "tags": [["x"], [], ["y\0"], None],
        "more": [{"a": "x"}, None, None, {"a": "z\0"}],
    }
    out = read_table(columns)
    assert out.rejects == [(2, "nul_char"), (3, "nul_char"), (4, "nul_char")]
    assert out.texts == ["a"]


def test_bad_bytes_inside_a_list_cost_one_row(read_table: Read) -> None:
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), bad_strings())
    assert read_table({"text": ["a", "b", "c"], "tags": lists}).rejects == [(2, "bad_encoding")]


def test_an_empty_table_has_no_rows(read_table: Read) -> None:
    out = read_table({"text": pa.array([], pa.string())})
    assert (out.rows, out.rejects) == ([], [])


def test_one_long_text_many_times_stays_small(tmp_path: Path, read: Read) -> None:
    """A dictionary makes 100 MB of text a file of some kilobytes; no more than a batch of it may stand in memory."""
    text = "x" * 1_000_001
    pq.write_table(pa.table({"text": pa.array([text] * 100)}), tmp_path / "a.parquet")
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    out = read(tmp_path / "a.parquet")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(out.rejects) == 100
    assert max(out.batch_sizes) <= 9
    assert peak < 60 * 2**20
    assert pa.total_allocated_bytes() - before < 30 * 2**20


def test_odd_column_names_do_not_shift_the_others(read_table: Read) -> None:
    columns = {"": ["w"], "a.b": ["x"], "a": [{"b": "y"}], "text": ["late"], "id": ["1"]}
    (row,) = read_table(columns).rows
    assert (row["id"], row["text"]) == ("1", "late")
