"""Who serves after a training: the new version where the gate lets it, or where somebody insists."""

from __future__ import annotations

from typing import Literal

from models.triage import TriageModel
from pipeline.config import Config
from pipeline.registry import champion, fetch, history, promote, refuse, size_and_signature

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
    decision = _decided(config, data, splits, trained, version, before)
    if decision.promote and champion(config) != before:
        decision = Decision({"champion": "another version began to serve while this one was trained; train again"})
    if decision.refused:
        refuse(config, version, [*decision.refused])
    if wish == "never" or (wish == "gate" and not decision.promote):
        return decision, False
    insisted = f"insisted on, against {', '.join(decision.refused)}" if decision.refused else decision.why
    promote(config, version, insisted)
    return decision, True


def _decided(
    config: Config, data: Dataset, splits: Splits, trained: Trained, version: str, before: str | None
) -> Decision:
    if before is None and history(config):
        return Decision({"champion": "one served before, and the registry has lost it; see train.py --history"})
    try:
        size, signed = size_and_signature(config, version)
        old: TriageModel | None = fetch(before, config) if before else None
        sizes = size, size_and_signature(config, before)[0] if before else size
        said = Said(trained.predictions.probabilities, trained.labels)
        contest = Contest(config, data, splits, fetch(version, config), said, old, signed, sizes)
    except Exception as error:  # a model that does not come back from the registry cannot serve, nor be compared with
        return Decision({"registry": f"a model does not come back from it: {' '.join(str(error).split())[:200]}"})
    return decide(contest)
