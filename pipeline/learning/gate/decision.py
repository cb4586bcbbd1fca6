"""Whether a candidate is promoted, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.config import ConfigError

from ..comparison import HEADLINE
from ..evaluation import Figure
from .checks import CHECKS
from .contest import Contest


@dataclass(frozen=True)
class Decision:
    """Whether the candidate serves from now on; `refused` says per failed check why not, `why` why it does.

    `gains` are those on the champion in the headline figure, by head; nothing where there is none to compare with.
    """

    refused: dict[str, str]
    why: str = ""
    gains: dict[str, Figure] = field(default_factory=dict)

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
        except ConfigError as error:
            reason = str(error)
        except Exception as error:  # whatever a broken candidate does, it is not promoted for it
            reason = f"could not be checked: {type(error).__name__}"  # its message may hold what a customer wrote
        if reason:
            refused[name] = reason
    gains = _gains(contest)
    if refused:
        return Decision(refused, gains=gains)
    if contest.champion is None:
        return Decision({}, "the first version")
    gain = contest.gains["mean"]["headline"]
    why = f"mean headline figure {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] against the champion"
    return Decision({}, why, gains)


def _gains(contest: Contest) -> dict[str, Figure]:
    """Return the gain of every head that both have; nothing where they cannot be compared."""
    if contest.champion is None:
        return {}
    try:
        return {name: figures[HEADLINE[contest.data.schema[name].kind]]
                for name, figures in contest.gains.items() if name in contest.data.schema.names}  # fmt: skip
    except Exception:  # the check that needs them has said why
        return {}
