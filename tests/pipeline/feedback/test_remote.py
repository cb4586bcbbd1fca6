"""What lies elsewhere is fetched once, by name and content, and read like what lies here."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pipeline.config import Config, ConfigError, load
from pipeline.feedback.reading import read_feedback
from pipeline.feedback.remote import forget, gathered
from pipeline.feedback.sources import InputError


@pytest.fixture
def store() -> Iterator[Any]:
    """Return a file system in memory, as an object store is one elsewhere."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate({"ingest": {"copies": str(tmp_path / "copies")}})


def texts(found: Any, config: Config) -> list[str]:
    return [
        text for file in found.files for batch in read_feedback(file, ingest=config.ingest)
        for text in batch.rows.column("text").to_pylist()
    ]  # fmt: skip


def test_a_folder_a_glob_and_a_file_of_a_store(store: Any, config: Config, tmp_path: Path) -> None:
    store.pipe("/dump/a.csv", b"id,text\n1,first\n")
    store.pipe("/dump/b.jsonl.gz", gzip.compress(b'{"id": "2", "text": "second"}\n'))
    store.pipe("/dump/notes.txt", b"hello")
    folder = gathered(["memory://dump"], config)
    assert texts(folder, config) == ["first", "second"]
    assert folder.ignored == ["memory:///dump/notes.txt"]
    assert [file.name for file in folder.files] == ["memory:///dump/a.csv", "memory:///dump/b.jsonl.gz"]
    assert texts(gathered(["memory://dump/*.csv"], config), config) == ["first"]
    assert texts(gathered(["memory://dump/a.csv"], config), config) == ["first"]


def test_a_copy_is_used_again_until_what_it_is_of_changes(store: Any, config: Config, tmp_path: Path) -> None:
    store.pipe("/dump/a.csv", b"id,text\n1,first\n")
    one, again = (gathered(["memory://dump/a.csv"], config) for _ in range(2))
    assert one.files[0].path == again.files[0].path
    store.pipe("/dump/a.csv", b"id,text\n1,changed\n")
    other = gathered(["memory://dump/a.csv"], config)
    assert texts(other, config) == ["changed"]
    forget(other, config)
    assert not other.files[0].path.exists()
    mine = tmp_path / "mine.csv"
    mine.write_text("text\nhello\n")
    forget(gathered([str(mine)], config), config)
    assert mine.exists()  # what is no copy is nobody's to remove


def test_what_a_store_does_not_have_is_said(store: Any, config: Config) -> None:
    with pytest.raises(InputError, match=r"^memory://dump/none.csv cannot be read \(.*\); check the address and its"):
        gathered(["memory://dump/none.csv"], config)
    with pytest.raises(InputError, match=r"^(s3:// needs a library that is not installed; pip install s3fs|s3://)"):
        gathered(["s3://bucket/dump.csv"], config)


@pytest.fixture
def database(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute("create table ticket (id integer, body text, at timestamp, spent numeric, secret text)")
        rows = [(1, "cancelling tonight", "2026-11-20 18:30:00", 12.5, "x"), (2, None, None, None, "y")]
        connection.executemany("insert into ticket values (?, ?, ?, ?, ?)", rows)
    return f"sqlite:///{tmp_path}/crm.db"


QUERY = "select id, body as text, at as created_at, spent as customer_value from ticket order by id"


def test_a_query_is_read_like_a_file_and_asked_once(database: str, config: Config, tmp_path: Path) -> None:
    found = gathered([database], config, query=QUERY)
    batches = list(read_feedback(found.files[0], ingest=config.ingest))
    rows = [row for batch in batches for row in batch.rows.select(["id", "text", "customer_value"]).to_pylist()]
    assert rows == [{"id": "1", "text": "cancelling tonight", "customer_value": 12.5}]
    assert [reject.reason for batch in batches for reject in batch.rejects] == ["missing_text"]
    (tmp_path / "crm.db").unlink()
    assert gathered([database], config, query=QUERY).files[0].sha256() == found.files[0].sha256()  # a job goes on
    forget(found, config)
    with pytest.raises(InputError, match=r"^the query on sqlite:///.*crm.db failed \(no such table: ticket\); check"):
        gathered([database], config, query=QUERY)


def test_passwords_are_nowhere(config: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        gathered(["postgresql+psycopg://me:hunter2@127.0.0.1:1/crm"], config, query="select 1 as text")
    assert "hunter2" not in str(caught.value)
    assert "me:***@127.0.0.1" in str(caught.value)
    with pytest.raises(InputError, match=r"^--query takes one input, the SQLAlchemy URL of a database; got 2$"):
        gathered(["a", "b"], config, query="select 1")


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
    config = load(preset=name)
    (file,) = gathered([str(path)], config).files
    (batch,) = read_feedback(file, ingest=config.ingest)
    (row,) = batch.rows.to_pylist()
    assert (row["text"], row["customer_id"]) == ("where is it?", "99")
    assert row["created_at"].startswith("2026-11-20")
    assert {reject.reason for reject in batch.rejects} <= {"bad_created_at"}


def test_an_unknown_preset_and_a_changed_one() -> None:
    with pytest.raises(ConfigError, match=r"^there is no preset 'zendisk'; known are medallia, qualtrics, zendesk "):
        load(preset="zendisk")
    assert load(overrides=["ingest.columns.text=body"], preset="zendesk").ingest.columns["text"] == "body"
    assert load(preset="zendesk").ingest.columns["customer_id"] == "requester_id"
