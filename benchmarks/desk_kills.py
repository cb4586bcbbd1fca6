"""Acknowledged changes lost when the server is killed: SIGKILL again and again while eight agents write.

    python -m benchmarks.desk_kills                   100 kills
    python -m benchmarks.desk_kills --kills 10

Every agent leaves numbered notes, and writes down those that the server acknowledged (303). After each kill the server
starts anew on the same file. In the end every acknowledged note must be in the history of its case, once, and the audit
log must hold.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx2
from sqlalchemy import select

from benchmarks.desk_cases import filled
from benchmarks.machine import record
from pipeline.config import ROOT
from pipeline.followup import people, sessions
from pipeline.followup.audit import Actor
from pipeline.followup.store import Store
from pipeline.followup.tables import AUDIT
from pipeline.web.access import COOKIE

AGENTS = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        url = f"sqlite:///{Path(scratch) / 'amends.db'}"
        store = Store.open(url)
        filled(store, 200)
        tokens = []
        for number in range(AGENTS):
            people.add_user(store, Actor("benchmark", "benchmark"), f"agent{number}", "agent", None)
            tokens.append(sessions.sign_in_known(store, f"agent{number}", "benchmark", how="benchmark"))
        csrf = [str(user.csrf) for user in (sessions.session_user(store, token) for token in tokens) if user]
        store.close()
        acknowledged, where, ended = [set[str]() for _ in tokens], [""], threading.Event()
        writers = [threading.Thread(target=write, args=(where, token, csrf[n], acknowledged[n], ended))
                   for n, token in enumerate(tokens)]  # fmt: skip
        for writer in writers:
            writer.start()
        rng = random.Random(7)
        for _ in range(options.kills):
            process, where[0] = started(url)
            time.sleep(0.3 + rng.random() * 1.5)
            process.send_signal(signal.SIGKILL)
            process.wait()
        ended.set()
        for writer in writers:
            writer.join()
        store = Store.open(url)
        with store.engine.connect() as connection:
            notes = [detail.get("note") for detail in
                     connection.execute(select(AUDIT.c.detail).where(AUDIT.c.what == "noted")).scalars()]  # fmt: skip
        problems = [
            one for one in store.audit() if "is in no entry" not in one
        ]  # the benchmark's own rows are not logged
        store.close()
    said = set[str]().union(*acknowledged)
    lost, doubled = len(said - set(notes)), len(notes) - len(set(notes))
    record("The server killed under writes", [
        f"{options.kills} kills (SIGKILL), {AGENTS} agents writing; SQLite.", "",
        "| what | found | target |", "| --- | ---: | ---: |",
        f"| changes acknowledged | {len(said):,} | |",
        f"| of these lost | {lost} | 0 |",
        f"| doubled | {doubled} | 0 |",
        f"| written, but the answer was lost with the server | {len(set(notes) - said)} | |",
        f"| links of the audit log that do not hold | {len(problems)} | 0 |",
    ])  # fmt: skip
    return 1 if lost or doubled or problems or not said else 0


def started(url: str) -> tuple[subprocess.Popen[str], str]:
    """Return a server and its address."""
    command = [sys.executable, "serve.py", "--port", "0", "--set", f"store.url={url}", "--model", "none"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    return process, found[0]


def write(where: list[str], token: str, csrf: str, acknowledged: set[str], ended: threading.Event) -> None:
    number = 0
    while not ended.is_set():
        number += 1
        note, address = f"{token[:6]}-{number}", where[0]
        if not address:
            time.sleep(0.05)
            continue
        headers = {"Cookie": f"{COOKIE}={token}", "Origin": address, "Sec-Fetch-Site": "same-origin"}
        try:
            answer = httpx2.post(f"{address}/cases/{1 + number % 200}/note", data={"token": csrf, "note": note},
                                 headers=headers, timeout=10)  # fmt: skip
            if answer.status_code == 303:
                acknowledged.add(note)
        except httpx2.TransportError:
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
