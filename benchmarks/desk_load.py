"""How long the queue page takes with 50 people at the desk and 100,000 cases in it.

    python -m benchmarks.desk_load                    50 users for 60 s
    python -m benchmarks.desk_load --users 10 --seconds 20 --cases 10000

A real server in a process of its own, users in another, each signed in and thinking 1 to 5 seconds between two pages:
mostly the queue, its filters and a search, now and then a case that is taken, noted and put back; and every 15 seconds
the counts, as the page asks for them. The peer is the same server over the same rows without the indexes of the queue:
what one gets who filters and sorts a table as it stands.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.desk_cases import filled
from benchmarks.machine import record
from pipeline.config import ROOT
from pipeline.followup import people, sessions
from pipeline.followup.audit import Actor
from pipeline.followup.store import Store
from pipeline.web.access import COOKIE

PAGES = {
    "/": 8, "/?tab=overdue": 2, "/?tab=mine": 2, "/?tab=all&page=40": 1, "/?urgency=critical": 2, "/?q=refund": 1,
    "/?channel=chat&lang=de&value=4000": 1, "/?sort=value": 1,
}  # fmt: skip
KEPT = ("uq_cases_live", "ix_cases_case_key")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cases", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "amends.db"
        store = Store.open(f"sqlite:///{path}")
        filled(store, options.cases)
        tokens = []
        for number in range(options.users):
            people.add_user(store, Actor("benchmark", "benchmark"), f"agent{number}", "agent", None)
            tokens.append(sessions.sign_in_known(store, f"agent{number}", "benchmark", how="benchmark"))
        store.close()
        ours = measured(path, tokens, options.seconds)
        with sqlite3.connect(path) as connection:
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE tbl_name = 'cases' AND type = 'index' AND sql IS NOT NULL"
            ).fetchall():
                if name not in KEPT:
                    connection.execute(f"DROP INDEX {name}")
        plain = measured(path, tokens, options.seconds)
    lines = [
        f"{options.users} users, {options.cases:,} cases, {options.seconds:.0f} s; SQLite; both share the cores.",
        "",
        "| page | asked | median, ms | p99, ms | without indexes: median | p99 | target p99 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in ("queue", "case", "counts", "change"):
        one, other = ours[name], plain[name]
        lines.append(
            f"| {name} | {len(one):,} | {np.median(one):.0f} | {np.percentile(one, 99):.0f} | {np.median(other):.0f} | "
            f"{np.percentile(other, 99):.0f} | {'300' if name == 'queue' else ''} |"
        )
    ratio = np.percentile(plain["queue"], 99) / np.percentile(ours["queue"], 99)
    lines += [
        "",
        f"p99 of the queue page: {ratio:.1f} times as fast as without the indexes. Errors: {len(ours['error'])}.",
    ]
    record("The desk under load", lines)
    return 1 if ours["error"] else 0


def measured(path: Path, tokens: list[str], seconds: float) -> dict[str, list[float]]:
    """Return the milliseconds of every answer, by kind of page."""
    with served(path) as address:
        return asyncio.run(_users(address, tokens, seconds))


@contextmanager
def served(path: Path) -> Iterator[str]:
    """Yield the address of a server of its own over the store at `path`."""
    command = [sys.executable, "serve.py", "--port", "0", "--set", f"store.url=sqlite:///{path}", "--model", "none"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        address = found[0]
        for _ in range(200):
            try:
                httpx2.get(f"{address}/readyz")
                break
            except httpx2.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


async def _users(address: str, tokens: list[str], seconds: float) -> dict[str, list[float]]:
    took: dict[str, list[float]] = defaultdict(list)
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_user(address, token, until, took, random.Random(n)) for n, token in enumerate(tokens)))
    return took


async def _user(address: str, token: str, until: float, took: dict[str, list[float]], rng: random.Random) -> None:
    counted = time.perf_counter()
    headers = {"Cookie": f"{COOKIE}={token}", "Origin": address, "Sec-Fetch-Site": "same-origin"}
    async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        await asyncio.sleep(rng.random() * 5)
        while time.perf_counter() < until:
            page = rng.choices([*PAGES], [*PAGES.values()])[0]
            answer = await _timed(client, "queue", page, took)
            if rng.random() < 0.2 and (cases := re.findall(r'href="/cases/(\d+)"', answer)):
                await _worked(client, rng.choice(cases), took)
            if time.perf_counter() - counted > 15:
                counted = time.perf_counter()
                await _timed(client, "counts", "/counts", took)
            await asyncio.sleep(1 + rng.random() * 4)


async def _worked(client: httpx2.AsyncClient, case: str, took: dict[str, list[float]]) -> None:
    page = await _timed(client, "case", f"/cases/{case}", took)
    found = re.search(r'name="token" value="([^"]+)"', page)
    for action, fields in (("take", {}), ("note", {"note": "called"}), ("release", {})):
        data = {"token": found[1] if found else "", **fields}
        start = time.perf_counter()
        answer = await client.post(f"/cases/{case}/{action}", data=data)
        took["change" if answer.status_code in (303, 409) else "error"].append(1e3 * (time.perf_counter() - start))


async def _timed(client: httpx2.AsyncClient, kind: str, path: str, took: dict[str, list[float]]) -> str:
    start = time.perf_counter()
    answer = await client.get(path)
    took[kind if answer.status_code == 200 else "error"].append(1e3 * (time.perf_counter() - start))
    return answer.text


if __name__ == "__main__":
    sys.exit(main())
