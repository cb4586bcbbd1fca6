"""Any bytes end in rows, rejects or a refusal; large files do not fill the memory."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.feedback.reading import read_feedback
from pipeline.feedback.record import FILE_REASONS, ROW_REASONS, FileRefused
from pipeline.feedback.sources import discover
from pipeline.settings import Ingest

PIECES = [b"text", b"id", b",", b"\t", b"\n", b"\r\n", b'"', b"{", b"}", b'"text"', b":", b"[", b"\xff", b"\0", b"1",
          b"\\u", b"\\ud800", b"\xef\xbb\xbf", b"PAR1", b"nps", b"\x1f\x8b", b"late", b" "]  # fmt: skip
NAMES = ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.jsonl.zst"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), min_size=1).map(b"".join))
def test_any_bytes_are_accounted_for_or_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(b"text,id\n" + content if len(content) % 2 and name.endswith("csv") else content)
    seen, refused = 0, None
    try:
        for batch in read_feedback(discover([tmp_path / name]).files[0], ingest=Ingest(batch_rows=3)):
            records = [*batch.rows.column("record").to_pylist(), *(reject.record for reject in batch.rejects)]
            assert sorted(records) == list(range(seen + 1, seen + 1 + batch.rows_in))
            assert all(reject.reason in ROW_REASONS for reject in batch.rejects)
            seen += batch.rows_in
    except FileRefused as refusal:
        refused = refusal.reason
    assert refused is None or refused in FILE_REASONS


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl"])
def test_a_large_file_is_read_in_little_memory(name: str, tmp_path: Path) -> None:
    line = (
        b'{"id": "%d", "text": "' + b"late " * 100 + b'"}\n' if name == "a.jsonl" else b"%d," + b"late " * 100 + b"\n"
    )
    header = b"" if name == "a.jsonl" else b"id,text\n"
    with (gzip.open if name.endswith("gz") else open)(tmp_path / name, "wb") as stream:
        stream.write(header)
        # Rejected as duplicates, so that masking does not take the time of this test; 10 MB all in all.
        stream.writelines(line % (i % 50) for i in range(20_000))
    tracemalloc.start()
    rows_in = 0
    for batch in read_feedback(
        discover([tmp_path / name]).files[0], ingest=Ingest(batch_rows=500, max_decompressed_mib=99)
    ):
        rows_in += batch.rows_in
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows_in == 20_000
    assert peak < 4 * 2**20


def test_nothing_is_scored_of_a_file_that_breaks_later(tmp_path: Path, read: Callable[..., Any]) -> None:
    content = gzip.compress(b"text\n" + b"".join(b"late %d\n" % i for i in range(20_000)))
    (tmp_path / "a.csv.gz").write_bytes(content[:-2000])
    with pytest.raises(FileRefused, match="truncated_container"):
        read(tmp_path / "a.csv.gz", batch_rows=65_536)
