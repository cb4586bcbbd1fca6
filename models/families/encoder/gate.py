"""Whether an exported encoder is as good as the trained one; the smaller number format has to earn its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...quality import macro_f1_of_heads
from ...targets import Target, Targets
from .export import export
from .runtime import Exported, OpenVino, Torch, has_openvino

if TYPE_CHECKING:
    from .family import Encoder

MOST_ROWS = 4_000
RESAMPLES = 200


def exported_if_good(
    family: Encoder, encoder: Any, settings: Mapping[str, Any], texts: Sequence[str], targets: Targets | None,
    held_out: tuple[Sequence[str], Targets] | None = None,
) -> tuple[Exported | None, dict[str, Any]]:  # fmt: skip
    """Return the export to use, and what was found: the change of macro-F1 by head, in points.

    8-bit integers are refused where any head loses more than ``max_export_loss`` points of macro-F1 against torch on
    the rows held out together with rows of training, or surely loses more on the rows held out alone; then the export
    keeps 32 bits. None where the settings want no export or OpenVINO is missing.

    Parameters
    ----------
    texts, targets
        Prepared texts of training and their labels; without labels nothing is judged.
    """
    wanted = str(settings["export"])
    if wanted == "none" or not has_openvino():
        return None, {"precision": "torch"}
    report: dict[str, Any] = {"precision": wanted, "refused": {}}
    made = export(encoder, family.tokeniser, texts, wanted)
    if wanted == "int8" and targets is not None:
        rows = rows_to_judge((texts, targets), held_out)
        loss, sure_loss = _losses(family, encoder, made, *rows, len(held_out[0]) if held_out else 0)
        report |= {"loss": loss, "sure_loss": sure_loss}
        if max(*loss.values(), *sure_loss.values(), 0.0) > float(settings["max_export_loss"]):
            report |= {"precision": "float32", "refused": {"int8": loss}}
            made = export(encoder, family.tokeniser, texts, "float32")
    return made, report


def rows_to_judge(
    learnt: tuple[Sequence[str], Targets], held_out: tuple[Sequence[str], Targets] | None
) -> tuple[list[str], dict[str, Target]]:
    """Return the held-out rows, and up to `MOST_ROWS` of training: on few rows, one label that flips is a point."""
    texts, targets = learnt
    rows = np.unique(np.linspace(0, len(texts) - 1, min(MOST_ROWS, len(texts))).astype(np.int64))
    some = [texts[row] for row in rows.tolist()]
    if held_out is None:
        return some, {name: target.take(rows) for name, target in targets.items()}
    beside = {
        name: Target(
            np.concatenate([held_out[1][name].known, target.known[rows]]),
            np.vstack([held_out[1][name].truth, target.truth[rows]]),
        )
        for name, target in targets.items()
    }
    return [*held_out[0], *some], beside


def _losses(
    family: Encoder, encoder: Any, made: Exported, texts: Sequence[str], targets: Targets, held_out: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return how many points of macro-F1 each head loses by the export; and how many it surely loses.

    The latter is the 5% quantile over bootstrap resamples of the first `held_out` rows: a model is so sure of what it
    was trained on that little can be lost there.
    """
    schema = family.readout.schema
    both = [family.logits(texts, runtime) for runtime in (Torch(encoder), OpenVino(made))]

    def lost(rows: NDArray[np.int64]) -> dict[str, float]:
        before, after = (
            macro_f1_of_heads(schema, logits[rows], {name: one.take(rows) for name, one in targets.items()})
            for logits in both
        )
        return {name: 100 * (before[name] - after[name]) for name in before}

    random = np.random.default_rng(0)
    draws = [lost(random.integers(0, held_out, held_out)) for _ in range(RESAMPLES if held_out else 0)]
    surely = {
        head.name: float(np.quantile([draw[head.name] for draw in draws if head.name in draw] or [0.0], 0.05))
        for head in schema
    }
    whole = lost(np.arange(len(texts)))
    return {name: round(points, 3) for name, points in whole.items()}, {
        name: round(points, 3) for name, points in surely.items()
    }
