"""Files written from bytes, and what comes of reading them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pipeline.feedback.reading import read_feedback
from pipeline.feedback.sources import discover
from pipeline.settings import Ingest

PACK: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


@dataclass
class Outcome:
    """All that came out of one file."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    rejected_labels: dict[str, dict[str, int]] = field(default_factory=dict)
    batch_sizes: list[int] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [row["text"] for row in self.rows]

    @property
    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes bytes or text into a file of the given name, packed as the name says."""

    def write_(name: str, content: bytes | str) -> Path:
        raw = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PACK[path.suffix if path.suffix in PACK else ""](raw))
        return path

    return write_


@pytest.fixture
def read() -> Callable[..., Outcome]:
    """Return a function that reads a file whole; keywords that are settings of `Ingest` go there."""

    def read_(path: Path, **options: Any) -> Outcome:
        settings = {key: options.pop(key) for key in list(options) if key in Ingest.model_fields and key != "columns"}
        ingest = Ingest(**settings)
        outcome = Outcome()
        for batch in read_feedback(
            discover([path], follow_links=ingest.follow_links).files[0], ingest=ingest, **options
        ):
            assert batch.rows_in <= ingest.batch_rows
            outcome.rows += batch.rows.to_pylist()
            outcome.rejects += [(reject.record, reject.reason) for reject in batch.rejects]
            outcome.batch_sizes.append(batch.rows_in)
            for head, counts in batch.rejected_labels.items():
                known = outcome.rejected_labels.setdefault(head, {})
                for label, count in counts.items():
                    known[label] = known.get(label, 0) + count
        return outcome

    return read_


@pytest.fixture
def read_text(write: Callable[..., Path], read: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Return a function that reads content given in the test itself."""

    def read_text_(content: bytes | str, name: str = "dump.csv", **options: Any) -> Outcome:
        return read(write(name, content), **options)

    return read_text_
