"""The pictures of an evaluation: confusion matrix, reliability diagram and gains curve of a head, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.schema import Head, Schema
from models.targets import Target

from .evaluation import BINS, Labels, Rows

Doubles = NDArray[np.float64]


def draw(
    schema: Schema, probabilities: Mapping[str, NDArray[np.float32]], targets: Mapping[str, Target], labels: Labels,
    folder: Path,
) -> list[Path]:  # fmt: skip
    """Return the files drawn into `folder`: for every head its reliability; confusion or gains as its kind allows."""
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for head in schema:
        known = targets[head.name].known
        if not known.any():
            continue
        likely = probabilities[head.name][known].astype(np.float64)
        truth = targets[head.name].truth[known].astype(np.float64)
        said = labels[head.name][known] if head.exclusive else np.zeros(0, np.int64)
        painters = {"reliability": _reliability, **({"confusion": _confusion} if head.exclusive else {"gains": _gains})}
        files += [
            _save(folder / f"{head.name}_{name}.png", paint, head, likely, truth, said)
            for name, paint in painters.items()
        ]
    return files


def _save(path: Path, paint: Any, head: Head, likely: Doubles, truth: Doubles, said: Rows) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.2 + 0.55 * max(head.width, 8), 0.9 + 0.5 * max(head.width, 8)), layout="constrained")
    axes = figure.subplots()
    paint(axes, head, likely, truth, said)
    figure.savefig(path, dpi=110)
    return path


def _confusion(axes: Any, head: Head, likely: Doubles, truth: Doubles, said: Rows) -> None:
    counts = np.zeros((head.width, head.width), int)
    np.add.at(counts, (truth.argmax(1), said), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if head.width <= 20:
        for row, column in np.ndindex(*counts.shape):
            shade = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, counts[row, column], ha="center", va="center", color=shade, fontsize=8)
    axes.set_xticks(range(head.width), head.labels, rotation=60, ha="right")
    axes.set_yticks(range(head.width), head.labels)
    axes.set(xlabel="predicted", ylabel="labelled", title=f"{head.name}: {len(truth)} rows, shaded by row share")


def _reliability(axes: Any, head: Head, likely: Doubles, truth: Doubles, said: Rows) -> None:
    if head.exclusive:
        stated, right = likely[np.arange(len(said)), said], (said == truth.argmax(1)).astype(float)
    else:
        stated, right = likely.ravel(), truth.ravel()
    bins = np.array_split(np.argsort(stated, kind="stable"), min(BINS, len(stated)))
    x = [stated[rows].mean() for rows in bins]
    y = [right[rows].mean() for rows in bins]
    error = [1.96 * np.sqrt(max(p * (1 - p), 1e-9) / len(rows)) for p, rows in zip(y, bins, strict=True)]
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="honest")
    axes.errorbar(x, y, yerr=error, marker="o", capsize=2, label=f"{len(bins)} bins of equal mass, 95%")
    axes.set(xlabel="stated probability", ylabel="share that came true", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"{head.name}: reliability, {len(truth)} rows")
    axes.legend(loc="upper left")


def _gains(axes: Any, head: Head, likely: Doubles, truth: Doubles, said: Rows) -> None:
    share = np.linspace(0, 1, len(truth) + 1)
    for place, name in enumerate(head.labels or (head.name,)):
        found = truth[np.argsort(-likely[:, place], kind="stable"), place]
        if found.sum():
            axes.plot(share, np.append(0, np.cumsum(found) / found.sum()), label=f"{name} ({int(found.sum())})")
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="by chance")
    axes.set(xlabel="share of texts read, surest first", ylabel="share of all found", xlim=(0, 1), ylim=(0, 1.01))
    axes.set_title(f"{head.name}: gains, {len(truth)} rows")
    axes.legend(loc="lower right")


def draw_curve(schema: Schema, curve: Sequence[Mapping[str, float]], chosen: float, folder: Path) -> Path:
    """Return the picture of a cascade's choice: macro-F1 by head and rows per second over the encoder's share."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    share = [100 * point["share"] for point in curve]
    for head in schema:
        if head.name in curve[0]:
            axes.plot(share, [point[head.name] for point in curve], marker="o", markersize=3, label=head.name)
    axes.axvline(100 * chosen, color="0.4", linestyle="--", label=f"chosen: {chosen:.0%}")
    axes.set(xlabel="rows that the encoder reads, %", ylabel="macro-F1 on held-out rows")
    speed = axes.twinx()
    speed.plot(share, [point["rows_per_second"] for point in curve], color="0.6", linewidth=2)
    speed.set(yscale="log", ylabel="rows per second (grey)")
    axes.legend(loc="lower right", fontsize=8)
    path = folder / "cascade.png"
    figure.savefig(path, dpi=110)
    return path
