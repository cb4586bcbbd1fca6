"""What lies elsewhere is fetched once, by name and content, and read like what lies here."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest

from pipeline.config import Config, ConfigError, load
from pipeline.feedback.reading import read_feedback
from pipeline.feedback.remote import _cell, gathered, public
from pipeline.feedback.sources import InputError


@pytest.fixture
def store() -> Iterator[Any]:
    """Return a file system in memory, as an object store is one elsewhere."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    return tmp_path / "copies"


def texts(found: Any) -> list[str]:
    return [
        text for file in found.files for batch in read_feedback(file, ingest=Config().ingest)
        for text in batch.rows.column("text").to_pylist()
    ]  # fmt: skip


def test_a_folder_a_glob_and_a_file_of_a_store(store: Any, copies: Path) -> None:
    store.pipe("/dump/a.csv", b"id,text\n1,first\n")
    store.pipe("/dump/b.jsonl.gz", gzip.compress(b'{"id": "2", "text": "second"}\n'))
    store.pipe("/dump/notes.txt", b"hello")
    folder = gathered(["memory://dump"], Config(), copies)
    assert texts(folder) == ["first", "second"]
    assert folder.ignored == ["memory:///dump/notes.txt"]
    assert [file.name for file in folder.files] == ["memory:///dump/a.csv", "memory:///dump/b.jsonl.gz"]
    assert texts(gathered(["memory://dump/*.csv"], Config(), copies)) == ["first"]
    assert texts(gathered(["memory://dump/a.csv"], Config(), copies)) == ["first"]


def test_a_copy_is_used_again_until_what_it_is_of_changes(store: Any, copies: Path) -> None:
    store.pipe("/dump/a.csv", b"id,text\n1,first\n")
    one, again = (gathered(["memory://dump/a.csv"], Config(), copies) for _ in range(2))
    assert one.files[0].path == again.files[0].path
    store.pipe("/dump/a.csv", b"id,text\n1,changed\n")
    other = gathered(["memory://dump/a.csv"], Config(), copies)
    assert texts(other) == ["changed"]


def test_what_a_store_does_not_have_is_said(store: Any, copies: Path) -> None:
    with pytest.raises(InputError, match=r"^memory://dump/none.csv cannot be read \(.*\); check the address and its"):
        gathered(["memory://dump/none.csv"], Config(), copies)
    with pytest.raises(InputError, match=r"^(s3:// needs a library that is not installed; pip install s3fs|s3://)"):
        gathered(["s3://bucket/dump.csv"], Config(), copies)


@pytest.fixture
def database(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute("create table ticket (id integer, body text, at timestamp, spent numeric, secret text)")
        rows = [(1, "cancelling tonight", "2026-11-20 18:30:00", 12.5, "x"), (2, None, None, None, "y")]
        connection.executemany("insert into ticket values (?, ?, ?, ?, ?)", rows)
    return f"sqlite:///{tmp_path}/crm.db"


QUERY = "select id, body as text, at as created_at, spent as customer_value from ticket order by id"


def test_a_query_is_read_like_a_file_and_asked_once(database: str, copies: Path, tmp_path: Path) -> None:
    found = gathered([database], Config(), copies, query=QUERY)
    batches = list(read_feedback(found.files[0], ingest=Config().ingest))
    rows = [row for batch in batches for row in batch.rows.select(["id", "text", "customer_value"]).to_pylist()]
    assert rows == [{"id": "1", "text": "cancelling tonight", "customer_value": 12.5}]
    assert [reject.reason for batch in batches for reject in batch.rejects] == ["missing_text"]
    (tmp_path / "crm.db").unlink()
    again = gathered([database], Config(), copies, query=QUERY)  # a job goes on with what it began with
    assert again.files[0].sha256() == found.files[0].sha256()
    found.files[0].path.unlink()
    with pytest.raises(InputError, match=r"^the query on sqlite:///.*crm.db failed \(no such table: ticket\); check"):
        gathered([database], Config(), copies, query=QUERY)
    assert list(copies.iterdir()) == []


def test_many_rows_of_a_query_are_few_chunks(copies: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "many.db") as connection:
        connection.execute("create table ticket (id integer, body text)")
        connection.executemany("insert into ticket values (?, ?)", [(n, "hello") for n in range(25_000)])
    query = "select id, body as text from ticket"
    (file,) = gathered([f"sqlite:///{tmp_path}/many.db"], Config(), copies, query=query).files
    assert pq.ParquetFile(file.path).num_row_groups == 3


def test_a_query_only_reads(database: str, copies: Path) -> None:
    with pytest.raises(InputError, match=r"^--query must read: begin it with select, with or values$"):
        gathered([database], Config(), copies, query="drop table ticket")


def test_numbers_and_bytes_of_a_database_are_as_elsewhere() -> None:
    assert _cell(Decimal("12345")) == "12345"
    assert _cell(Decimal("12345678901234567890")) == "12345678901234567890"
    assert _cell(b"hello \xff") == "hello \\xff"
    assert _cell(date(2026, 11, 20)) == "2026-11-20"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://u:p/w@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p@ss@h:1/d?password=geheim", "postgresql://u:***@h:1/d?..."),
        ("https://h/a.csv?sig=geheim", "https://h/a.csv?..."),
        ("s3://bucket/a.csv", "s3://bucket/a.csv"),
    ],
)
def test_what_is_secret_in_an_address_is_not_shown(address: str, shown: str) -> None:
    assert public(address) == shown


def test_passwords_are_nowhere(copies: Path) -> None:
    with pytest.raises(InputError) as caught:
        gathered(["postgresql+psycopg://me:hunter2@127.0.0.1:1/crm"], Config(), copies, query="select 1 as text")
    assert "hunter2" not in str(caught.value)
    assert "me:***@127.0.0.1" in str(caught.value)
    with pytest.raises(InputError, match=r"^--query takes one input, the SQLAlchemy URL of a database; got 2$"):
        gathered(["a", "b"], Config(), copies, query="select 1")
    with pytest.raises(InputError, match=r"a database needs --query$"):
        gathered(["postgresql://u:pw@h/d"], Config(), copies)


def test_the_same_file_by_two_addresses_is_one(store: Any, copies: Path, tmp_path: Path) -> None:
    store.pipe("/dump/a.csv", b"id,text\n1,first\n")
    assert texts(gathered(["memory://dump/a.csv", "memory://dump"], Config(), copies)) == ["first"]
    (tmp_path / "b.csv").write_text("id,text\n1,second\n")
    assert texts(gathered([f"file://{tmp_path}/b.csv", str(tmp_path / "b.csv")], Config(), copies)) == ["second"]


SHAPES = {
    "zendesk": '{"id": 7, "description": "where is it?", "created_at": "2026-11-20T10:00:00Z", "requester_id": 99}\n',
    "qualtrics": (
        "ResponseId,Q1,Q2,RecordedDate,ExternalReference,DistributionChannel,UserLanguage\n"
        '"Response ID","How likely?","Why?","Recorded Date","External Data","Distribution Channel","User Language"\n'
        '"{""ImportId"":""_recordId""}","{}","{}","{""ImportId"":""recordedDate""}","{}","{}","{}"\n'
        "R_1,3,where is it?,2026-11-20 10:00:00,99,email,EN\n"
    ),
    "medallia": (
        "Survey ID,Comments,Likelihood to Recommend,Response Date,Customer ID,Survey Channel,Survey Language,"
        "Customer Value\n7,where is it?,3,2026-11-20,99,web,en,100\n"
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_preset_reads_its_export(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"export.{'jsonl' if name == 'zendesk' else 'csv'}"
    path.write_text(SHAPES[name])
    (file,) = gathered([str(path)], Config(), tmp_path / "copies").files
    (batch,) = read_feedback(file, ingest=load(preset=name).ingest)
    (row,) = batch.rows.to_pylist()
    assert (row["text"], row["customer_id"]) == ("where is it?", "99")
    assert row["created_at"].startswith("2026-11-20")
    assert {reject.reason for reject in batch.rejects} <= {"bad_created_at"}


def test_an_unknown_preset_and_a_changed_one() -> None:
    with pytest.raises(ConfigError, match=r"^there is no preset 'zendisk'; known are medallia, qualtrics, zendesk "):
        load(preset="zendisk")
    assert load(overrides=["ingest.columns.text=body"], preset="zendesk").ingest.columns["text"] == "body"
    assert load(preset="zendesk").ingest.columns["customer_id"] == "requester_id"
