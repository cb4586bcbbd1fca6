"""Run every benchmark, each in a process of its own: python -m benchmarks [NAME ...]"""

from __future__ import annotations

import subprocess
import sys

NAMES = ("throughput", "quality", "masking", "startup", "memory")


def main() -> int:
    return max(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode for name in sys.argv[1:] or NAMES)


if __name__ == "__main__":
    sys.exit(main())
