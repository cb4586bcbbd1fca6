"""What customers said in a number: every known NPS, for the cases that they belong to, and whom to thank for theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.feedback.record import CANONICAL

PROMOTER = 9  # out of 10, and above: the definition of the NPS
ANSWERS = ("id", "customer_id", "created_at", "nps")
PROMOTERS = pa.schema(
    [
        ("case_key", pa.string()),
        *(CANONICAL.field(name) for name in ("id", "customer_id", "customer_value", "reach", "nps", "channel", "lang",
                                             "created_at", "text", "source")),
    ]
)  # fmt: skip
# What is unknown sorts last. From the key on it is for the order's sake: the same dump always gives the same people.
_FOREMOST = [
    ("customer_value", "descending"), ("reach", "descending"), ("length", "descending"),
    ("case_key", "ascending"), ("id", "ascending"), ("text", "ascending"),
]  # fmt: skip


def answers(rows: pa.RecordBatch) -> pa.Table:
    """Return who answered what, and when, and never a text; an answer of nobody known belongs to no case."""
    known = pc.and_(pc.is_valid(rows.column("nps")), pc.is_valid(rows.column("customer_id")))
    return pa.Table.from_batches([rows.select(ANSWERS).filter(known)])


def promoters(rows: pa.RecordBatch, keys: Sequence[str], most: int) -> pa.Table:
    """Return the promoters among `rows`, whose cases are `keys`: one row each, the `most` foremost, in their order."""
    named = rows.append_column("case_key", pa.array(keys, pa.string()))
    found = named.select(PROMOTERS.names).filter(pc.greater_equal(named.column("nps"), PROMOTER))
    return foremost(pa.Table.from_batches([found]), most)


def foremost(rows: pa.Table, most: int) -> pa.Table:
    """Return the rows of the `most` people whose thanks matters most: valuable ones, heard ones, who took the time.

    Of several texts of one person, the one that comes first in that order stands for them.
    """
    lengths = pc.utf8_length(rows.column("text"))
    ordered = rows.take(pc.sort_indices(rows.append_column("length", lengths), sort_keys=_FOREMOST))
    people = ordered.column("case_key").combine_chunks().dictionary_encode().indices
    _, first = np.unique(people.to_numpy(), return_index=True)
    return ordered.take(pa.array(np.sort(first)[:most]))
