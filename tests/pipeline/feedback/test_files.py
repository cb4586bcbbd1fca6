"""One file, one reason to refuse it whole; the sentence tells its owner what to do."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import os
import re
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pyarrow.parquet import encryption

from pipeline.feedback.reading import read_feedback
from pipeline.feedback.record import FileRefused, InputError
from pipeline.feedback.sources import SourceFile
from pipeline.settings import Ingest

Read = Callable[..., Any]

# Without the time of day, or workers that start in different seconds would collect different tests.
gz = partial(gzip.compress, mtime=0)

PLAIN = b"id,text\n" + b"".join(b"%d,late again and again\n" % i for i in range(2000))


def parquet(table: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink, **options)
    return sink.getvalue()


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return sink.getvalue()


@pytest.fixture
def refused(tmp_path: Path, read: Read) -> Callable[..., FileRefused]:
    """Return a function that reads bytes stored under a name, as they are, and returns the refusal."""

    def refused_(name: str, content: bytes, **options: Any) -> FileRefused:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileRefused) as caught:
            read(tmp_path / name, **options)
        assert str(caught.value).startswith(f"{tmp_path / name}: {caught.value.reason}: ")
        assert "\n" not in str(caught.value)
        return caught.value

    return refused_


PARQUET = parquet({"text": ["late", "lost"]})


@pytest.mark.parametrize(
    ("name", "content", "reason", "words"),
    [
        ("a.csv", b"", "empty_file", "0 bytes"),
        ("a.parquet", b"", "empty_file", "0 bytes"),
        ("a.csv.gz", b"", "empty_file", "0 bytes"),
        ("a.csv.gz", gz(b""), "empty_file", "0 bytes"),
        ("a.jsonl.zst", zstandard.compress(b""), "empty_file", "0 bytes"),
        ("a.parquet.gz", gz(b""), "empty_file", "0 bytes"),
        ("a.csv", "text\nlate\n".encode("utf-16"), "unsupported_encoding", "save it again as UTF-8"),
        ("a.csv", b"\xfe\xff" + "text\n".encode("utf-16-be"), "unsupported_encoding", "UTF-16"),
        ("a.jsonl", "{}".encode("utf-32"), "unsupported_encoding", "UTF-32"),
        ("a.tsv", b"\0\0\xfe\xff" + "text".encode("utf-32-be"), "unsupported_encoding", "UTF-32"),
        ("a.csv.gz", gz("text\n".encode("utf-16")), "unsupported_encoding", "UTF-16"),
        ("a.csv.zst", zstandard.compress("text\n".encode("utf-16")), "unsupported_encoding", "UTF-16"),
        ("a.csv.gz", gz(PLAIN)[:-1], "truncated_container", "ends in the middle"),
        ("a.csv.gz", b"\x1f", "truncated_container", "ends in the middle"),
        ("a.csv.zst", zstandard.compress(PLAIN)[:-1], "truncated_container", "ends in the middle"),
        ("a.parquet", PARQUET[:-1], "truncated_container", "does not end like one"),
        ("a.parquet", b"PAR1", "truncated_container", "does not end like one"),
        ("a.parquet", b"PA", "truncated_container", "does not end like one"),
        ("a.csv.gz", gz(PLAIN) + b"garbage", "corrupt_container", "something else follows"),
        ("a.csv.zst", zstandard.compress(PLAIN) + b"garbage", "corrupt_container", "something else follows"),
        ("a.csv.gz", gz(PLAIN)[:-8] + b"\0" * 8, "corrupt_container", "cannot be decompressed"),
        ("a.parquet", b"PAR1" + b"x" * 40 + PARQUET[-8:], "corrupt_container", "cannot be read as Parquet"),
        ("a.parquet", b"PARE" + b"x" * 40 + b"PARE", "corrupt_container", "encrypted"),
        ("a.csv.gz", PLAIN, "type_mismatch", "says .gz"),
        ("a.csv.zst", gz(PLAIN), "type_mismatch", "says .zst"),
        ("a.parquet", PLAIN, "type_mismatch", "says .parquet"),
        ("a.csv", PARQUET, "type_mismatch", "a Parquet file"),
        ("a.csv", gz(PLAIN), "type_mismatch", "add .gz"),
        ("a.csv", zstandard.compress(PLAIN), "type_mismatch", "add .zst"),
        ("a.csv", zipped(), "type_mismatch", "Excel"),
        ("a.jsonl", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "type_mismatch", "old Excel"),
        ("a.csv", b"%PDF-1.7\n", "type_mismatch", "a PDF"),
        ("a.csv", b"SQLite format 3\0....", "type_mismatch", "SQLite"),
        ("a.csv", bz2.compress(PLAIN), "type_mismatch", "bzip2"),
        ("a.tsv", lzma.compress(PLAIN), "type_mismatch", "xz"),
        ("a.csv.gz", gz(gz(PLAIN)), "type_mismatch", "gzip"),
        ("a.csv", b"id,text,Text , text\n", "duplicate_column", "'text' stands there twice, columns 2 and 4"),
        ("a.parquet", parquet({"text": ["a"], " text": ["b"]}), "duplicate_column", "'text'"),
        ("a.parquet", parquet({"text": [1, 2]}), "wrong_type", "holds int64"),
        ("a.parquet", parquet({"text": [["late"]]}), "wrong_type", "cast it to string"),
        ("a.parquet", parquet({"text": pa.array([b"late"])}), "wrong_type", "holds binary"),
        ("a.csv", b"\n\n", "missing_column", "it names none"),
        ("a.csv", b"id;text\n1;late\n", "missing_column", "export it with commas"),
        ("a.parquet", parquet({"id": ["1"]}), "missing_column", "it has 'id'"),
    ],
)  # fmt: skip
def test_a_file_is_refused(
    name: str, content: bytes, reason: str, words: str, refused: Callable[..., FileRefused]
) -> None:
    refusal = refused(name, content)
    assert refusal.reason == reason
    assert words in str(refusal)


@pytest.mark.parametrize(
    ("header", "columns", "proposed"),
    [
        ("id,Body,date", {}, "'Body'"),
        ("id,TEXT,body", {}, "'TEXT'"),
        ("id,text,Consumer complaint narrative", {"text": "narrative"}, "'narrative'"),
        ("Date,Consumer complaint narrative", {}, "'Consumer complaint narrative'"),
        ("id,tex", {}, "'tex'"),
    ],
)
def test_the_mapping_that_would_mend_it_is_proposed(
    header: str, columns: dict[str, str], proposed: str, refused: Callable[..., FileRefused]
) -> None:
    refusal = refused("a.csv", f"{header}\n".encode(), columns=columns)
    assert refusal.reason == "missing_column"
    for name in header.split(","):
        assert repr(name) in str(refusal)
    if not columns:
        assert str(refusal).endswith(f"--set ingest.columns.text={proposed}")


@pytest.mark.parametrize(("pack", "suffix"), [(gz, "gz"), (zstandard.compress, "zst")])
def test_a_cut_is_noticed_wherever_it_is(
    pack: Callable[[bytes], bytes], suffix: str, refused: Callable[..., FileRefused]
) -> None:
    whole = pack(PLAIN)
    for end in range(1, len(whole), max(1, len(whole) // 60)):
        assert refused(f"a.csv.{suffix}", whole[:end]).reason == "truncated_container"


@pytest.mark.parametrize("end", [1, 3, 4, 11, 100, -2])
def test_a_cut_parquet_file_is_noticed(end: int, refused: Callable[..., FileRefused]) -> None:
    assert refused("a.parquet", PARQUET[:end]).reason == "truncated_container"


@pytest.mark.parametrize(("pack", "name"), [(gz, "a.csv.gz"), (zstandard.compress, "a.csv.zst")])
def test_several_members_are_one_file(pack: Callable[[bytes], bytes], name: str, tmp_path: Path, read: Read) -> None:
    (tmp_path / name).write_bytes(b"".join(pack(PLAIN[start : start + 999]) for start in range(0, len(PLAIN), 999)))
    assert len(read(tmp_path / name).rows) == 2000


def test_a_frame_to_be_skipped_is_skipped(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.csv.zst").write_bytes(b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstandard.compress(b"text\nlate\n"))
    assert read(tmp_path / "a.csv.zst").texts == ["late"]


@pytest.mark.parametrize(("pack", "name"), [(gz, "a.csv.gz"), (zstandard.compress, "a.jsonl.zst")])
def test_a_bomb_is_refused_by_its_ratio(
    pack: Callable[[bytes], bytes], name: str, refused: Callable[..., FileRefused]
) -> None:
    assert refused(name, pack(b"text\n" + b"x" * (5 * 2**20))).reason == "bomb"
    assert "ingest.max_decompressed_mib" in str(refused(name, pack(b"text\n" + b"x" * (60 * 2**20))))


@pytest.mark.parametrize(("pack", "name"), [(gz, "a.csv.gz"), (zstandard.compress, "a.csv.zst")])
def test_a_bomb_is_refused_by_its_size(
    pack: Callable[[bytes], bytes], name: str, refused: Callable[..., FileRefused]
) -> None:
    content = b"text\n" + b"".join(os.urandom(20).hex().encode() + b"\n" for _ in range(7000))
    assert "more than 0.25 MiB" in str(refused(name, pack(content), max_decompressed_mib=0.25))


def test_what_shrinks_well_is_no_bomb_below_4_mib(read_text: Read) -> None:
    assert len(read_text("text\n" + "late\n" * 5000, "a.csv.gz").rows) == 5000


def test_a_parquet_bomb_is_refused(refused: Callable[..., FileRefused]) -> None:
    texts = {"text": ["x" * 2**20] * 5}
    content = parquet(texts, use_dictionary=False, compression="zstd")
    assert refused("a.parquet", content).reason == "bomb"
    content = parquet({"text": [os.urandom(600).hex()] * 1000}, use_dictionary=False, compression="none")
    assert re.search("bytes of it unpack to 1,", str(refused("a.parquet", content, max_decompressed_mib=1)))


class Keys(encryption.KmsClient):  # type: ignore[misc]
    """Keys that are kept nowhere."""

    def wrap_key(self, key_bytes: bytes, _name: str) -> bytes:
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key: bytes, _name: str) -> bytes:
        return base64.b64decode(wrapped_key)


@pytest.mark.parametrize("plain_footer", [True, False])
def test_encrypted_parquet_is_refused(plain_footer: bool, tmp_path: Path, refused: Callable[..., FileRefused]) -> None:
    factory = encryption.CryptoFactory(lambda _: Keys())
    rules = encryption.EncryptionConfiguration("footer", column_keys={"key": ["text"]}, plaintext_footer=plain_footer)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), rules)
    table = pa.table({"text": ["late"], "id": ["1"]})
    with pq.ParquetWriter(tmp_path / "b.parquet", table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    refusal = refused("a.parquet", (tmp_path / "b.parquet").read_bytes())
    assert refusal.reason == "corrupt_container"
    assert "write it without encryption" in str(refusal)


def test_broken_pages_are_refused(refused: Callable[..., FileRefused]) -> None:
    broken = bytearray(parquet({"text": [os.urandom(30).hex() for _ in range(500)]}, compression="zstd"))
    broken[40:4000] = os.urandom(3960)
    assert refused("a.parquet", bytes(broken)).reason == "corrupt_container"


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_all_kinds_of_string_are_text(kind: pa.DataType, tmp_path: Path, read: Read) -> None:
    pq.write_table(pa.table({"text": pa.array(["late", None, "lost"]).cast(kind)}), tmp_path / "a.parquet")
    out = read(tmp_path / "a.parquet")
    assert out.texts == ["late", "lost"]
    assert out.rejects == [(2, "missing_text")]


def test_a_pipe_in_place_of_the_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    file = SourceFile(tmp_path / "a.csv", "a.csv", "csv")
    with pytest.raises(FileRefused, match=r"a\.csv: not_regular_file: a plain file was expected and this is a pipe"):
        next(read_feedback(file, ingest=Ingest()))


def test_a_file_that_went_away_is_an_input_error(tmp_path: Path) -> None:
    file = SourceFile(tmp_path / "a.csv", "a.csv", "csv")
    with pytest.raises(InputError, match=r"there is no file 'a\.csv'"):
        next(read_feedback(file, ingest=Ingest()))


def test_a_header_alone_is_no_row_and_no_error(read_text: Read) -> None:
    out = read_text("\ufeff id , text \r\n\r\n")
    assert (out.rows, out.rejects) == ([], [])


def test_unnamed_columns_may_repeat(read_text: Read) -> None:
    assert read_text("text,,\nlate,,\n").texts == ["late"]


def test_a_name_that_cannot_be_shown_is_not_proposed(refused: Callable[..., FileRefused]) -> None:
    for header in (b"\0,\xff", b'"two\nlines"'):
        sentence = str(refused("a.csv", header + b"\n"))
        assert sentence.encode()
        assert "--set" not in sentence
