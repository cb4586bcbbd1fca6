"""How long people wait for an answer: --help, --dry-run, /readyz. python -m benchmarks.startup (train a model first)"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

from benchmarks.machine import record
from pipeline.config import ROOT

ROUNDS = 5


def main() -> None:
    peer = wall([sys.executable, "-c", "import mlflow"])
    lines = ["| command | median of 5 | slowest | target |", "| --- | ---: | ---: | ---: |"]
    commands = {
        "`score.py --help`": (["score.py", "--help"], "0.5 s"),
        "`score.py data/sample --dry-run`": (["score.py", "data/sample", "--dry-run"], "1 s"),
        "`train.py --help`": (["train.py", "--help"], "0.5 s"),
        "`serve.py --help`": (["serve.py", "--help"], "0.5 s"),
    }
    for name, (command, target) in commands.items():
        times = [wall([sys.executable, *command]) for _ in range(ROUNDS)]
        lines.append(f"| {name} | {statistics.median(times):.2f} s | {max(times):.2f} s | {target} |")
    ready = [until_ready() for _ in range(ROUNDS)]
    lines.append(f"| `serve.py --demo` to `/readyz` | {statistics.median(ready):.2f} s | {max(ready):.2f} s | 5 s |")
    lines += ["", f"Peer: `python -c 'import mlflow'` alone takes {peer:.2f} s here."]
    record("Time to an answer", lines)


def wall(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def until_ready() -> float:
    start = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "serve.py", "--demo", "--port", "8765"], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        while time.perf_counter() - start < 60:
            try:
                with urllib.request.urlopen("http://127.0.0.1:8765/readyz", timeout=1):
                    return time.perf_counter() - start
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.02)
        raise SystemExit("serve.py was not ready within 60 s")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
