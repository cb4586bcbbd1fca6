"""A night from CSV.gz to Parquet: rows per CPU-second by stage, rows a second, memory, against the usual script.

    python -m benchmarks.nightly                              family linear, 200,000 rows
    python -m benchmarks.nightly --model PATH --rows 20000    another model, such as a cascade

Peer, in the same run: pandas reads the dump, scikit-learn's TF-IDF and logistic regression, one pipeline per head
trained on the same corpus, predict it, pandas writes Parquet. The last result is kept in benchmarks/nightly.json, and
what is now slower than three quarters of it is said.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import record
from pipeline.config import ROOT

LAST = Path(__file__).with_name("nightly.json")
PEER_ROWS = 10_000
PEER = """
import sys, time, glob, json, pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer
rows = pd.concat([pd.read_json(path, lines=True) for path in glob.glob("data/starter/*.jsonl")])
def fitted(rows, labels, wrap=lambda one: one):
    words, regression = TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=300)
    return make_pipeline(words, wrap(regression)).fit(rows["text"], labels)
models = {head: fitted(rows, rows[head]) for head in ("sentiment", "urgency", "complaint_type")}
rated = rows[rows["nps"].notna()]
models["detractor"] = fitted(rated, rated["nps"] <= 6)
models["signals"] = fitted(rows, MultiLabelBinarizer().fit_transform(rows["signals"]), OneVsRestClassifier)
start = time.perf_counter()
frame = pd.read_csv(sys.argv[1])
for head, model in models.items():
    likely = model.predict_proba(frame["text"].astype(str))
    for place in range(likely.shape[1]):
        frame[f"p_{head}_{place}"] = likely[:, place]
    if head != "signals":
        frame[head] = model.predict(frame["text"].astype(str))
frame.drop(columns="text").to_parquet(sys.argv[2])
print(json.dumps({"seconds": time.perf_counter() - start}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="champion", help="which model (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=200_000, help="of the dump (default: %(default)s)")
    parser.add_argument("--engine", default="local", help="local or ray (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        dump, small = (written(Path(scratch), rows) for rows in (options.rows, min(PEER_ROWS, options.rows)))
        one, stages, peak, name = night(dump, options, 1, "local")
        all_, _, peak_all, _ = night(dump, options, os.cpu_count() or 1, options.engine)
        said = subprocess.run([sys.executable, "-c", PEER, str(small), f"{scratch}/peer.parquet"], cwd=ROOT, check=True,
                              capture_output=True, text=True)  # fmt: skip
        peer = min(PEER_ROWS, options.rows) / json.loads(said.stdout.splitlines()[-1])["seconds"]
        alone = own_rate(options.model, small)
    by_stage = {stage: options.rows / max(taken, 1e-9) for stage, taken in stages.items()}
    lines = [
        f"{options.rows:,} rows, CSV.gz to Parquet; model {name}; rows per CPU-second by stage: "
        + ", ".join(f"{stage} {rate:,.0f}" for stage, rate in by_stage.items()),
        "",
        f"The model alone predicts {alone:,.0f} rows per CPU-second; the night's whole way, all stages, reaches "
        f"{options.rows / sum(stages.values()) / alone:.0%} of that.",
        "",
        "| command | rows/s, wall | peak memory, all processes | ratio |",
        "| --- | ---: | ---: | ---: |",
        f"| pandas + scikit-learn, one pipeline per head | {peer:,.0f} | | 1 |",
        f"| score.py --workers 1 | {one:,.0f} | {peak:,.0f} MiB | {one / peer:.1f} |",
        f"| score.py --engine {options.engine} --workers {os.cpu_count()} | {all_:,.0f} | {peak_all:,.0f} MiB | "
        f"**{all_ / peer:.1f}** |",
        "",
        *compared(f"{name.partition('-')[0]} {options.engine}", {**by_stage, "all": all_, "ratio": all_ / peer}),
    ]
    record(f"A night: family {name.partition('-')[0]}, engine {options.engine}", lines)


def own_rate(model: str, dump: Path) -> float:
    """Return how many masked texts a CPU-second the model predicts on one core, without anything around it."""
    code = """
import os, sys, time, pandas as pd
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from models.text import mask_all
from pipeline.config import load
from pipeline.registry import fetch
from pipeline.triage.chunks import predict
model, texts = fetch(sys.argv[1], load()), mask_all(pd.read_csv(sys.argv[2])["text"].astype(str))
predict(model, texts[:100])
start = time.process_time()
for place in range(0, len(texts), 4_096):
    predict(model, texts[place : place + 4_096])
print(len(texts) / (time.process_time() - start))
"""
    done = subprocess.run([sys.executable, "-c", code, model, str(dump)], cwd=ROOT, check=True, capture_output=True,
                          text=True)  # fmt: skip
    return float(done.stdout.splitlines()[-1])


def written(folder: Path, rows: int) -> Path:
    """Return a dump of the starter corpus's texts, each with a word of its own at its end so that none comes twice."""
    corpus = sorted((ROOT / "data/starter").glob("*.jsonl"))
    texts = [json.loads(line)["text"] for path in corpus for line in path.open(encoding="utf-8")]
    path = folder / f"{rows}.csv.gz"
    with gzip.open(path, "wt", newline="", encoding="utf-8", compresslevel=6) as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "created_at", "customer_id", "customer_value", "nps"])
        for number in range(rows):
            moment = f"2026-11-{number % 20 + 1:02}T{number % 24:02}:00:00Z"
            text = f"{texts[number % len(texts)]} {word(number)}"
            writer.writerow([number, text, moment, f"C{number % (rows // 3)}", number % 5_000, number % 11])
    return path


def word(number: int) -> str:
    """Return a number in letters: digits would make personal data be looked for in texts that have none."""
    return "x" + "".join(chr(ord("a") + int(digit)) for digit in str(number))


def night(
    dump: Path, options: argparse.Namespace, workers: int, engine: str
) -> tuple[float, dict[str, float], float, str]:
    """Return rows a second, CPU-seconds by stage, peak memory in MiB, and the model's version."""
    output = dump.parent / f"out-{workers}-{engine}"
    command = [sys.executable, "score.py", str(dump), "--output", str(output), "--workers", str(workers),
               "--engine", engine, "--model", options.model, "--set", f"nights={dump.parent}/nights.jsonl"]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.2)
    taken = time.perf_counter() - start
    errors = process.stderr.read() if process.stderr else ""
    if process.returncode not in (0, 3):
        raise SystemExit(errors)
    stages = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    return options.rows / taken, {one["stage"]: one["cpu_seconds"] for one in stages}, peak, manifest["model_version"]


def memory(process: int) -> float:
    """Return the memory of a process and those below it, in MiB; what they share counts once (Pss)."""
    total = 0
    for one in [process, *below(process)]:
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="utf-8").splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total / 1024 or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def below(process: int) -> list[int]:
    try:
        tasks = [path.read_text(encoding="utf-8").split() for path in Path(f"/proc/{process}/task").glob("*/children")]
    except OSError:
        return []
    children = [int(name) for names in tasks for name in names]
    return children + [deeper for child in children for deeper in below(child)]


def compared(what: str, now: dict[str, float]) -> list[str]:
    """Return how the rates stand against the last recorded ones, and record them."""
    kept = json.loads(LAST.read_text(encoding="utf-8")) if LAST.exists() else {}
    before = kept.get(what, {})
    LAST.write_text(json.dumps(kept | {what: {name: round(rate, 1) for name, rate in now.items()}}, indent=2) + "\n")
    slower = [
        f"{name} {now[name] / rate:.2f} times" for name, rate in before.items() if now.get(name, rate) < 0.75 * rate
    ]
    if not before:
        return ["Nothing was recorded before."]
    return [f"Slower than last time: {', '.join(slower)}." if slower else "No stage is slower than last time."]


if __name__ == "__main__":
    main()
