"""We and our peers on the same splits in one run: quality on the test side, rows per CPU-second.

    python -m benchmarks.models                       every set, every system (hours on two cores; goes on if cut short)
    python -m benchmarks.models --sets airline --systems linear,cascade,tfidf

Each system is trained and timed in a process of its own. Its result is kept under data/local/bench until `--again`, so
that a run that was cut short goes on; the table and the plot are made of whatever is there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from benchmarks.machine import record
from benchmarks.peers import SYSTEMS
from benchmarks.sets import SETS
from pipeline.config import resolve

KEPT = "data/local/bench"
ACROSS = 3  # panels of the plot
NAMES = {
    "linear": "**Amends `linear`**", "frozen": "**Amends `frozen`**", "encoder": "**Amends `encoder`**",
    "cascade": "**Amends `cascade`**", "every": "**Amends `cascade`, every row read by both**",
    "tfidf": "TF-IDF + LR per head", "fasttext": "fastText per head",
    "embeddings": "frozen MiniLM + LR per head", "finetuned": "MiniLM fine-tuned per head, `pipeline()`",
    "setfit": "SetFit per head",
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS), help="which sets (default: %(default)s)")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="which systems (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each neural system (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="measure again what was measured before")
    parser.add_argument("--one", nargs=3, metavar=("SET", "SYSTEM", "SEED"), help="measure one thing, print JSON")
    options = parser.parse_args()
    if options.one:
        name, system, seed = options.one
        print(json.dumps(SYSTEMS[system](SETS[name](int(seed)), int(seed))))
        return 0
    failed = 0
    for name in options.sets.split(","):
        for system in options.systems.split(","):
            for seed in range(7, 7 + (options.seeds if system in NEURAL else 1)):
                failed += not _measure(name, system, seed, again=options.again)
    found = _kept()
    for name in dict.fromkeys(key[0] for key in found):
        record(f"Models compared: {name}", table(name, found))
    draw(found)
    return 1 if failed else 0


NEURAL = ("cascade", "finetuned")
COSTS = {"rows_per_cpu_s": "rows per CPU-second", "training_s": "training s", "training_mib": "training MiB"}
Found = dict[tuple[str, str, int], dict[str, float]]


def _measure(name: str, system: str, seed: int, *, again: bool) -> bool:
    path = resolve(KEPT) / f"{name}.{system}.{seed}.json"
    if path.exists() and not again:
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.models", "--one", name, system, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name} {system} {seed}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return False
    path.write_text(done.stdout.strip().splitlines()[-1] + "\n", encoding="utf-8")
    print(f"{name} {system} {seed}: {path.read_text('utf-8').strip()}", flush=True)
    return True


def _kept() -> Found:
    found = {}
    for path in sorted(resolve(KEPT).glob("*.json")):
        name, _, seed = path.stem.split(".")
        for system, figures in json.loads(path.read_text(encoding="utf-8")).items():
            found[(name, system, int(seed))] = figures
    return found


def table(name: str, found: Found) -> list[str]:
    """Return the rows of one set: every system, the mean over its seeds and their range."""
    figures = sorted({metric for key, values in found.items() if key[0] == name for metric in values} - set(COSTS))
    lines = [
        "Test side; mean over seeds, range in brackets. Rows per CPU-second: all heads, from raw text.",
        "",
        "| system | " + " | ".join([*figures, *COSTS.values()]) + " |",
        "| --- |" + " ---: |" * (len(figures) + len(COSTS)),
    ]
    for system, title in NAMES.items():
        runs = [values for key, values in found.items() if key[:2] == (name, system)]
        if runs:
            cells = [_cell([run[metric] for run in runs if metric in run]) for metric in figures]
            cells += [_mean([run[cost] for run in runs if cost in run]) for cost in COSTS]
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):,.0f}" if values else ""


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" [{min(values):.3f}, {max(values):.3f}]" if len(values) > 1 else ""
    return f"{sum(values) / len(values):.3f}{spread}"


def draw(found: Found) -> None:
    """Draw quality against speed, a panel per set, into docs/models.png."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(key[0] for key in found))
    rows = -(-len(names) // ACROSS)
    figure = Figure(figsize=(5 * ACROSS, 4.5 * rows), layout="constrained")
    panels = figure.subplots(rows, ACROSS, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.remove()
    for axes, name in zip(panels, names, strict=False):
        for system, title in NAMES.items():
            runs = [values for key, values in found.items() if key[:2] == (name, system)]
            if runs:
                speed = sum(run["rows_per_cpu_s"] for run in runs) / len(runs)
                quality = [value for run in runs for figure, value in run.items() if figure not in COSTS]
                point = (speed, sum(quality) / len(quality))
                axes.scatter(*point, color="tab:red" if "Amends" in title else "0.5")
                axes.annotate(system, point, textcoords="offset points", xytext=(4, 4))
        axes.margins(0.2)
        axes.set(xscale="log", xlabel="rows per CPU-second", ylabel="mean of the figures", title=name)
    figure.savefig(resolve("docs/models.png"), dpi=110)


if __name__ == "__main__":
    sys.exit(main())
