"""The labels that rows carry, in the words of the schema."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from models.schema import Head

# A column of free text mapped to a head by mistake must fill neither the memory nor the report.
_LONGEST_LABEL, _MOST_UNKNOWN = 60, 1_000


def label_column(
    head: Head,
    cells: Sequence[object],
    known: Mapping[str, Sequence[float | None]],
    renamed: Mapping[str, str],
) -> tuple[list[list[str] | None], dict[str, int]]:
    """Return the labels of each row, None where it carries none, and how often each unknown label was left out.

    `known` holds the numbers that a label may be derived from; `renamed` turns foreign labels into ours.
    """
    unknown: dict[str, int] = {}
    remembered: dict[str, tuple[list[str] | None, list[str]]] = {}
    column: list[list[str] | None] = []
    for cell in cells:
        if isinstance(cell, str):
            # Few different labels stand in a column, each read once.
            if cell not in remembered:
                remembered[cell] = _labels(head, cell, renamed)
            labels, strange = remembered[cell]
        else:
            labels, strange = _labels(head, cell, renamed)
        column.append(labels)
        for label in strange:
            short = label[:_LONGEST_LABEL]
            if short in unknown or len(unknown) < _MOST_UNKNOWN:
                unknown[short] = unknown.get(short, 0) + 1
    if head.derive and head.derive.column in known:
        for index, value in enumerate(known[head.derive.column]):
            if column[index] is None and value is not None:
                column[index] = ["yes" if head.derive(value) else "no"]
    return column, unknown


def _labels(head: Head, cell: object, renamed: Mapping[str, str]) -> tuple[list[str] | None, list[str]]:
    """Return the labels of a cell that the schema knows, None where none is left, and those that it does not know."""
    stated = _stated(head, cell, renamed)
    if not stated:
        return stated, []  # an empty list is a statement too: none of the labels of a multilabel head holds
    strange = head.unknown(stated)
    return [label for label in dict.fromkeys(stated) if label not in strange] or None, strange


def _stated(head: Head, cell: object, renamed: Mapping[str, str]) -> list[str] | None:
    if isinstance(cell, float) and math.isnan(cell):
        return None
    if not isinstance(cell, (list, tuple)) and cell is not None:
        text = str(cell).strip()
        # A renamed cell goes first, so that {"0": "yes"} may turn a reversed scale round.
        if text in renamed:
            return head.read(renamed[text])
        return _renamed(head.read(text), renamed)
    return _renamed(head.read(cell), renamed)


def _renamed(labels: list[str] | None, renamed: Mapping[str, str]) -> list[str] | None:
    return labels and [ours for label in labels if (ours := renamed.get(label, label))]
