"""Bring the tables of a store to what this code expects, by the steps in `migrations/versions`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from pipeline.config import ConfigError
from pipeline.followup.columns import METADATA

_STEPS = ScriptDirectory(str(Path(__file__).parent / "migrations"))
_BEFORE_STEPS = "0001"  # a store of before there were migrations looks like this one
_OF_THEN = {"cases", "feedback", "events"}
_ONE_AT_A_TIME = threading.Lock()  # Alembic's steps find their connection in a global


def upgrade(connection: Connection) -> None:
    """Make the tables, or change those that are there; within the transaction of `connection`.

    Raises
    ------
    ConfigError
        The store was made by a newer version of Amends, or a table of somebody else is in the way.
    """
    with _ONE_AT_A_TIME:
        _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    context = MigrationContext.configure(connection)
    current = context.get_current_revision()
    if current == _STEPS.get_current_head():
        return
    if current is not None and current not in {step.revision for step in _STEPS.walk_revisions()}:
        raise ConfigError(
            f"the case store is at step {current} of its tables, which this version of Amends does not know; "
            "update Amends, or restore a backup"
        )
    if current is None and (there := _OF_THEN & set(inspect(connection).get_table_names())):
        if there != _OF_THEN:
            raise ConfigError(
                f"the database of the case store has a table {min(there)!r} that is not of Amends; "
                "give Amends a database of its own"
            )
        context.stamp(_STEPS, _BEFORE_STEPS)

    def steps(revision: Any, _context: object) -> Any:
        return _STEPS._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), _STEPS, fn=steps) as environment:
        environment.configure(connection=connection, target_metadata=METADATA)
        environment.run_migrations()
