"""serve.py as people start it: a process of its own that says where it is, gets ready, and ends when told to."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

import serve
from pipeline.config import ROOT
from pipeline.followup import people
from pipeline.followup.audit import Actor
from pipeline.followup.store import Store


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_gets_ready_and_ends(model_folder: Path, tmp_path: Path, end: signal.Signals) -> None:
    command = [sys.executable, "serve.py", "--demo", "--port", "0", "--model", str(model_folder)]
    store = f"store.url=sqlite:///{tmp_path}/amends.db"
    with subprocess.Popen([*command, "--set", store], cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[3]
            link = re.fullmatch(
                rf"Open ({address}/enter/\S+) \(works once, within the hour\)\n", server.stdout.readline()
            )
            assert link
            for _ in range(600):
                if httpx2.get(f"{address}/readyz").status_code == 200:
                    break
                time.sleep(0.05)
            assert httpx2.get(f"{address}/readyz").json() == {"status": "ready"}
            assert httpx2.get(address).headers["location"] == "/sign-in?next=/"
            with httpx2.Client(follow_redirects=True) as browser:
                assert "Nobody to call yet" in browser.get(link[1]).text
            assert httpx2.get(link[1]).status_code == 403
            told = httpx2.post(f"{address}/v1/feedback", json=[{"text": "I am leaving today."}])
            assert len(told.json()["cases"]) == 1
            server.send_signal(end)
            assert server.wait(timeout=30) in (0, -end)
        finally:
            server.kill()


def test_a_desk_that_others_can_reach_needs_its_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--host", "0.0.0.0", "--port", "0", "--set", f"store.url=sqlite:///{tmp_path}/amends.db"]
    assert serve.main(arguments) == 2
    assert capsys.readouterr() == (
        "",
        "serve.py: a desk that others can reach needs its address, such as site: https://desk.example.com in "
        "configs/desk.yaml; TLS is for a proxy before it\n",
    )
    assert not (tmp_path / "amends.db").exists()


def test_a_demo_whose_user_was_disabled_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url, by = f"sqlite:///{tmp_path}/amends.db", Actor("test", "test")
    store = Store.open(url)
    people.add_user(store, by, "demo", "admin", None)
    people.change_user(store, by, "demo", active=False)
    store.close()
    assert serve.main(["--demo", "--port", "0", "--set", f"store.url={url}"]) == 2
    said = "serve.py: the user demo may not sign in here; to change that: python serve.py user enable demo\n"
    assert capsys.readouterr().err == said
