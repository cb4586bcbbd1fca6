"""The trained encoder as data: its configuration and its weights in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import safe_open


class Weights:
    """Weights in memory, or in a file that is read only when torch has to run them."""

    def __init__(self, config: dict[str, Any], source: Path | dict[str, Any]) -> None:
        self.config = config
        self._source = source

    @classmethod
    def of(cls, encoder: Any) -> Weights:
        """Return the weights of a `transformers` model, in 16 bits: half the size, no difference to a label."""
        tensors = {name: value.detach().half().contiguous() for name, value in encoder.state_dict().items()}
        return cls(encoder.config.to_diff_dict(), tensors)

    def tensors(self) -> dict[str, Any]:
        """Return the weights by name, as torch tensors."""
        if isinstance(self._source, dict):
            return self._source
        with safe_open(self._source, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping

    def build(self) -> Any:
        """Return the model, in 32 bits."""
        import torch
        from transformers import AutoConfig, AutoModel

        kind = self.config["model_type"]
        config = AutoConfig.for_model(kind, **_without(self.config, "model_type"))
        encoder: Any = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        encoder.load_state_dict({name: value.float() for name, value in self.tensors().items()})
        return encoder.to(torch.float32)

    def save(self, file: Path) -> None:
        """Write the weights as safetensors."""
        if isinstance(self._source, dict):
            from safetensors.torch import save_file

            save_file(self._source, file)
        else:
            file.write_bytes(self._source.read_bytes())


def _without(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in names}
