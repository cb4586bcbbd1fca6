"""Cases given to two at once, and claims a second: 64 clients of one PostgreSQL take what is free until nothing is.

    python -m benchmarks.claims --url postgresql://amends@127.0.0.1:5432/scratch      100,000 claims by 64 clients
    python -m benchmarks.claims --cases 5000 --clients 16 --url ...

The database must be empty. The peer is how it is usually written:
read the first free row, then write one's name into it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from multiprocessing.synchronize import Barrier
from typing import Any

from sqlalchemy import select, text, update

from benchmarks.desk_cases import filled
from benchmarks.machine import record
from pipeline.followup.audit import Actor
from pipeline.followup.claims import take_next
from pipeline.followup.engine import connect
from pipeline.followup.store import Store
from pipeline.followup.tables import AUDIT, CASES, QUEUE_ORDER


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--peer-cases", type=int, default=5_000)
    parser.add_argument("--url", required=True, help="an empty database")
    options = parser.parse_args()
    return measured(options.url, options)


def measured(url: str, options: argparse.Namespace) -> int:
    store = Store.open(url)
    filled(store, options.cases, live=1.0)
    with store.engine.begin() as connection:
        connection.execute(update(CASES).values(owner=None, lease_until=None, second_failure=False))
        connection.execute(text("ANALYZE cases"))
    given, seconds = raced(ours, url, options.clients)
    with store.engine.connect() as connection:
        logged = Counter(connection.execute(select(AUDIT.c.case_id).where(AUDIT.c.what == "taken")).scalars())
        kept = dict(connection.execute(select(CASES.c.id, CASES.c.owner)).tuples().all())
    doubles = sum(1 for times in Counter(case for case, _ in given).values() if times > 1)
    lost = sum(1 for case, owner in given if kept[case] != owner)
    problems = store.audit() if options.cases <= 10_000 else []
    with store.engine.begin() as connection:
        connection.execute(update(CASES).values(owner=None))
        connection.execute(
            text(f"UPDATE cases SET status = 'contacted' WHERE id <= {options.cases - options.peer_cases}")
        )
    theirs, peer_seconds = raced(usual, url, options.clients)
    peer_doubles = sum(1 for times in Counter(case for case, _ in theirs).values() if times > 1)
    ratio = (len(given) / seconds) / (len(theirs) / peer_seconds)
    record("Claims at once", [
        f"{options.clients} clients (processes), PostgreSQL, {len(given):,} claims.", "",
        "| what | ours | read, then write | target |", "| --- | ---: | ---: | ---: |",
        f"| cases given to two | {doubles} | {peer_doubles} of {options.peer_cases:,} | 0 |",
        f"| claims whose owner is another in the table | {lost} | | 0 |",
        f"| entries in the audit log for one claim, at most | {max(logged.values())} | none kept | 1 |",
        f"| claims a second | {len(given) / seconds:,.0f} | {len(theirs) / peer_seconds:,.0f} ({ratio:.2f}x) | |",
    ])  # fmt: skip
    store.close()
    return 1 if doubles or lost or problems or len(given) != options.cases else 0


def raced(work: Any, url: str, clients: int) -> tuple[list[tuple[int, str]], float]:
    """Return who got which case, and the seconds from the first claim to the last."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(clients + 1), context.Queue()
    processes = [context.Process(target=work, args=(url, f"agent{n}", barrier, results)) for n in range(clients)]
    for process in processes:
        process.start()
    barrier.wait()
    start = time.perf_counter()
    got = [one for _ in processes for one in results.get()]
    seconds = time.perf_counter() - start
    for process in processes:
        process.join()
    return got, seconds


def ours(url: str, name: str, barrier: Barrier, results: Any) -> None:
    store, got, actor = Store(connect(url)), [], Actor(name, "benchmark")
    barrier.wait()
    while (case := take_next(store, actor)) is not None:
        got.append((case.id, name))
    results.put(got)


def usual(url: str, name: str, barrier: Barrier, results: Any) -> None:
    engine, got = connect(url), []
    first = select(CASES.c.id).where(CASES.c.status == "open", CASES.c.owner.is_(None)).order_by(*QUEUE_ORDER).limit(1)
    barrier.wait()
    while True:
        with engine.begin() as connection:
            case = connection.execute(first).scalar()
            if case is None:
                break
            connection.execute(update(CASES).where(CASES.c.id == case).values(owner=name))
            got.append((case, name))
    results.put(got)


if __name__ == "__main__":
    sys.exit(main())
