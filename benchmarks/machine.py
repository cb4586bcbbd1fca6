"""What a figure was measured on, for the line above every result."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def describe() -> str:
    """Return date, processor, cores and Python in one line."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    today = datetime.now(UTC).date()
    return f"{today}, {model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def record(title: str, lines: list[str]) -> None:
    """Print a result, and put it into RESULTS.md in place of the earlier one of the same `title`."""
    command = f"python -m benchmarks.{Path(sys.argv[0]).stem}"
    body = "\n".join([f"## {title}", "", f"{describe()}; `{command}`", "", *lines, ""])
    print(body)
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    head, *sections = text.split("\n## ")
    kept = [section for section in sections if section.split("\n")[0] != title]
    RESULTS.write_text("\n## ".join([head.rstrip("\n") + "\n", *(section.rstrip("\n") + "\n" for section in kept),
                                     body.removeprefix("## ")]), encoding="utf-8")  # fmt: skip
