"""What a night leaves in its folder, put into the desk: whom to call, what customers answered, whom to thank."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.followup.answers import join
from pipeline.followup.audit import NIGHT
from pipeline.followup.clock import Clock
from pipeline.followup.engine import take_stock
from pipeline.followup.enqueue import enqueue
from pipeline.followup.policy import Policy
from pipeline.followup.promoters import take_in as thank_later
from pipeline.followup.store import Store


def check(config: Config) -> None:
    """Read the rules of the desk, so that bad ones stop a night before its work and not after it.

    Raises
    ------
    ConfigError
        They cannot be read.
    """
    Clock(Policy.of(config))


def take_in(config: Config, folder: Path, at: datetime | None = None) -> str:
    """Return, in words, what became of the night in `folder`, put into the store that `config` names.

    All of it or nothing, in one transaction; the same night twice changes nothing. A night of before there were
    ``answers.parquet`` and ``promoters.parquet`` has its list alone.

    Raises
    ------
    ConfigError
        The rules of the desk cannot be read, or the store cannot be opened.
    ValueError
        The list lacks a column that no case can do without.
    """
    paths = {name: folder / f"{name}.parquet" for name in ("escalations", "answers", "promoters")}
    tables = {name: pq.read_table(path) for name, path in paths.items() if name == "escalations" or path.exists()}
    store = Store.open(config.store.url, Policy.of(config))
    try:
        with store.change(NIGHT, at, work="enqueue") as change:
            # An answer is to the call before it, so it joins that case before bad news in it opens the case again.
            joined = join(change, store.policy, tables["answers"]) if "answers" in tables else None
            said = [str(enqueue(change, store.policy, store.clock, tables["escalations"]))]
            if joined is not None:
                said.append(f"{joined} answer{'' if joined == 1 else 's'} joined")
            if "promoters" in tables:
                people = thank_later(change, store.policy, tables["promoters"])
                said.append(f"{people} {'person' if people == 1 else 'people'} to thank")
        take_stock(store.engine)
    finally:
        store.close()
    return ", ".join(said)
