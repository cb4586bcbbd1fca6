"""Who may come in: users with roles and passwords, and the keys of programs.

Passwords are kept by Argon2id (RFC 9106) with the library's defaults; of sessions, links and keys the SHA-256 alone is
kept, since they are random and long.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from argon2 import PasswordHasher
from sqlalchemy import delete, func, select

from pipeline.followup.audit import Actor
from pipeline.followup.case import UnusableError
from pipeline.followup.escalations import storable
from pipeline.followup.roles import PEOPLE, SCOPES
from pipeline.followup.store import Store
from pipeline.followup.tables import KEYS, LINKS, SESSIONS, USERS

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 1_024  # `hash_password` and the account's page say so in words
HASHER = PasswordHasher()
_NAME = re.compile(r"[\w.@+-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class User:
    """Somebody who works at the desk."""

    id: int
    name: str
    role: str
    active: bool
    language: str | None = None
    csrf: str = ""

    @property
    def leads(self) -> bool:
        """Whether second failures and other people's cases are theirs to take."""
        return self.role in ("lead", "admin")


def add_user(store: Store, by: Actor, name: str, role: str, password: str | None) -> None:
    """Add a user; without a password they come in by single sign-on or by a link alone.

    Raises
    ------
    ValueError
        The name is taken or no name, the role is none, or the password is too short.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a user's name has 1 to 64 letters, digits or any of . _ @ + -")
    _check_role(role)
    hashed = hash_password(password) if password is not None else None
    with store.change(by, work="users") as change:
        if change.connection.execute(select(USERS.c.id).where(USERS.c.name == name)).first():
            raise ValueError(f"there is a user {name} already; see: serve.py user list")
        row = {"name": name, "role": role, "password": hashed, "active": True, "language": None, "feed": None}
        change.insert(USERS, row | {"added_at": change.at})
        change.note("user_added", name=name, role=role)


def change_user(store: Store, by: Actor, name: str, **values: str | bool | None) -> None:
    """Change the role, the password, the language of a user, or whether they are active; see `add_user` for errors.

    All sessions of theirs end where the password, the role, or whether they are active changes.
    """
    if "role" in values:
        _check_role(str(values["role"]))
    if values.get("password") is not None:
        values["password"] = hash_password(str(values["password"]))
    with store.change(by) as change:
        number = change.connection.execute(select(USERS.c.id).where(USERS.c.name == storable(name))).scalar()
        if number is None:
            raise ValueError(f"there is no user {name[:64]}; see: serve.py user list")
        change.update(USERS, number, values)
        if values.keys() & {"password", "role", "active"}:
            change.connection.execute(delete(SESSIONS).where(SESSIONS.c.user_id == number))
            change.connection.execute(delete(LINKS).where(LINKS.c.user_id == number))
        change.note("user_changed", name=name, changed=sorted(values))


def users(store: Store) -> list[User]:
    """Return all users by name."""
    query = select(USERS.c.id, USERS.c.name, USERS.c.role, USERS.c.active, USERS.c.language).order_by(USERS.c.name)
    with store.engine.connect() as connection:
        return [User(*row) for row in connection.execute(query)]


def add_key(store: Store, by: Actor, name: str, scopes: Sequence[str]) -> str:
    """Return a new key for a program; it is shown this once.

    Raises
    ------
    ValueError
        The name is taken or no name, or a scope is none.
    """
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise ValueError(f"scopes are {', '.join(SCOPES)}; got {', '.join(unknown) or 'none'}")
    if not _NAME.fullmatch(name):
        raise ValueError("a key's name has 1 to 64 letters, digits or any of . _ @ + -")
    key = f"amends_{secrets.token_urlsafe(32)}"
    with store.change(by, work="keys") as change:
        if change.connection.execute(select(KEYS.c.id).where(KEYS.c.name == name)).first():
            raise ValueError(f"there is a key {name} already; see: serve.py key list")
        row = {"name": name, "digest": digest(key), "scopes": sorted(set(scopes)), "revoked_at": None}
        change.insert(KEYS, row | {"added_at": change.at})
        change.note("key_added", name=name, scopes=sorted(set(scopes)))
    return key


def revoke_key(store: Store, by: Actor, name: str) -> None:
    """Let a key open nothing any more.

    Raises
    ------
    ValueError
        There is no such key.
    """
    with store.change(by) as change:
        number = change.connection.execute(select(KEYS.c.id).where(KEYS.c.name == storable(name))).scalar()
        if number is None:
            raise ValueError(f"there is no key {name[:64]}; see: serve.py key list")
        change.update(KEYS, number, {"revoked_at": change.at})
        change.note("key_revoked", name=name)


def keys(store: Store) -> list[tuple[str, list[str], bool]]:
    """Return the name and the scopes of every key, and whether it still opens anything."""
    with store.engine.connect() as connection:
        rows = connection.execute(select(KEYS.c.name, KEYS.c.scopes, KEYS.c.revoked_at).order_by(KEYS.c.name))
        return [(row.name, list(row.scopes), row.revoked_at is None) for row in rows]


def key_scopes(store: Store, key: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the name and the scopes of `key`; None where it opens nothing."""
    query = select(KEYS.c.name, KEYS.c.scopes).where(KEYS.c.digest == digest(key), KEYS.c.revoked_at.is_(None))
    with store.engine.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else (row.name, tuple(row.scopes))


def new_feed(store: Store, by: Actor) -> str:
    """Return the secret address of the call-back calendar of `by`; the one before no longer answers."""
    token = secrets.token_urlsafe(24)
    with store.change(by) as change:
        number = change.connection.execute(select(USERS.c.id).where(USERS.c.name == by.name)).scalar_one()
        change.update(USERS, number, {"feed": digest(token)})
        change.note("feed_made")
    return token


def feed_owner(store: Store, token: str) -> str | None:
    """Return whose calendar `token` opens."""
    with store.engine.connect() as connection:
        query = select(USERS.c.name).where(USERS.c.feed == digest(token), USERS.c.active)
        return connection.execute(query).scalar()


def hash_password(password: str) -> str:
    """Return the Argon2id hash of `password`.

    Raises
    ------
    ValueError
        It is too short or too long.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise UnusableError("a password has 12 to 1,024 characters")
    return HASHER.hash(password)


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def any_user(store: Store) -> bool:
    """Return whether anybody may come in at all."""
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(USERS).where(USERS.c.active)).scalar_one() > 0


def _check_role(role: str) -> None:
    if role not in PEOPLE:
        raise ValueError(f"a user's role is one of {', '.join(PEOPLE)}; got {role!r}")
