"""Whether a candidate is promoted, and why."""

from __future__ import annotations

from dataclasses import dataclass

from .checks import CHECKS
from .contest import Contest


@dataclass(frozen=True)
class Decision:
    """Whether the candidate serves from now on; `refused` says per failed check why not, `why` why it does."""

    refused: dict[str, str]
    why: str = ""

    @property
    def promote(self) -> bool:
        """Whether every check holds."""
        return not self.refused


def decide(contest: Contest) -> Decision:
    """Return the decision on a candidate. A check that cannot be made is one that does not hold."""
    refused = {}
    for name, check in CHECKS.items():
        try:
            reason = check(contest)
        except Exception as error:  # whatever a broken candidate does, it is not promoted for it
            reason = f"could not be checked: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if reason:
            refused[name] = reason
    if refused:
        return Decision(refused)
    if contest.champion is None:
        return Decision({}, "the first version")
    gain = contest.gains["mean"]["headline"]
    return Decision(
        {}, f"mean headline figure {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] against the champion"
    )
