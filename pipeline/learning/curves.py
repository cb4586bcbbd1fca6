"""What more rows would bring, and what old ones cost: figures of family `linear`, which learns in seconds, as curves.

Both train anew several times, so they take the quick family whatever the one in training is; the shape carries over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.calibration import of_heads, probabilities
from models.families.linear import Linear
from models.instants import all_seconds
from models.text import prepare_all
from pipeline.config import Config

from .comparison import HEADLINE
from .dataset import Dataset
from .evaluation import figure_of, measure
from .splits import Splits

Rows = NDArray[np.int64]
Curve = dict[str, list[tuple[float, float]]]
SHARES = (0.125, 0.25, 0.5, 1.0)
WINDOWS, LEAST = 4, 200  # spans of time to learn from, and rows that each and the newest texts must have
_DAY = 86_400.0


def learning_curve(data: Dataset, splits: Splits, config: Config) -> Curve:
    """Return by head (rows learnt from, headline figure on the test side) for growing shares of the train side."""
    order = np.random.default_rng(config.seed).permutation(splits.train)
    parts = [order[: int(len(order) * share)] for share in SHARES]
    return _curve(data, parts, [float(len(part)) for part in parts], splits.test, config)


def ageing_curve(data: Dataset, splits: Splits, config: Config) -> Curve:
    """Return by head (age of the training rows in days, headline figure) on the newest quarter of the test side.

    The train side is cut by time into `WINDOWS` of equally many rows, and one model learns from each. Age is from the
    middle of a window to the middle of the newest texts. Empty where dates are lacking or too few.
    """
    trained, tested = (_dated(data, rows) for rows in (splits.train, splits.test))
    newest = tested[0][-(len(tested[0]) // 4) :]
    if len(newest) < LEAST or len(trained[0]) < WINDOWS * LEAST:
        return {head.name: [] for head in data.schema}
    now = float(np.median(tested[1][-len(newest) :]))
    parts = np.array_split(trained[0], WINDOWS)
    ages = [(now - float(np.median(when))) / _DAY for when in np.array_split(trained[1], WINDOWS)]
    return _curve(data, parts, ages, newest, config)


def _dated(data: Dataset, rows: Rows) -> tuple[Rows, NDArray[np.float64]]:
    """Return the rows that have a date, oldest first, and their dates in seconds."""
    when = all_seconds(data.columns["created_at"][row] for row in rows)
    order = np.argsort(when, kind="stable")[: int(np.isfinite(when).sum())]
    return rows[order], when[order]


def _curve(data: Dataset, parts: list[Rows], places: list[float], tested: Rows, config: Config) -> Curve:
    fresh = prepare_all(data.take(tested)[0])
    out: Curve = {head.name: [] for head in data.schema}
    for part, place in zip(parts, places, strict=True):
        texts, targets = data.take(part)
        if any(not targets[head.name].truth.any(0).all() for head in data.schema if head.kind != "multilabel"):
            continue  # a label without a row cannot be learnt
        model = Linear.fit(prepare_all(texts), targets, data.schema, config.model_settings(), config.seed)
        for name, value in _headlines(data, model.forward(fresh).logits, tested, config).items():
            out[name].append((place, value))
    return out


def _headlines(data: Dataset, logits: NDArray[np.float32], rows: Rows, config: Config) -> dict[str, float]:
    out, (_, truth) = {}, data.take(rows)
    for head, part in zip(data.schema, of_heads(data.schema, logits), strict=True):
        known = truth[head.name].known
        if known.any():
            likely = probabilities(head, part)[known].astype(np.float64)
            held = truth[head.name].truth[known].astype(np.float64)
            drawn = measure(head, likely, held, np.ones((1, len(held))), config.rank.capacity)
            out[head.name] = figure_of(drawn[HEADLINE[head.kind]]).value
    return out
