"""From a text's vector to the logits of every head, without torch: what is left to do after the exported encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from ...schema import Schema

Floats = NDArray[np.float32]


def spans(schema: Schema) -> list[slice]:
    """Return which rows of the readout belong to each head: one per label, one fewer for ordered labels."""
    out, start = [], 0
    for head in schema:
        stop = start + head.width - (head.kind == "ordinal")
        out.append(slice(start, stop))
        start = stop
    return out


@dataclass(frozen=True)
class Readout:
    """The linear readouts of all heads, ordered labels by conditional logits (CORN, Shi, Cao and Raschka 2023).

    Attributes
    ----------
    weight, bias
        Shape (rows, size) and (rows,), rows as `spans` says.
    adapters
        Per head that has one: ``down.weight``, ``down.bias``, ``up.weight``, ``up.bias``.
    """

    schema: Schema
    weight: Floats
    bias: Floats
    adapters: dict[str, dict[str, Floats]] = field(default_factory=dict)

    def __call__(self, pooled: Floats) -> Floats:
        """Return the logits of all heads side by side, shape (texts, sum of widths)."""
        parts = []
        for head, span in zip(self.schema, spans(self.schema), strict=True):
            part = self._adapted(head.name, pooled) @ self.weight[span].T + self.bias[span]
            parts.append(conditional_to_logits(part) if head.kind == "ordinal" else part)
        return np.hstack(parts).astype(np.float32)

    def _adapted(self, name: str, pooled: Floats) -> Floats:
        own = self.adapters.get(name)
        if own is None:
            return pooled
        inner = np.maximum(pooled @ own["down.weight"].T + own["down.bias"], 0)
        return np.asarray(pooled + inner @ own["up.weight"].T + own["up.bias"], np.float32)

    @classmethod
    def blank(cls, schema: Schema, size: int) -> Readout:
        """Return readouts that say nothing."""
        rows = spans(schema)[-1].stop
        return cls(schema, np.zeros((rows, size), np.float32), np.zeros(rows, np.float32))

    def save(self, file: Path) -> None:
        """Write everything as safetensors."""
        save_file({name: np.ascontiguousarray(array) for name, array in self.tensors().items()}, file)

    @classmethod
    def load(cls, file: Path, schema: Schema) -> Readout:
        """Return what `save` wrote; see `from_tensors` for what is refused."""
        return cls.from_tensors(schema, load_file(file))

    def tensors(self) -> dict[str, Floats]:
        """Return everything by name, as `from_tensors` reads it."""
        out = {"readout.weight": self.weight, "readout.bias": self.bias}
        for name, own in self.adapters.items():
            out |= {f"adapters.{name}.{part}": array for part, array in own.items()}
        return out

    @classmethod
    def from_tensors(cls, schema: Schema, tensors: dict[str, Floats]) -> Readout:
        """Return the readout that `tensors` gave.

        Raises
        ------
        ValueError
            It is for other heads than `schema` has, or holds numbers that are not finite.
        """
        adapters: dict[str, dict[str, Floats]] = {}
        for name, array in tensors.items():
            if name.startswith("adapters."):
                _, head, part = name.split(".", 2)
                adapters.setdefault(head, {})[part] = array
        weight, bias = tensors["readout.weight"], tensors["readout.bias"]
        if len(bias) != spans(schema)[-1].stop:
            raise ValueError(f"the weights are for {len(bias)} readouts, the schema has {spans(schema)[-1].stop}")
        if not all(np.isfinite(array).all() for array in tensors.values()):
            raise ValueError("the weights hold numbers that are not finite; train the model again")
        return cls(schema, weight, bias, adapters)


def conditional_to_logits(passed: Floats) -> Floats:
    """Return log-probabilities of K ordered labels from K - 1 logits of "beyond this label, given at least it"."""
    beyond = np.cumsum(-np.logaddexp(0, -passed), axis=1)
    stop = -np.logaddexp(0, passed)
    none = np.zeros((len(passed), 1), np.float32)
    return np.asarray(np.hstack([none, beyond]) + np.hstack([stop, none]), np.float32)
