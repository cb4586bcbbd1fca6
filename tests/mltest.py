"""Run what proves each item of the ML Test Score (Breck et al. 2017), and print the score.

python -m tests.mltest
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
WORTH = {"tests": 1.0, "by_hand": 0.5, "open": 0.0}


def main() -> int:
    """Return 0 where every proof holds, else 1."""
    sections: dict[str, list[dict[str, Any]]] = yaml.safe_load((HERE / "mltest.yaml").read_text(encoding="utf-8"))
    scores, failed = {}, 0
    for section, items in sections.items():
        print(f"\n{section}")
        scores[section] = 0.0
        for number, item in enumerate(items, 1):
            kind = next(name for name in WORTH if name in item)
            holds = kind != "tests" or proven(item["tests"])
            scores[section] += WORTH[kind] * holds
            failed += not holds
            mark = {"tests": "proven" if holds else "FAILED", "by_hand": "by hand", "open": "open"}[kind]
            print(f"  {number}. {mark:<8} {item['item']}", flush=True)
            print(f"              {command(item['tests']) if kind == 'tests' else item[kind]}")
    print("\n" + ", ".join(f"{section} {score:g}" for section, score in scores.items()))
    print(f"ML Test Score: {min(scores.values()):g} (the least of the four)")
    return 1 if failed else 0


def command(tests: list[str]) -> str:
    """Return the command that proves an item."""
    return f"python -m pytest -m 'not browser' {shlex.join(tests)}"


def proven(tests: list[str]) -> bool:
    """Return whether some tests were found and pass."""
    arguments = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not browser", *tests]
    return subprocess.run(arguments, cwd=HERE.parent, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
