"""Many who reach for the same cases at once, from processes of their own: none is had twice."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select

from pipeline.followup import claims
from pipeline.followup.audit import NIGHT, Actor
from pipeline.followup.case import ConflictError
from pipeline.followup.store import Store
from pipeline.followup.tables import AUDIT, CASES
from tests.pipeline.followup.hands import AT, fill, in_children


def stocked(url: str, many: int) -> None:
    """Fill the store with cases that are alike but for their customers."""
    store = Store.open(url)
    fill(store, 50.0)
    with store.engine.connect() as connection:
        row = dict(connection.execute(select(CASES)).one()._mapping)
    del row["id"]
    with store.change(NIGHT) as change:
        change.insert_all(CASES, [row | {"case_key": f"C-{number}"} for number in range(2, many + 1)])
        change.note("stocked")
    store.close()


def reach(url: str, client: int, numbers: list[int], wins: Path) -> None:
    """Try to take every one of the cases, and write down those that were had and who had the others."""
    store, who, won = Store.open(url), Actor(f"client {client}", "10.0.0.1"), []
    for number in numbers:
        try:
            assert claims.take(store, number, who, at=AT).owner == who.name
            won.append(number)
        except ConflictError as error:
            assert error.owner not in (None, who.name)  # noqa: PT017
    store.close()
    wins.write_text("".join(f"{number}\n" for number in won))


def contested(url: str, folder: Path, *, clients: int, cases: int, claims_in_all: int) -> None:
    stocked(url, cases)
    each = -(-claims_in_all // clients)
    # Neighbours walk through the same cases, so they meet at each of them.
    spans = [[(client * cases // clients + step) % cases + 1 for step in range(each)] for client in range(clients)]
    work = [
        lambda client=client, span=span: reach(url, client, span, folder / str(client))
        for client, span in enumerate(random.Random(7).sample(spans, clients))
    ]
    assert in_children(*work, limit=1_800) == [0] * clients
    had = {client: [int(line) for line in (folder / str(client)).read_text().split()] for client in range(clients)}
    times = Counter(number for numbers in had.values() for number in numbers)
    assert sorted(times) == list(range(1, cases + 1))
    assert set(times.values()) == {1}
    store = Store.open(url)
    with store.engine.connect() as connection:
        owners = dict(connection.execute(select(CASES.c.id, CASES.c.owner)).all())  # type: ignore[arg-type]
        taken = connection.execute(select(func.count()).where(AUDIT.c.what == "taken")).scalar_one()
    assert owners == {number: f"client {client}" for client, numbers in had.items() for number in numbers}
    assert taken == cases
    assert store.audit() == []
    store.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_two_thousand_claims_of_a_file_have_no_double(url: str, tmp_path: Path) -> None:
    contested(url, tmp_path, clients=8, cases=250, claims_in_all=2_000)


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_hundred_thousand_claims_of_64_clients_have_no_double(url: str, tmp_path: Path) -> None:
    contested(url, tmp_path, clients=64, cases=12_500, claims_in_all=100_000)
