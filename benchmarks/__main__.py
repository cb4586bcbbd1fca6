"""Run every benchmark, each in a process of its own: python -m benchmarks [NAME ...]"""

from __future__ import annotations

import subprocess
import sys

NAMES = ("throughput", "quality", "encoder_speed", "masking", "startup", "memory", "honesty", "nightly",
         "faithfulness", "sharing", "few_labels", "desk_load", "desk_kills")  # fmt: skip


def main() -> int:
    names = sys.argv[1:] or NAMES
    return max(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode for name in names)


if __name__ == "__main__":
    sys.exit(main())
