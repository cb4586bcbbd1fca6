"""How many rows of a cascade go on to the second tier: as few as the quality on held-out rows allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calibration import of_heads
from ..quality import average_precision, macro_f1_of_heads, precision_among
from ..schema import Schema
from ..targets import Target, Targets
from .routing import GRID, Routing, doubt_of, likelihoods, percentile_of_doubt, priority

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
RESAMPLES = 100
SURE = 0.8  # of the resamples lose no more than what counts as the loss


def choose(
    schema: Schema, settled: Floats, mixed: Floats, alone: Floats, targets: Targets,
    settings: Mapping[str, Any], rank_settings: Mapping[str, Any] | None,
) -> tuple[Routing, list[dict[str, float]]]:  # fmt: skip
    """Return the rule with the smallest share that keeps the quality, and the curve it was chosen from.

    Parameters
    ----------
    settled, mixed, alone
        Calibrated logits of held-out rows: by the first tier, by both, and by the second tier without the first.
    settings
        ``max_loss``: points of macro-F1 that any head may lose if the second tier does not read every row, ``against``
        both tiers averaged or the encoder alone. The average precision and the precision among the first tenth of
        yes-or-no labels may lose as much, against the first tier too.
        Losses are upper bounds over bootstrap resamples, made to fall with the share: of a few hundred rows, one label
        that flips is a point, and few rows tell too little for a small share. ``least``: no smaller share is chosen.
        ``candidates``: the share of rows, highest priority first, that always goes on. ``share``: where it is given,
        the share that goes on, whatever it loses; 1 is the most exact.
    """
    likely = likelihoods(schema, settled)
    doubts = {head.name: np.quantile(doubt_of(head, likely[head.name]), GRID).tolist() for head in schema}
    doubt = percentile_of_doubt(schema, likely, doubts)
    priorities = priority(schema, likely, rank_settings)
    candidates = float(settings["candidates"])
    from_priority = float(np.quantile(priorities, 1 - candidates)) if candidates else np.inf
    if from_priority <= priorities.min():
        from_priority = np.inf  # nothing in the texts sets some rows above the others
    compare = _Comparison(schema, settled, mixed if settings["against"] == "both" else alone, targets)
    given = settings["share"]
    rules, found, losses = [], [], []
    for share in sorted({*SHARES, *([float(given)] if given is not None else [])}):
        threshold = 2.0 if share == 0 else -1.0 if share == 1 else float(np.quantile(doubt, 1 - share))
        goes = (doubt >= threshold) | (priorities >= from_priority)
        share_found = round(float(goes.mean()), 4)
        rules.append((share, Routing(schema, doubts, threshold, from_priority, rank_settings, share_found)))
        values, lost = compare(np.where(goes[:, None], mixed, settled))
        found.append(values)
        losses.append(lost)
    worst = _smoothed(np.array(losses)).max(1, initial=0.0)
    curve = [
        {"share": rule.share, "loss": round(float(loss), 3), **values}
        for (_, rule), loss, values in zip(rules, worst, found, strict=True)
    ]
    for (share, rule), loss in zip(rules, worst, strict=True):
        if share == given or (given is None and share >= settings["least"] and loss <= settings["max_loss"]):
            return rule, curve
    return Routing.everything(schema), curve


def _smoothed(losses: Doubles) -> Doubles:
    """Return losses, shape (shares, measures), that never rise with the share: what rises is noise."""
    from sklearn.isotonic import isotonic_regression

    columns = [isotonic_regression(column, increasing=False) for column in losses.T]
    return np.column_stack(columns) if columns else np.zeros((len(losses), 0))


class _Comparison:
    """Compares predictions of the held-out rows with `reference`, on the same bootstrap resamples."""

    def __init__(self, schema: Schema, settled: Floats, reference: Floats, targets: Targets) -> None:
        self._schema, self._targets = schema, targets
        random, rows = np.random.default_rng(0), len(settled)
        self._draws = [np.arange(rows), *(random.integers(0, rows, rows) for _ in range(RESAMPLES))]
        first, second = self._measured(settled), self._measured(reference)
        # How well rows are ranked is held against the first tier's as well: a mixture must not rank worse than either.
        self._best = {name: first[name] if _above(first, second, name) else at for name, at in second.items()}

    def __call__(self, logits: Floats) -> tuple[dict[str, float], list[float]]:
        """Return every measure, and its loss in points, which in `SURE` of the resamples is no larger."""
        found = self._measured(logits)
        lost = [float(np.quantile(100 * (self._best[name] - at)[1:], SURE)) for name, at in found.items()]
        return {name: round(float(values[0]), 4) for name, values in found.items()}, lost

    def _measured(self, logits: Floats) -> dict[str, Doubles]:
        """Return each measure on the rows themselves and on every resample, shape (1 + resamples,)."""
        per_draw = []
        for draw in self._draws:
            taken = {name: Target(item.known[draw], item.truth[draw]) for name, item in self._targets.items()}
            per_draw.append(measured(self._schema, logits[draw], taken))
        names = set.intersection(*(set(one) for one in per_draw))
        return {name: np.array([one[name] for one in per_draw]) for name in per_draw[0] if name in names}


def _above(first: Mapping[str, Doubles], second: Mapping[str, Doubles], name: str) -> bool:
    return "." in name and bool(first[name][1:].mean() > second[name][1:].mean())


def measured(schema: Schema, logits: Floats, targets: Targets) -> dict[str, float]:
    """Return macro-F1 of every head, and for each yes-or-no label how well it ranks its rows."""
    out = macro_f1_of_heads(schema, logits, targets)
    for head, part in zip(schema, of_heads(schema, logits), strict=True):
        known = targets[head.name].known
        if head.kind == "binary" and known.any():
            likely, held = part[known, 0], targets[head.name].truth[known, 0] > 0
            out[f"{head.name}.average_precision"] = average_precision(likely, held)
            out[f"{head.name}.precision_first"] = precision_among(likely, held, max(int(known.sum()) // 10, 1))
    return out
