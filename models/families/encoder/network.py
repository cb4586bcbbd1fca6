"""The network that is trained: one encoder, mean-pooled over all windows of a text, one readout per head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .readout import Readout, spans


class Network(nn.Module):
    """Encoder and readouts; `forward` takes the batches that `training.collate` makes."""

    def __init__(self, encoder: Any, readout: Readout, adapters: dict[str, int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.schema = readout.schema
        rows, size = readout.weight.shape
        self.readout = nn.Linear(size, rows)
        self.readout.weight.data = torch.from_numpy(readout.weight.copy())
        self.readout.bias.data = torch.from_numpy(readout.bias.copy())
        self.adapters = nn.ModuleDict({name: Adapter(size, width) for name, width in adapters.items()})

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, owner: Tensor, texts: Tensor,
        truth: Tensor | None = None, weight: Tensor | None = None,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Return ``logits``, shape (texts, sum of widths), and the ``loss`` where the truth is given."""
        pooled = self.pool(input_ids, attention_mask, owner, len(texts))
        logits = self.logits(pooled)
        if truth is None or weight is None:
            return {"logits": logits}
        return {"loss": self.loss(logits, truth, weight), "logits": logits}

    def to_readout(self) -> Readout:
        """Return the readouts as they are now, for use without torch."""
        tensors = {name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()
                   if not name.startswith("encoder.")}  # fmt: skip
        return Readout.from_tensors(self.schema, tensors)

    def pool(self, input_ids: Tensor, attention_mask: Tensor, owner: Tensor, texts: int) -> Tensor:
        """Return the mean state of every text's tokens, whichever window they are in, shape (texts, size)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        kept = attention_mask.unsqueeze(-1).to(states.dtype)
        total = states.new_zeros(texts, states.shape[-1]).index_add_(0, owner, (states * kept).sum(1))
        count = kept.new_zeros(texts, 1).index_add_(0, owner, kept.sum(1))
        mean: Tensor = total.float() / count.float().clamp_min(1)
        return mean

    def logits(self, pooled: Tensor) -> Tensor:
        """Return the logits of all heads side by side."""
        parts = []
        for head, span in zip(self.schema, spans(self.schema), strict=True):
            seen = self.adapters[head.name](pooled) if head.name in self.adapters else pooled
            part = nn.functional.linear(seen, self.readout.weight[span], self.readout.bias[span]).float()
            parts.append(conditional_to_logits(part) if head.kind == "ordinal" else part)
        return torch.cat(parts, 1)

    def loss(self, logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
        """Return the mean over rows of the heads' weighted losses; what a row does not carry weighs nothing."""
        losses = []
        widths = [head.width for head in self.schema]
        parts = (torch.split(tensor, widths, 1) for tensor in (logits, truth, weight))
        for head, part, held, heavy in zip(self.schema, *parts, strict=True):
            if head.exclusive:
                losses.append(-(part.log_softmax(1) * held * heavy).sum())
            else:
                losses.append(nn.functional.binary_cross_entropy_with_logits(part, held, heavy, reduction="sum"))
        return torch.stack(losses).sum() / len(logits)


class Adapter(nn.Module):
    """A head's own view of the shared text vector: a bottleneck beside it (Houlsby et al. 2019), zero at the start."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """Return the adapted vectors, of the same shape."""
        adapted: Tensor = pooled + self.up(torch.relu(self.down(pooled)))
        return adapted


class Dropout(nn.Module):
    """Dropout of whole states from one random byte a number: torch's own takes a sixth of a training step on a CPU.

    Attributes
    ----------
    p
        0 for encoders that read it off to drop attention weights themselves, which is as slow and gains nothing.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.p = 0.0
        self.level = min(round(256 * rate), 255)

    def forward(self, states: Tensor) -> Tensor:
        """Return `states` with a share of them zero and the others raised as much; unchanged outside training."""
        if not self.training or not self.level:
            return states
        words = torch.empty(-(-states.numel() // 8), dtype=torch.int64, device=states.device).random_(-(2**63), None)
        kept = words.view(torch.uint8)[: states.numel()].view(states.shape) >= self.level
        return states * kept * (256 / (256 - self.level))


def conditional_to_logits(passed: Tensor) -> Tensor:
    """Return log-probabilities of K ordered labels from K - 1 logits of "beyond this label, given at least it" (CORN).

    Shi, Cao and Raschka 2023: cross-entropy on them is the loss over nested conditional subsets.
    """
    beyond = nn.functional.logsigmoid(passed).cumsum(1)
    stop = nn.functional.logsigmoid(-passed)
    reached = torch.cat([torch.zeros_like(beyond[:, :1]), beyond], 1)
    return reached + torch.cat([stop, torch.zeros_like(stop[:, :1])], 1)
