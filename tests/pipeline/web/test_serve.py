"""serve.py as people start it: a process of its own that says where it is, gets ready, and ends when told to."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from pipeline.config import ROOT


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_gets_ready_and_ends(model_folder: Path, tmp_path: Path, end: signal.Signals) -> None:
    command = [sys.executable, "serve.py", "--demo", "--port", "0", "--model", str(model_folder)]
    store = f"store.url=sqlite:///{tmp_path}/amends.db"
    with subprocess.Popen([*command, "--set", store], cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[3]
            for _ in range(600):
                if httpx2.get(f"{address}/readyz").status_code == 200:
                    break
                time.sleep(0.05)
            assert httpx2.get(f"{address}/readyz").json() == {"status": "ready"}
            assert "Nobody to call yet" in httpx2.get(address).text
            server.send_signal(end)
            assert server.wait(timeout=30) in (0, -end)
        finally:
            server.kill()
