"""Rows lost or doubled over many deaths: score.py is killed again and again, and must end with the same bytes.

    python -m benchmarks.kills                        1,000,000 rows, 200 kills (hours on a busy machine)
    python -m benchmarks.kills --rows 50000 --kills 20

The process and all below it get SIGKILL when the files of the job have grown to a size drawn at random; then the same
command is given again. In between, a watcher looks at the output. At the end every file is held against a run that
nobody disturbed, byte by byte, the two moments in the manifest apart.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.machine import record
from benchmarks.nightly import written
from pipeline.config import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the dump (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=200, help="how often it is killed (default: %(default)s)")
    parser.add_argument("--model", default="champion", help="which model (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        dump = written(Path(scratch), options.rows)
        output = Path(scratch) / "night"
        command = [sys.executable, "score.py", str(dump), "--output", str(output), "--model", options.model, "--as-of",
                   "2026-11-21T06:00:00Z", "--set", f"nights={scratch}/nights.jsonl"]  # fmt: skip
        largest = undisturbed(command, output)
        whole = contents(output)
        for path in output.iterdir():
            path.unlink()
        output.rmdir()
        deaths, half = killed(command, output, largest, options.kills)
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        last, found = time.perf_counter() - start, contents(output)
        ids = pq.read_table(output / "scored.parquet", columns=["id"]).column("id").to_pylist()
        rejected = pq.read_metadata(output / "rejected.parquet").num_rows
    differing = sorted(name for name in whole.keys() | found.keys() if whole.get(name) != found.get(name))
    lines = [
        f"{options.rows:,} rows, {deaths} kills, at sizes of the job's files drawn over its whole life; the last run, "
        f"which nobody killed, took {last:.0f} s.",
        "",
        "| what | found | target |",
        "| --- | ---: | ---: |",
        f"| rows lost | {options.rows - len(set(ids)) - rejected:,} | 0 |",
        f"| rows doubled | {len(ids) - len(set(ids)):,} | 0 |",
        f"| files that differ from those of an undisturbed run | {len(differing)} {' '.join(differing)} | 0 |",
        f"| looks that found a half published output | {half} | 0 |",
    ]
    record("Deaths of a night", lines)
    return int(bool(differing or half))


def undisturbed(command: list[str], output: Path) -> int:
    """Return the largest size that the job's files have while nobody disturbs it."""
    process, largest = started(command), 0
    while process.poll() is None:
        largest = max(largest, size(output))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"the undisturbed run ended with {process.returncode}")
    return largest


def killed(command: list[str], output: Path, largest: int, kills: int) -> tuple[int, int]:
    """Return how often the job was killed, and how often a look found half an output."""
    deaths = half = 0
    for share in np.sort(np.random.default_rng(7).random(kills)):
        process = started(command)
        while process.poll() is None and size(output) < share * largest:
            half += output.exists() and not (output / "manifest.json").exists()
            time.sleep(0.02)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            deaths += 1
        process.wait()
    return deaths, half


def started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def size(output: Path) -> int:
    """Return the bytes that the job for `output` has written so far."""
    total = 0
    for folder, _, names in os.walk(output.parent / f".{output.name}.job"):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
    return total


def contents(output: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in output.iterdir()}
    found["manifest.json"] = re.sub(rb'"(started|finished)": "[^"]*"', b"", found["manifest.json"])
    return found


if __name__ == "__main__":
    sys.exit(main())
