"""Peak memory and speed of score.py on 100,000 and on 1,000,000 rows of CSV: python -m benchmarks.memory

Peer: the usual script (read all with pandas, predict, write), in the same run, with the same model's predict call.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import record
from benchmarks.nightly import memory
from pipeline.config import ROOT

SIZES = (100_000, 1_000_000)
PEER = """
import sys, pandas as pd
sys.path.insert(0, {root!r})
from pipeline.config import load
from pipeline.registry import fetch
model = fetch("champion", load())
frame = pd.read_csv(sys.argv[1])
predictions = model.predict(frame["text"].astype(str).tolist())
for name, likely in predictions.probabilities.items():
    for place in range(likely.shape[1]):
        frame[f"p_{{name}}_{{place}}"] = likely[:, place]
frame.drop(columns="text").to_parquet(sys.argv[2])
"""


def main() -> None:
    corpus = sorted((ROOT / "data/starter").glob("*.jsonl"))
    texts = [json.loads(line)["text"] for path in corpus for line in path.open(encoding="utf-8")]
    lines = ["| rows | command | peak memory | wall time | rows/s |", "| ---: | --- | ---: | ---: | ---: |"]
    peaks = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for rows in SIZES:
            dump = write(folder / f"{rows}.csv", rows, texts)
            script = [
                sys.executable,
                "score.py",
                str(dump),
                "--output",
                str(folder / f"out{rows}"),
                "--set",
                f"nights={folder}/nights.jsonl",
            ]
            peer = [sys.executable, "-c", PEER.format(root=str(ROOT)), str(dump), str(folder / "peer.parquet")]
            for name, command in (("score.py", script), ("pandas script", peer)):
                took, peak = run(command)
                peaks[name, rows] = peak
                lines.append(f"| {rows:,} | {name} | {peak:,.0f} MiB | {took:.0f} s | {rows / took:,.0f} |")
            dump.unlink()
    small, large = (peaks["score.py", rows] for rows in SIZES)
    growth = f"10 times the rows: **{large / small - 1:+.1%}** peak memory (target under +10% and under 1,024 MiB)."
    lines += ["", growth]
    record("score.py: memory", lines)


def write(path: Path, rows: int, texts: list[str]) -> Path:
    """Return a dump of `rows` rows with ids, times, customers and values."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "created_at", "customer_id", "customer_value", "nps"])
        for row in range(rows):
            day, second = 1 + row % 28, row % 60
            writer.writerow([f"T-{row}", texts[row % len(texts)], f"2026-10-{day:02}T10:00:{second:02}Z",
                             f"C-{row * 7919 % (rows // 2)}", row % 5000, row % 11 if row % 3 else ""])  # fmt: skip
    return path


def run(command: list[str]) -> tuple[float, float]:
    """Return wall seconds of a child process, and the peak MiB of it and all below it."""
    start, peak = time.perf_counter(), 0.0
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None:
        peak = max(peak, memory(child.pid))
        time.sleep(0.1)
    if child.returncode:
        raise SystemExit(f"{command[:2]} failed with {child.returncode}")
    return time.perf_counter() - start, peak


if __name__ == "__main__":
    main()
