"""What comes into a night: which files, and what becomes of their rows; loads no model, so a dry run starts at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.config import Config
from pipeline.feedback.reading import read_feedback
from pipeline.feedback.record import Batch
from pipeline.feedback.sources import SourceFile


@dataclass
class FileCount:
    """What became of the rows of one file."""

    path: str
    size: int
    sha256: str = ""
    rows_scored: int = 0
    reject_reasons: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        self.take(batch.rows.num_rows, [reject.reason for reject in batch.rejects])

    def take(self, scored: int, reasons: Sequence[str]) -> None:
        """Count rows scored, and the reasons of those rejected."""
        self.rows_scored += scored
        self.reject_reasons.update(reasons)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as the manifest shows them."""
        rejected = sum(self.reject_reasons.values())
        return {
            "path": self.path,
            "size": self.size,
            "sha256": self.sha256,
            "rows_in": self.rows_scored + rejected,
            "rows_scored": self.rows_scored,
            "rows_rejected": rejected,
            "reject_reasons": dict(sorted(self.reject_reasons.items())),
        }


def count(files: Sequence[SourceFile], config: Config) -> list[FileCount]:
    """Return what would become of every file's rows, without scoring any (``--dry-run``)."""
    counts = []
    for file in files:
        counts.append(FileCount(file.name, file.path.stat().st_size))
        for batch in read_feedback(file, ingest=config.ingest):
            counts[-1].add(batch)
    return counts


def totals(counts: Sequence[FileCount]) -> dict[str, Any]:
    """Return the sum of `counts`: rows in, scored, rejected, and rejects by reason."""
    reasons: Counter[str] = Counter()
    for item in counts:
        reasons.update(item.reject_reasons)
    scored, rejected = sum(item.rows_scored for item in counts), sum(reasons.values())
    return {
        "rows_in": scored + rejected,
        "rows_scored": scored,
        "rows_rejected": rejected,
        "reject_reasons": dict(sorted(reasons.items())),
    }
