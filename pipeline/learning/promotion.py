"""Who serves after a training: the new version where the gate lets it, or where somebody insists."""

from __future__ import annotations

from typing import Literal

from pipeline.config import Config
from pipeline.registry import champion, fetch, promote, size_and_signature

from .comparison import Said
from .dataset import Dataset
from .gate import Contest, Decision, decide
from .splits import Splits
from .training import Trained

Wish = Literal["gate", "never", "always"]


def settle(
    config: Config, data: Dataset, splits: Splits, trained: Trained, version: str, wish: Wish
) -> tuple[Decision, bool]:
    """Return what the gate says of a new version, and whether it serves now.

    By ``gate`` it does where every check holds, by ``always`` whatever they say, by ``never`` it does not.
    """
    before = champion(config)
    sizes, signed = [], False
    for name in (before, version):
        if name is not None:
            size, signed = size_and_signature(config, name)
            sizes.append(size)
    contest = Contest(
        config, data, splits, fetch(version, config), Said(trained.predictions.probabilities, trained.labels),
        fetch(before, config) if before else None, signed, (sizes[-1], sizes[0]),
    )  # fmt: skip
    decision = decide(contest)
    if wish == "never" or (wish == "gate" and not decision.promote):
        return decision, False
    insisted = f"insisted on, against {', '.join(decision.refused)}" if decision.refused else decision.why
    promote(config, version, insisted)
    return decision, True
