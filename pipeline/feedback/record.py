"""The canonical record that every source ends in, and the ways in which a row, a file or an input is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

# `source` and `record` say where a row came from: the file's path as given, and its number there, from 1.
CANONICAL = pa.schema(
    [
        ("source", pa.string()),
        ("record", pa.int64()),
        ("id", pa.string()),
        ("text", pa.string()),
        ("created_at", pa.string()),
        ("channel", pa.string()),
        ("lang", pa.string()),
        ("industry", pa.string()),
        ("customer_id", pa.string()),
        ("customer_value", pa.float64()),
        ("reach", pa.float64()),
        ("nps", pa.float64()),
    ]
)

# In the order in which they are judged: a row is rejected with the first that applies.
ROW_REASONS = (
    "bad_encoding", "malformed_record", "nul_char", "missing_id", "missing_text", "empty_text", "text_too_long",
    "bad_created_at", "bad_rating", "bad_nps", "bad_value", "duplicate_id",
)  # fmt: skip
BEFORE_SINCE = "before_since"  # of a night that leaves out what is older; a good row otherwise
FILE_REASONS = (
    "empty_file", "unsupported_encoding", "truncated_container", "corrupt_container", "type_mismatch",
    "missing_column", "duplicate_column", "wrong_type", "bomb", "not_regular_file",
)  # fmt: skip

MAX_TEXT = 1_000_000  # characters


class Reject(NamedTuple):
    """A row that is not scored: where it stands, and the first reason of `ROW_REASONS` that applies."""

    source: str
    record: int
    reason: str


class InputError(ValueError):
    """Inputs that name nothing readable; the message is one sentence for the person who gave them."""


class FileRefused(ValueError):  # noqa: N818  an outcome that scripts and manifests name
    """A file that fails whole; `reason` is one of `FILE_REASONS`, the message one sentence for its owner."""

    def __init__(self, source: str, reason: str, sentence: str) -> None:
        super().__init__(f"{source}: {reason}: {sentence}")
        self.source = source
        self.reason = reason
        self.sentence = sentence


@dataclass(frozen=True)
class Chunk:
    """What a reader hands to validation: consecutive records of one source, structure judged, values not yet.

    `columns` holds, under our names, one value per well-formed record, whose numbers are `numbers`; a column that
    the file does not have is absent. `faults` are the other records, with the reason why they cannot be used.
    """

    numbers: Sequence[int]
    columns: Mapping[str, Sequence[object]]
    faults: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class Batch:
    """A bounded number of consecutive records of one source.

    `rows` has the columns of `CANONICAL` (text masked) and, where heads were asked for, one ``list<string>``
    column per head (null where the row carries no label). `rejected_labels` counts, per head, labels that the
    schema does not know; their rows are kept without them.
    """

    rows: pa.RecordBatch
    rejects: list[Reject]
    rejected_labels: dict[str, dict[str, int]]

    @property
    def rows_in(self) -> int:
        """Number of records read, scored and rejected together."""
        return int(self.rows.num_rows) + len(self.rejects)
