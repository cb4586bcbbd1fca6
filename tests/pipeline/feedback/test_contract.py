"""What every reader must do, in every compression."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.feedback.readers import READERS
from pipeline.feedback.record import CANONICAL
from pipeline.feedback.sources import FORMATS

Rows = list[dict[str, Any]]

ROWS: Rows = [
    {
        "id": "a1",
        "text": 'Late again, "of course".\nThird time!\r\nRefund\tme.',
        "created_at": "2026-01-31T09:30:00+01:00",
        "channel": "email",
        "lang": "en",
        "industry": "retail",
        "customer_id": "007",
        "customer_value": 1250.5,
        "reach": 40.0,
        "nps": 2.0,
    },
    {"id": "NA", "text": "null", "created_at": "2026-02-01"},
    {"id": "1e5", "text": "Grüße – 你好 🙂\u2028next", "channel": "TRUE", "nps": 10.0},
    {"id": "  ", "text": "no id"},
    {"id": "b", "text": " \u200b "},
    {"id": "NA", "text": "the same id again"},
]
COLUMNS = [name for name in CANONICAL.names if name not in ("source", "record")]


def as_delimited(rows: Rows, delimiter: str) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def as_parquet(rows: Rows) -> bytes:
    sink = io.BytesIO()
    schema = pa.schema([CANONICAL.field(name) for name in COLUMNS])
    pq.write_table(pa.Table.from_pylist(rows, schema), sink)
    return sink.getvalue()


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    "csv": lambda rows: as_delimited(rows, ","),
    "tsv": lambda rows: as_delimited(rows, "\t"),
    "jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    "parquet": as_parquet,
}

every_file = pytest.mark.parametrize(
    "name", [f"dump.{format_}{packed}" for format_ in WRITERS for packed in ("", ".gz", ".zst")]
)


def written(name: str, rows: Rows) -> bytes:
    return WRITERS[name.split(".")[1]](rows)


def test_every_reader_is_held_to_the_contract() -> None:
    assert set(READERS) == set(WRITERS) == set(FORMATS.values())


@every_file
def test_the_same_rows_come_out_of_every_format(name: str, read_text: Callable[..., Any]) -> None:
    out = read_text(written(name, ROWS), name)
    expected = [dict.fromkeys(COLUMNS) | row for row in ROWS[:3]]
    assert [{key: row[key] for key in COLUMNS} for row in out.rows] == expected
    assert [row["record"] for row in out.rows] == [1, 2, 3]
    assert all(row["source"].endswith(name) for row in out.rows)
    assert out.rejects == [(4, "missing_id"), (5, "empty_text"), (6, "duplicate_id")]


@every_file
@pytest.mark.parametrize("batch_rows", [1, 2, 5])
def test_batches_are_bounded_and_make_no_difference(name: str, batch_rows: int, read_text: Callable[..., Any]) -> None:
    whole = read_text(written(name, ROWS), name)
    out = read_text(written(name, ROWS), name, batch_rows=batch_rows)
    assert (out.rows, out.rejects) == (whole.rows, whole.rejects)
    assert max(out.batch_sizes) <= batch_rows


@pytest.mark.parametrize("format_", list(WRITERS))
def test_large_rows_make_small_batches(format_: str, read_text: Callable[..., Any]) -> None:
    rows = [{"id": str(i), "text": f"{i}" + " " * 900_000 + "x" * 1_100_000} for i in range(12)]
    out = read_text(written(f"dump.{format_}", rows), f"dump.{format_}", max_decompressed_mib=99)
    assert out.rejects == [(record, "text_too_long") for record in range(1, 13)]
    assert len(out.batch_sizes) > 1
    assert max(out.batch_sizes) <= 5


@every_file
def test_columns_may_be_called_otherwise(name: str, read_text: Callable[..., Any]) -> None:
    rows = [{"id": "1", "text": "ignored", "channel": "the text itself", "industry": "mail"}]
    out = read_text(written(name, rows), name, columns={"text": "channel", "channel": "industry"})
    assert [(row["text"], row["channel"]) for row in out.rows] == [("the text itself", "mail")]


@every_file
def test_personal_data_is_masked(name: str, read_text: Callable[..., Any]) -> None:
    (text,) = read_text(written(name, [{"id": "1", "text": " write to ann@example.com, now "}]), name).texts
    assert "ann@example.com" not in text
    assert text.startswith(" write to ")
    assert text.endswith(", now ")


@every_file
def test_ids_are_derived_where_the_file_has_none(name: str, read_text: Callable[..., Any]) -> None:
    rows = [{"text": "late"}, {"text": "late"}, {"text": "lost"}]
    if name.startswith("dump.jsonl"):
        content = written(name, rows)
    elif name.startswith("dump.parquet"):
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        content = sink.getvalue()
    else:
        content = b"text\nlate\nlate\nlost\n"
    first, again = read_text(content, name), read_text(content, name, batch_rows=1)
    assert len(set(first.ids)) == 3
    assert all(len(identifier) == 32 and int(identifier, 16) >= 0 for identifier in first.ids)
    assert first.ids == again.ids
