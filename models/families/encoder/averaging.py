"""Weights between those before and those after fine-tuning: better on texts unlike the training texts.

Wortsman et al. 2022 (WiSE-FT): fine-tuning forgets some of what the encoder knew; on the straight line between both,
what was learnt and what was known add up. How far to go is chosen on held-out rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...calibration import log_loss
from ...targets import Targets
from .runtime import Torch, pool
from .tokens import Tokeniser

if TYPE_CHECKING:
    from .network import Network

SHARES = (0.5, 0.75, 1.0)


def average(
    network: Network, before: dict[str, Any], tokeniser: Tokeniser, held_out: tuple[Sequence[str], Targets] | None
) -> float:
    """Return the share of the fine-tuned weights that `network` now has, the rest being those from `before`.

    The share with the least log loss on the prepared texts of `held_out`; one half without them.
    """
    network.to("cpu")
    after = {name: value.clone() for name, value in network.state_dict().items()}
    if held_out is None:
        _set(network, before, after, SHARES[0])
        return SHARES[0]
    windows = tokeniser.windows(held_out[0])
    losses = {}
    for share in SHARES:
        _set(network, before, after, share)
        logits = network.to_readout()(pool(Torch(network.encoder, bf16=True), windows))
        losses[share] = log_loss(network.schema, logits, held_out[1])
    best = min(losses, key=losses.__getitem__)
    _set(network, before, after, best)
    return best


def _set(network: Network, before: dict[str, Any], after: dict[str, Any], share: float) -> None:
    network.load_state_dict(
        {
            name: before[name] * (1 - share) + value * share if value.is_floating_point() else value
            for name, value in after.items()
        }
    )
