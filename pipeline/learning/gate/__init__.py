"""The promotion gate: whether a new model may serve in place of the champion. What cannot be checked is refused."""

from .contest import Contest
from .decision import Decision, decide

__all__ = ["Contest", "Decision", "decide"]
