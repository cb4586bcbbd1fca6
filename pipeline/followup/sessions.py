"""Coming in: by password, by a one-time link, or vouched for; sessions, and the door that closes to guesses."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from functools import cache

from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, insert, select, update

from pipeline.followup.audit import Actor, Change
from pipeline.followup.case import PlainError
from pipeline.followup.escalations import storable
from pipeline.followup.people import HASHER, LONGEST_PASSWORD, User, change_user, digest
from pipeline.followup.store import Store
from pipeline.followup.tables import ATTEMPTS, LINKS, SESSIONS, USERS


class RefusedError(PlainError, PermissionError):
    """Somebody who may not come in; the message is for them."""


def sign_in(store: Store, name: str, password: str, origin: str, *, at: datetime | None = None) -> str:
    """Return the token of a new session.

    After ``sign_in.attempts`` wrong passwords in a row the door is closed to that name: one minute, then twice as long
    each time. An unknown name takes as long to refuse as a known one.

    Raises
    ------
    RefusedError
        A wrong name or password, or the door is closed.
    """
    now, name = at or datetime.now(UTC), storable(name[:64])
    key = name.lower()
    with store.engine.connect() as connection:
        tried = connection.execute(select(ATTEMPTS).where(ATTEMPTS.c.name == key)).first()
        user = connection.execute(select(USERS).where(USERS.c.name == name, USERS.c.active)).first()
    if tried and tried.closed_until and tried.closed_until > now:
        minutes = -((now - tried.closed_until) // timedelta(minutes=1))
        if minutes == 1:
            raise RefusedError("too many wrong passwords; try again in 1 minute")
        raise RefusedError("too many wrong passwords; try again in %(minutes)s minutes", minutes=minutes)
    if not _matches(user.password if user else None, password) or user is None:
        _count_failure(store, key, now)
        raise RefusedError("this name and password do not go together")
    with store.change(Actor(user.name, origin), now) as change:
        # Meanwhile the password may have been changed, which ends all sessions; this one must not come after that.
        same = select(USERS.c.id).where(USERS.c.id == user.id, USERS.c.active, USERS.c.password == user.password)
        if change.connection.execute(same.with_for_update()).first() is None:
            raise RefusedError("this name and password do not go together")
        change.connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.name == key))
        if HASHER.check_needs_rehash(user.password):
            change.update(USERS, user.id, {"password": HASHER.hash(password)})
        token = _begin(change, store, user.id)
        change.note("signed_in")
    return token


def sign_in_known(store: Store, name: str, origin: str, *, how: str) -> str:
    """Return the token of a new session of somebody whom another party vouches for.

    Raises
    ------
    RefusedError
        No active user has this name.
    """
    name = storable(name)
    with store.change(Actor(name[:64], origin)) as change:
        number = change.connection.execute(select(USERS.c.id).where(USERS.c.name == name, USERS.c.active)).scalar()
        if number is None:
            raise RefusedError("nobody of this name may come in")
        token = _begin(change, store, number)
        change.note("signed_in", how=how)
    return token


def link(store: Store, name: str, *, hours: float = 1.0) -> str:
    """Return the token of a link by which `name` comes in once.

    Raises
    ------
    ValueError
        No active user has this name.
    """
    token = secrets.token_urlsafe(32)
    with store.change(Actor(name, "serve.py")) as change:
        number = change.connection.execute(select(USERS.c.id).where(USERS.c.name == name, USERS.c.active)).scalar()
        if number is None:
            raise ValueError(f"there is no user {name[:64]}; see: serve.py user list")
        row = {"digest": digest(token), "user_id": number, "expires_at": change.at + timedelta(hours=hours)}
        change.connection.execute(insert(LINKS).values(row))
        change.note("link_made", name=name)
    return token


def enter(store: Store, token: str, origin: str) -> str:
    """Return the token of a new session for a one-time link, which is used up.

    Raises
    ------
    RefusedError
        The link was used before, is too old, or never was one.
    """
    with store.change(Actor("link", origin)) as change:
        gone = delete(LINKS).where(LINKS.c.digest == digest(token)).returning(LINKS.c.user_id, LINKS.c.expires_at)
        row = change.connection.execute(gone).first()
        if row is None or row.expires_at < change.at:
            raise RefusedError("this link was used before or is too old; ask for a new one")
        change.actor = Actor(
            change.connection.execute(select(USERS.c.name).where(USERS.c.id == row.user_id)).scalar_one(), origin
        )
        session = _begin(change, store, row.user_id)
        change.note("signed_in", how="link")
    return session


def session_user(store: Store, token: str, *, at: datetime | None = None) -> User | None:
    """Return whose session `token` is; None where it has ended."""
    now = at or datetime.now(UTC)
    query = (
        select(USERS.c.id, USERS.c.name, USERS.c.role, USERS.c.active, USERS.c.language, SESSIONS.c.csrf)
        .join(SESSIONS, SESSIONS.c.user_id == USERS.c.id)
        .where(SESSIONS.c.digest == digest(token), SESSIONS.c.expires_at > now, USERS.c.active)
    )
    with store.engine.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else User(*row)


def sign_out(store: Store, token: str) -> None:
    """End the session."""
    with store.engine.begin() as connection:
        connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == digest(token)))


@cache
def _nobodys() -> str:
    return HASHER.hash(secrets.token_urlsafe(16))


def _matches(hashed: str | None, password: str) -> bool:
    """Return whether `password` is the one; as slow for somebody who has none."""
    try:
        return HASHER.verify(hashed or _nobodys(), password[: LONGEST_PASSWORD + 1]) and hashed is not None
    except (VerificationError, InvalidHashError, UnicodeEncodeError):  # half a surrogate pair is in no password
        return False


def _count_failure(store: Store, key: str, now: datetime) -> None:
    with store.change(Actor(key, "sign-in"), now, work=f"sign-in of {key}") as change:
        connection = change.connection
        row = connection.execute(select(ATTEMPTS).where(ATTEMPTS.c.name == key)).first()
        failed = (row.failed if row else 0) + 1
        beyond = failed - store.policy.sign_in.attempts
        until = now + timedelta(minutes=min(2**beyond, 24 * 60)) if beyond >= 0 else None
        values = {"failed": failed, "closed_until": until}
        if row:
            connection.execute(update(ATTEMPTS).where(ATTEMPTS.c.id == row.id).values(values))
        else:
            connection.execute(insert(ATTEMPTS).values(values | {"name": key}))
        if until:
            change.note("locked_out", name=key, until=until)


def _begin(change: Change, store: Store, user_id: int) -> str:
    """Return the token of a new session; nothing of one before is reused, and old ones are swept away."""
    token = secrets.token_urlsafe(32)
    change.connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at < change.at))
    row = {"digest": digest(token), "user_id": user_id, "csrf": secrets.token_urlsafe(32), "made_at": change.at}
    ends = change.at + timedelta(hours=store.policy.sign_in.session_hours)
    change.connection.execute(insert(SESSIONS).values(row | {"expires_at": ends}))
    return token


def change_password(store: Store, by: Actor, old: str, new: str) -> str:
    """Return the token of a new session after `by` has a new password; all other sessions of theirs end.

    Raises
    ------
    RefusedError
        The old password is wrong.
    ValueError
        The new one is too short or too long.
    """
    with store.engine.connect() as connection:
        user = connection.execute(select(USERS).where(USERS.c.name == by.name, USERS.c.active)).first()
    # Who came in by a link has no password yet, and sets the first one.
    if user is None or (user.password is not None and not _matches(user.password, old)):
        raise RefusedError("the old password is wrong")
    change_user(store, by, by.name, password=new)
    return sign_in_known(store, by.name, by.origin, how="password changed")
