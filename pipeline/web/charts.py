"""Charts as SVG that a page can hold: drawn here, escaped, without a script or a style of their own.

Lengths across are in per cent of the chart and lengths down in pixels, so that a chart fills 375 or 1,200 pixels and
its text keeps the size of the page's. Colours come by class from ``ledger.css`` and follow the dark mode. Each chart
is one image with a name and a description to those who cannot see it; its numbers stand in a table beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from pipeline.web.marking import visible

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_LABEL, _LONGEST_TITLE = 34, 200
_ROW, _BAR = 46, 10
_PLOT_TOP, _PLOT, _MOST_TICKS = 22, 120, 6
_EDGE = 3.0  # per cent at each side of a scale, so that a dot at its end is whole


class Row(NamedTuple):
    """A bar: its label, its length, what is said of it; `low` and `high` mark an interval around its end."""

    label: str
    value: float
    shown: str
    tone: str = "accent"
    low: float | None = None
    high: float | None = None


class Pair(NamedTuple):
    """Two columns side by side: their label, their heights, and what is said of them."""

    label: str
    first: float
    second: float
    shown: str


class Shift(NamedTuple):
    """A move on a scale: its label, from where to where, and what is said of it."""

    label: str
    before: float
    after: float
    shown: str


def bars(rows: Sequence[Row], *, name: str, title: str, desc: str, whole: float | None = None) -> Markup:
    """Return horizontal bars, one under the other; `whole` is the value that fills the width, the largest by default.

    `name` is unique on the page. Nothing is returned for no rows.
    """
    whole = _largest(row.value for row in rows) if whole is None else whole
    return _chart([_bar(row, place * _ROW, whole) for place, row in enumerate(rows)], len(rows) * _ROW, "bars",
                  name, title, desc)  # fmt: skip


def columns(pairs: Sequence[Pair], *, name: str, title: str, desc: str, most: str = "") -> Markup:
    """Return pairs of columns side by side, such as one per week; `most` is what is said of the highest."""
    if not pairs:
        return Markup("")
    whole, slot = _largest(value for pair in pairs for value in (pair.first, pair.second)), 100 / len(pairs)
    floor = _PLOT_TOP + _PLOT
    parts = [
        Markup('<line class="rule" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(_PLOT_TOP),
        Markup('<line class="rule strong" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(floor),
        Markup('<text class="soft-text" x="0" y="{}">{}</text>').format(_PLOT_TOP - 6, _text(most)),
    ]
    every = math.ceil(len(pairs) / _MOST_TICKS)
    for place, pair in enumerate(pairs):
        sides = ((pair.first, "tone-quiet", 0.12), (pair.second, "tone-accent", 0.5))
        drawn = [_column(value, tone, (place + off) * slot, 0.36 * slot, whole) for value, tone, off in sides]
        parts.append(Markup("<g><title>{}</title>{}</g>").format(_text(pair.shown, _LONGEST_TITLE), _joined(drawn)))
        # A label needs the room of the columns after it that have none.
        if place % every == 0 and len(pairs) - place > every / 2:
            tick = Markup('<text class="soft-text" x="{}%" y="{}">{}</text>')
            parts.append(tick.format(_number(place * slot), floor + 18, _text(pair.label, 12)))
    return _chart(parts, floor + 26, "columns", name, title, desc)


def spread(shifts: Sequence[Shift], *, name: str, title: str, desc: str, low: float = 0, high: float = 10) -> Markup:
    """Return, one under the other, a hollow dot before and a full one after on a scale from `low` to `high`."""
    parts = [_shift(shift, place * _ROW, low, high) for place, shift in enumerate(shifts)]
    foot = len(shifts) * _ROW + 12
    for value in (low, (low + high) / 2, high):
        label = Markup('<text class="soft-text" text-anchor="middle" x="{}%" y="{}">{}</text>')
        parts.append(label.format(_number(_at(value, low, high)), foot, f"{value:g}"))
    return _chart(parts if shifts else [], foot + 6, "spread", name, title, desc)


def _chart(parts: Sequence[Markup], height: float, kind: str, name: str, title: str, desc: str) -> Markup:
    if not parts:
        return Markup("")
    return Markup(
        '<svg class="chart chart-{kind}" width="100%" height="{height}" role="img" focusable="false"'
        ' aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{desc}</desc>{parts}</svg>'
    ).format(
        kind=kind, height=_number(height), name=name, title=_text(title, _LONGEST_TITLE), desc=_text(desc, 2_000),
        parts=_joined(parts),
    )  # fmt: skip


def _bar(row: Row, top: float, whole: float) -> Markup:
    length = _length(row.value, whole)
    parts = [_heading(row.label, row.shown, top)]
    rect = Markup('<rect class="{}" x="0" y="{}" width="{}%" height="{}" rx="3"/>')
    parts.append(rect.format("rail", _number(top + 22), "100", _BAR))
    if length > 0:
        parts.append(rect.format(f"fill {_class(row.tone)}", _number(top + 22), _number(length), _BAR))
    if row.low is not None and row.high is not None:
        ends = _number(_length(row.low, whole)), _number(_length(row.high, whole)), _number(top + 22 + _BAR / 2)
        parts.append(Markup('<line class="reach" x1="{0}%" x2="{1}%" y1="{2}" y2="{2}"/>').format(*ends))
    return Markup("<g>{}</g>").format(_joined(parts))


def _column(value: float, tone: str, left: float, width: float, whole: float) -> Markup:
    height = _length(value, whole) / 100 * _PLOT
    if height <= 0:
        return Markup("")
    return Markup('<rect class="fill {}" x="{}%" y="{}" width="{}%" height="{}"/>').format(
        tone, _number(left), _number(_PLOT_TOP + _PLOT - height), _number(width), _number(height)
    )


def _shift(shift: Shift, top: float, low: float, high: float) -> Markup:
    across = _number(top + 28)
    parts = [_heading(shift.label, shift.shown, top)]
    line = Markup('<line class="{}" x1="{}%" x2="{}%" y1="{y}" y2="{y}"/>')
    parts.append(line.format("rule", _number(_EDGE), _number(100 - _EDGE), y=across))
    before, after = _at(shift.before, low, high), _at(shift.after, low, high)
    if math.isfinite(shift.before) and math.isfinite(shift.after):
        parts.append(line.format("move", _number(before), _number(after), y=across))
        dot = Markup('<circle class="{}" cx="{}%" cy="{}" r="{}"/>')
        parts += [dot.format("before", _number(before), across, 5), dot.format("after", _number(after), across, 6)]
    return Markup("<g>{}</g>").format(_joined(parts))


def _heading(label: str, shown: str, top: float) -> Markup:
    """Return the line above a bar or a scale: its label at the left, in full to whoever points at it, and its value."""
    return Markup(
        '<title>{}: {}</title><text x="0" y="{y}">{}</text><text class="value" x="100%" y="{y}">{}</text>'
    ).format(
        _text(label, _LONGEST_TITLE), _text(shown, _LONGEST_TITLE), _text(label), _text(shown), y=_number(top + 15)
    )


def _at(value: float, low: float, high: float) -> float:
    """Return where on a scale `value` stands, in per cent of the chart."""
    return _EDGE + _length(value - low, high - low) * (100 - 2 * _EDGE) / 100


def _length(value: float, whole: float) -> float:
    """Return `value` in per cent of `whole`: 0 to 100, whatever they are."""
    if math.isnan(value) or not whole > 0 or value <= 0:
        return 0.0
    return 100.0 if value >= whole else 100 * (value / whole)


def _largest(values: Iterable[float]) -> float:
    return max((value for value in values if math.isfinite(value)), default=0.0)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _class(tone: str) -> str:
    return f"tone-{tone}" if tone.isalnum() else "tone-plain"


def _text(text: str, longest: int = _LONGEST_LABEL) -> str:
    """Return `text`, not yet escaped, as XML can hold it: hidden characters shown, and no longer than there is room."""
    shown = _NO_XML.sub("\ufffd", visible(text))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)
