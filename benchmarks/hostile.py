"""Memory that hostile files cost a night: python -m benchmarks.hostile

Peak of score.py over a small dump alone, and with each of them beside it: bombs, a field of 100 MB, JSON nested a
million deep, a line of 100 MB, an open quote.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import record
from benchmarks.nightly import written
from pipeline.config import ROOT

# Written by a process of its own: what a parent holds counts as its child's peak.
HOSTILE = {
    "a gzip bomb of 1 GB": ("bomb.csv.gz", 'gzip.compress(b"text\\n" + b"a" * 2**30, 9)'),
    "a zstd bomb of 1 GB": ("bomb.jsonl.zst", 'zstandard.compress(b"a" * 2**30, 3)'),
    "a field of 100 MB": ("field.csv", """b'id,text\\n1,"' + b"a" * 10**8 + b'"\\n2,fine\\n'"""),
    "an open quote before 100 MB": ("quote.csv", """b'id,text\\n1,"' + b"a,b\\n" * (10**8 // 4)"""),
    "a line of 100 MB": ("line.jsonl", """b'{"text": "' + b"a" * 10**8 + b'"}\\n{"text": "fine"}\\n'"""),
    "JSON nested a million deep": (
        "deep.jsonl", """b'{"text": "x", "a": ' + b"[" * 10**6 + b"]" * 10**6 + b"}\\n" """
    ),
    "a million columns": ("wide.csv", """b"text" + b",a" * 10**6 + b"\\nhello" + b",b" * 10**6 + b"\\n" """),
}  # fmt: skip


def main() -> None:
    lines = [
        "| beside 5,000 rows | exit code | peak memory | more than alone (target 300 MiB) |",
        "| --- | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        dump = written(folder, 5_000)
        code, alone = peak(folder, dump)
        lines.append(f"| nothing | {code} | {alone:,.0f} MiB | |")
        for what, (name, content) in HOSTILE.items():
            write = f"import gzip, zstandard; open({str(folder / name)!r}, 'wb').write({content.strip()})"
            subprocess.run([sys.executable, "-c", write], check=True)
            code, used = peak(folder, dump, folder / name)
            lines.append(f"| {what} | {code} | {used:,.0f} MiB | **{used - alone:+,.0f}** |")
            (folder / name).unlink()
    record("score.py: memory for hostile files", lines)


def peak(folder: Path, *files: Path) -> tuple[int, float]:
    """Return the exit code and the peak memory of score.py over `files`, in MiB."""
    command = [sys.executable, "score.py", *map(str, files), "--output", str(folder / "out"), "--workers", "1",
               "--restart", "--set", f"nights={folder}/nights.jsonl"]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
