"""Views of the queue that people keep under a name."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from pipeline.followup.audit import Actor
from pipeline.followup.case import UnusableError
from pipeline.followup.store import Store
from pipeline.followup.tables import VIEWS

MOST = 20


class View(NamedTuple):
    """A view: its name and what it asks of the queue, as the query of an address."""

    id: int
    name: str
    query: str


def views(store: Store, owner: str) -> list[View]:
    """Return the views of `owner` by name."""
    query = select(VIEWS.c.id, VIEWS.c.name, VIEWS.c.query).where(VIEWS.c.owner == owner, VIEWS.c.active)
    with store.engine.connect() as connection:
        return [View(*row) for row in connection.execute(query.order_by(VIEWS.c.name))]


def keep(store: Store, by: Actor, name: str, query: str) -> None:
    """Keep a view; one of the same name is replaced.

    Raises
    ------
    ValueError
        It has no name, or there are too many already.
    """
    name = " ".join(name.split())[:40]
    if not name:
        raise UnusableError("give the view a name")
    with store.change(by) as change:
        number = change.connection.execute(
            select(VIEWS.c.id).where(VIEWS.c.owner == by.name, VIEWS.c.name == name)
        ).scalar()
        if len([one for one in views(store, by.name) if one.id != number]) >= MOST:
            raise UnusableError("you have %(most)s views already; remove one first", most=MOST)
        if number is None:
            change.insert(VIEWS, {"owner": by.name, "name": name, "query": query, "active": True})
        else:
            change.update(VIEWS, number, {"query": query, "active": True})
        change.note("view_kept", name=name)


def remove(store: Store, by: Actor, view_id: int) -> None:
    """Forget a view of one's own; somebody else's stays."""
    with store.change(by) as change:
        if change.update(VIEWS, view_id, {"active": False}, VIEWS.c.owner == by.name) is not None:
            change.note("view_removed")
