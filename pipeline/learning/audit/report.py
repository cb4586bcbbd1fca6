"""The audit as a page: findings that need a person first, each with its table and, where it is clearer, a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.page import png_of, render

from .findings import Finding

ORDER = {"bad": 0, "look": 1, "good": 2}


def page(findings: Sequence[Finding]) -> str:
    """Return the report as one HTML page without anything from elsewhere; every value is escaped."""
    ordered = sorted(findings, key=lambda one: ORDER[one.verdict])
    counts = {verdict: sum(one.verdict == verdict for one in findings) for verdict in ORDER}
    template = Path(__file__).with_name("audit.html.j2")
    return render(template, findings=[(one, picture(one)) for one in ordered], counts=counts)


def picture(finding: Finding) -> str:
    """Return a bar chart of a finding's counts as a data URI; nothing where there are too few to look at."""
    rows = [row for row in finding.table if len(row) > 1]
    if not 2 <= len(rows) <= 80:
        return ""
    counted = [column for column, value in rows[0].items() if isinstance(value, int) and column != "times"]
    if not counted:
        return ""
    names = [" → ".join(str(value) for value in row.values() if isinstance(value, str))[:50] for row in rows]
    if not all(names):
        return ""
    return _bars(names, {column: [row[column] for row in rows] for column in counted})


def _bars(names: list[str], columns: dict[str, list[Any]]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.6 + 0.24 * len(names)), layout="constrained")
    axes = figure.subplots()
    left = [0.0] * len(names)
    for title, values in columns.items():
        axes.barh(range(len(names)), values, left=left, label=title)
        left = [start + value for start, value in zip(left, values, strict=True)]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    if len(columns) > 1:
        axes.legend(fontsize=8)
    return png_of(figure)
