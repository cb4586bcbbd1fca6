"""The export of a trained encoder to OpenVINO, in 8-bit integers where that keeps its quality."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .runtime import Exported, import_openvino
from .tokens import Tokeniser

CALIBRATION_TEXTS = 1_000


def export(encoder: Any, tokeniser: Tokeniser, texts: Sequence[str], precision: str) -> Exported:
    """Return `encoder`, with the mean over its tokens, as OpenVINO runs it.

    Parameters
    ----------
    texts
        Prepared texts of training; up to 1,000 of them set the ranges of the 8-bit numbers (static quantisation).
    precision
        ``int8`` or ``float32``.
    """
    import torch

    openvino = import_openvino()
    _quieten()
    example = torch.ones(2, 8, dtype=torch.int64)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on code that is not ours
        model = openvino.convert_model(_mean_of(encoder), example_input=(example, example))
    if precision == "int8":
        model = _quantise(model, tokeniser, texts)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "encoder.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return Exported(precision, path.read_bytes(), path.with_suffix(".bin").read_bytes())


def _mean_of(encoder: Any) -> Any:
    import torch

    class Mean(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            kept = attention_mask.unsqueeze(-1).to(states.dtype)
            mean: torch.Tensor = (states * kept).sum(1) / kept.sum(1)
            return mean

    return Mean().eval()


def _quantise(model: Any, tokeniser: Tokeniser, texts: Sequence[str]) -> Any:
    import nncf

    chosen = [texts[place] for place in np.linspace(0, len(texts) - 1, min(CALIBRATION_TEXTS, len(texts))).astype(int)]
    windows = [np.array([ids], np.int64) for ids in tokeniser.windows(chosen).ids]
    samples = [{0: ids, 1: np.ones_like(ids)} for ids in windows]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nncf.quantize(
            model,
            nncf.Dataset(samples),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(samples),
            fast_bias_correction=True,
        )


def _quieten() -> None:
    for name in ("nncf", "openvino"):
        logging.getLogger(name).setLevel(logging.ERROR)
