"""Rows per second of the exported encoder, against the default pipeline() and against what the processor can do at all.

    python -m benchmarks.encoder_speed

The ceiling is a chain of 8-bit matrix products with nothing between them, run by the same library. All heads of the
starter corpus' schema, airline texts where the public sets lie beside the checkout, else the starter corpus' own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.machine import record
from models.families.encoder.export import export
from models.families.encoder.readout import Readout
from models.families.encoder.runtime import OpenVino, Torch, cores, import_openvino, pool
from models.families.encoder.sources import load_pretrained, packaged
from models.text import prepare_all
from pipeline.config import load, resolve
from pipeline.learning.dataset import load_dataset

ROWS, ROUNDS = 3_000, 3
WIDTH, LAYERS, BATCH = 1_536, 8, 2_048
PARAMETERS = 6 * (4 * 384 * 384 + 2 * 384 * 1_536)  # of the six layers: each token passes them once


def best(run: Callable[[], object]) -> float:
    """Return the shortest of `ROUNDS` wall times, in seconds, after one to warm up."""
    run()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def ceiling() -> float:
    """Return the 8-bit operations per second of a chain of matrix products."""
    import nncf
    import torch

    openvino = import_openvino()
    chain = torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS))).eval()
    inputs = np.random.default_rng(1).normal(size=(BATCH, WIDTH)).astype(np.float32)
    model = openvino.convert_model(chain, example_input=torch.from_numpy(inputs))
    model = nncf.quantize(model, nncf.Dataset([{0: inputs}]), subset_size=1)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": cores()}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    return 2 * LAYERS * WIDTH * WIDTH * BATCH / best(lambda: request.infer({0: inputs}))


def piped(texts: Sequence[str], heads: int) -> float:
    """Return the rows per second of one default `pipeline()` per head."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    model: Any = AutoModelForSequenceClassification.from_pretrained(packaged(), num_labels=4)
    tokenizer = AutoTokenizer.from_pretrained(packaged())
    serve = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    some = list(texts[:300])
    start = time.perf_counter()
    serve(some, truncation=True)
    return len(some) / (time.perf_counter() - start) / heads


def main() -> None:
    config = load()
    schema = config.schema_()
    airline = resolve("../shared/data/airline.parquet")
    data = load_dataset(load("configs/airline.yaml") if airline.exists() else config)
    texts = prepare_all(data.texts[:ROWS])
    encoder, tokeniser = load_pretrained("minilm", max_tokens=128, dropout=0.0)
    readout = Readout.blank(schema, 384)
    tokens = float(np.mean([len(ids) for ids in tokeniser.windows(texts).ids]))
    runs = {
        "int8": OpenVino(export(encoder.eval(), tokeniser, texts, "int8")),
        "float32": OpenVino(export(encoder, tokeniser, texts, "float32")),
        "torch, bfloat16": Torch(encoder, bf16=True),
        "torch, 32 bits": Torch(encoder),
    }
    speeds = {}
    for name, run in runs.items():
        speeds[name] = len(texts) / best(lambda run=run: readout(pool(run, tokeniser.windows(texts))))
    peer, limit = piped(texts, len(schema.heads)), ceiling()
    used = speeds["int8"] * tokens * 2 * PARAMETERS / limit
    lines = [
        f"{len(texts):,} texts of {tokens:.0f} tokens on average; {cores()} cores, best of {ROUNDS}.",
        "",
        "| | rows per second |",
        "| --- | ---: |",
        *(f"| Amends encoder, {name} | {speed:,.0f} |" for name, speed in speeds.items()),
        f"| default `pipeline()`, one per head, {len(schema.heads)} heads | {peer:,.0f} |",
        f"| **int8 against `pipeline()`** | **{speeds['int8'] / peer:.1f}x** (target 12) |",
        f"| **int8 against the ceiling** of {limit / 1e9:,.0f} billion 8-bit operations a second | **{used:.0%}** "
        "(target 70%) |",
    ]
    record("Encoder: speed of the export", lines)


if __name__ == "__main__":
    main()
