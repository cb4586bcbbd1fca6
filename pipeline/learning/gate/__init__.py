"""The promotion gate: whether a new model may serve in place of the champion. What cannot be checked is refused."""

from .checks import CHECKS, COMPARING
from .contest import Contest
from .decision import Decision, decide

__all__ = ["CHECKS", "COMPARING", "Contest", "Decision", "decide"]
