"""The encoder as it runs: exported to OpenVINO, on the cores given; by torch on a GPU, or without OpenVINO.

Windows are sorted by length and batched by a budget of tokens, so that little is padded; lengths are rounded up to
multiples of `BUCKET`, so that few shapes have to be prepared.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .tokens import Windows

Floats = NDArray[np.float32]
I64 = NDArray[np.int64]
TOKEN_BUDGET = 2_048
BUCKET = 8


class Runtime(Protocol):
    """Whatever gives the mean token state of each window of a batch, shape (windows, size)."""

    size: int

    def __call__(self, ids: I64, mask: I64) -> Floats:
        """Return the mean states for token ids and mask of the shape (windows, length)."""
        ...


@dataclass(frozen=True)
class Exported:
    """The bytes of an exported encoder: OpenVINO's graph and its weights."""

    precision: str
    graph: bytes
    weights: bytes

    def save(self, folder: Path) -> None:
        """Write ``encoder.xml`` and ``encoder.bin`` into `folder`."""
        (folder / "encoder.xml").write_bytes(self.graph)
        (folder / "encoder.bin").write_bytes(self.weights)

    @classmethod
    def load(cls, folder: Path, precision: str) -> Exported:
        """Return what `save` wrote."""
        return cls(precision, (folder / "encoder.xml").read_bytes(), (folder / "encoder.bin").read_bytes())


class OpenVino:
    """An exported encoder compiled for this processor."""

    def __init__(self, exported: Exported) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        model = core.read_model(exported.graph, openvino.Tensor(np.frombuffer(exported.weights, np.uint8)))
        # What is not quantised runs in 32 bits: 16 would make a text's numbers depend on the texts beside it.
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": cores(),
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = core.compile_model(model, "CPU", settings)
        self.size = int(compiled.output(0).partial_shape[1].get_length())
        self._request = compiled.create_infer_request()
        self._lock = Lock()  # a request serves one thread at a time

    def __call__(self, ids: I64, mask: I64) -> Floats:
        """Return the mean states of the windows."""
        with self._lock:
            return np.array(self._request.infer({0: ids, 1: mask})[0], np.float32)


class Torch:
    """The encoder as it was trained, on a GPU where there is one: a copy of it, so that the one given stays put."""

    def __init__(self, encoder: Any, *, bf16: bool = False) -> None:
        import torch

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._encoder = (encoder if self._device == "cpu" else deepcopy(encoder).to(self._device)).eval()
        self.size = int(encoder.config.hidden_size)
        self._bf16 = bf16 and has_bf16()

    def __call__(self, ids: I64, mask: I64) -> Floats:
        """Return the mean states of the windows."""
        import torch

        with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16, enabled=self._bf16):
            kept = torch.from_numpy(mask).to(self._device)
            states = self._encoder(input_ids=torch.from_numpy(ids).to(self._device), attention_mask=kept)
            states = states.last_hidden_state.float() * kept.unsqueeze(-1)
            return np.asarray((states.sum(1) / kept.sum(1, keepdim=True)).cpu().numpy(), np.float32)


def pool(runtime: Runtime, windows: Windows) -> Floats:
    """Return the mean token state of every text over all its windows, shape (texts, size)."""
    out = np.zeros((len(windows.count), runtime.size), np.float32)
    tokens = np.zeros(len(windows.count), np.float32)
    for rows, ids, mask in batches(windows.ids):
        count = mask.sum(1).astype(np.float32)
        np.add.at(out, windows.text[rows], runtime(ids, mask) * count[:, None])
        np.add.at(tokens, windows.text[rows], count)
    return np.asarray(out / np.maximum(tokens, 1)[:, None], np.float32)


def batches(windows: list[list[int]]) -> Iterator[tuple[I64, I64, I64]]:
    """Yield the numbers of some windows, their token ids and their mask, padded to a common length."""
    lengths = np.array([len(window) for window in windows], np.int64)
    padded = -(-lengths // BUCKET) * BUCKET
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and padded[order[stop]] * (stop + 1 - start) <= TOKEN_BUDGET:
            stop += 1
        rows = order[start:stop]
        yield rows, *filled([windows[row] for row in rows])
        start = stop


def filled(windows: Sequence[Sequence[int] | I64], multiple: int = BUCKET) -> tuple[I64, I64]:
    """Return token ids and mask of one batch, filled up to the longest window, rounded up to a `multiple`.

    OpenVINO takes time and memory to prepare for every new shape.
    """
    lengths = np.array([len(window) for window in windows], np.int64)
    inside = np.arange(-(-int(lengths.max()) // multiple) * multiple) < lengths[:, None]
    ids = np.zeros(inside.shape, np.int64)
    ids[inside] = np.concatenate(windows)
    return ids, inside.astype(np.int64)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_gpu() -> bool:
    """Return whether there is a GPU and a torch built to drive it, without importing torch."""
    if not Path("/dev/nvidiactl").exists() or importlib.util.find_spec("torch") is None:
        return False
    return not importlib.metadata.version("torch").endswith("+cpu")


def has_bf16() -> bool:
    """Return whether bfloat16 pays: on a GPU that has it, and on a processor whose instructions have it."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def limit_shape_caches() -> None:
    """Keep torch on a processor from holding what it prepared for each of a thousand shapes: 0.6 GB of training.

    It costs no time; it has to be called before torch's first operation, and leaves settings of the user's alone.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, "16")


def import_openvino() -> Any:
    """Return the library `openvino`, which then tells nobody that it was imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # so that importing it fails
    import openvino

    return openvino


def has_openvino() -> bool:
    """Return whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None
