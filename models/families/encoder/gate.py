"""Whether an exported encoder is as good as the trained one; the smaller number format has to earn its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...quality import macro_f1_of_heads
from ...targets import Target, Targets
from .export import export
from .runtime import Exported, OpenVino, Torch, has_openvino

if TYPE_CHECKING:
    from .family import Encoder

MOST_ROWS = 4_000


def exported_if_good(
    family: Encoder, encoder: Any, settings: Mapping[str, Any], texts: Sequence[str],
    judged: tuple[Sequence[str], Targets] | None,
) -> tuple[Exported | None, dict[str, Any]]:  # fmt: skip
    """Return the export to use, and what was found: the change of macro-F1 by head, in points.

    8-bit integers are refused where any head loses more than ``max_export_loss`` points of macro-F1 against torch on
    the rows `judged`; then the export keeps 32 bits. None where the settings want no export or OpenVINO is missing.
    `texts` are prepared texts of training.
    """
    wanted = str(settings["export"])
    if wanted == "none" or not has_openvino():
        return None, {"precision": "torch"}
    report: dict[str, Any] = {"precision": wanted, "refused": {}}
    made = export(encoder, family.tokeniser, texts, wanted)
    if wanted == "int8" and judged is not None:
        loss = _loss(family, encoder, made, *judged)
        report["loss"] = loss
        if max(loss.values(), default=0.0) > float(settings["max_export_loss"]):
            report |= {"precision": "float32", "refused": {"int8": loss}}
            made = export(encoder, family.tokeniser, texts, "float32")
    return made, report


def rows_to_judge(
    learnt: tuple[Sequence[str], Targets], held_out: tuple[Sequence[str], Targets] | None
) -> tuple[list[str], Targets]:
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


def _loss(family: Encoder, encoder: Any, made: Exported, texts: Sequence[str], targets: Targets) -> dict[str, float]:
    """Return how many points of macro-F1 each head loses by the export."""
    schema = family.readout.schema
    before = macro_f1_of_heads(schema, family.logits(texts, Torch(encoder)), targets)
    after = macro_f1_of_heads(schema, family.logits(texts, OpenVino(made)), targets)
    return {name: round(100 * (before[name] - after[name]), 3) for name in before}
