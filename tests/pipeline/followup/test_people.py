"""Users with roles and passwords, the keys of programs, the addresses of calendars."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from pipeline.followup import people, sessions
from pipeline.followup.people import User
from pipeline.followup.store import Store
from pipeline.followup.tables import KEYS, USERS
from tests.pipeline.followup.days import PASSWORD, staffed
from tests.pipeline.followup.hands import ANA, BO, LEA, at_once, everything


def test_a_fresh_store_lets_nobody_in(store: Store) -> None:
    assert people.users(store) == []
    assert not people.any_user(store)


def test_users_have_a_role(store: Store) -> None:
    staffed(store)
    people.add_user(store, LEA, "a.b-c_d@e+f", "admin", None)
    found = people.users(store)
    assert [(user.name, user.role, user.leads) for user in found] == [
        ("a.b-c_d@e+f", "admin", True), ("ana", "agent", False), ("bo", "agent", False), ("lea", "lead", True),
    ]  # fmt: skip
    assert found[1] == User(1, "ana", "agent", True, None, "")
    assert people.any_user(store)
    for user in found:
        people.change_user(store, LEA, user.name, active=False)
    assert not people.any_user(store)
    assert store.audit() == []


@pytest.mark.parametrize("name", ["", "a b", "ana\n", "ä", "a/b", "<b>", "a" * 65, "a\x00", "ana; --"])
def test_a_name_is_plain(store: Store, name: str) -> None:
    for add in (
        lambda: people.add_user(store, LEA, name, "agent", None),
        lambda: people.add_key(store, LEA, name, ["read"]),
    ):
        with pytest.raises(
            ValueError, match=r"^a (user|key)'s name has 1 to 64 letters, digits or any of \. _ @ \+ -$"
        ):
            add()
    assert people.users(store) == []


def test_a_name_is_taken_once(store: Store) -> None:
    staffed(store)
    before = everything(store)
    with pytest.raises(ValueError, match=r"^there is a user ana already; see: serve.py user list$"):
        people.add_user(store, LEA, "ana", "lead", None)
    assert everything(store) == before


def test_of_many_who_add_one_name_at_once_one_does(store: Store, opening: Callable[..., Store]) -> None:
    stores = [opening() for _ in range(4)]
    users = at_once(*[lambda own=own: people.add_user(own, LEA, "ana", "agent", None) for own in stores])
    keys = at_once(*[lambda own=own: people.add_key(own, LEA, "crm", ["read"]) for own in stores])
    assert sorted(str(one) for one in users) == ["None"] + ["there is a user ana already; see: serve.py user list"] * 3
    assert sum(str(one) == "there is a key crm already; see: serve.py key list" for one in keys) == 3
    assert len(people.users(store)) == len(people.keys(store)) == 1
    assert store.audit() == []


@pytest.mark.parametrize("role", ["service", "boss", "", "Agent"])
def test_a_role_is_one_that_a_person_can_have(store: Store, role: str) -> None:
    staffed(store)
    before = everything(store)
    for work in (
        lambda: people.add_user(store, LEA, "carl", role, None),
        lambda: people.change_user(store, LEA, "ana", role=role),
    ):
        with pytest.raises(ValueError, match=f"^a user's role is one of agent, lead, admin; got '{role}'$"):
            work()
    assert everything(store) == before


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 1_025])
def test_a_password_is_long_enough(store: Store, password: str) -> None:
    staffed(store)
    before = everything(store)
    for work in (
        lambda: people.add_user(store, LEA, "carl", "agent", password),
        lambda: people.change_user(store, LEA, "ana", password=password),
    ):
        with pytest.raises(ValueError, match=r"^a password has 12 to 1,024 characters$"):
            work()
    assert everything(store) == before


def test_a_password_is_kept_as_a_hash_that_takes_its_time(store: Store) -> None:
    for name in ("ana", "bo"):
        people.add_user(store, LEA, name, "agent", PASSWORD)
    with store.engine.connect() as connection:
        first, second = connection.execute(select(USERS.c.password)).scalars()
    assert first.startswith("$argon2id$")
    assert first != second  # salted
    assert PASSWORD not in first


def test_only_who_is_there_can_be_changed(store: Store) -> None:
    staffed(store)
    before = everything(store)
    with pytest.raises(ValueError, match=r"^there is no user carl; see: serve.py user list$"):
        people.change_user(store, LEA, "carl", active=False)
    with pytest.raises(ValueError, match=r"^there is no user x{64}; see: serve.py user list$"):
        people.change_user(store, LEA, "x" * 9_999, active=False)
    for name in ("a\x00b", "a\ud800b"):
        with pytest.raises(ValueError, match=r"^there is no (user|key) a.b; see: serve.py (user|key) list$"):
            people.change_user(store, LEA, name, active=False)
        with pytest.raises(ValueError, match=r"^there is no (user|key) a.b; see: serve.py (user|key) list$"):
            people.revoke_key(store, LEA, name)
    assert everything(store) == before


def test_what_changes_of_a_user_is_named_in_the_log_and_a_password_is_not(store: Store) -> None:
    staffed(store)
    people.change_user(store, LEA, "ana", role="lead", language="de", active=False)
    assert people.users(store)[0] == User(1, "ana", "lead", False, "de")
    entry = everything(store)["audit_log"][-1]
    assert "user_changed" in entry
    assert {"name": "ana", "changed": ["active", "language", "role"]} in entry


def test_a_key_opens_what_its_scopes_say_and_is_shown_once(store: Store) -> None:
    key = people.add_key(store, LEA, "crm", ["read", "feedback", "read"])
    other = people.add_key(store, LEA, "bi", ["score"])
    assert key.startswith("amends_")
    assert len({key, other}) == 2
    assert people.key_scopes(store, key) == ("crm", ("feedback", "read"))
    assert people.keys(store) == [("bi", ["score"], True), ("crm", ["feedback", "read"], True)]
    for wrong in ("", "amends_", key[:-1], key.upper(), f"{key} ", "a\x00b", "\ud800"):
        assert people.key_scopes(store, wrong) is None
    with store.engine.connect() as connection:
        assert key not in {str(row) for row in connection.execute(select(KEYS))}


def test_a_revoked_key_opens_nothing_and_its_name_stays_taken(store: Store) -> None:
    key = people.add_key(store, LEA, "crm", ["read"])
    people.revoke_key(store, LEA, "crm")
    assert people.key_scopes(store, key) is None
    assert people.keys(store) == [("crm", ["read"], False)]
    with pytest.raises(ValueError, match=r"^there is a key crm already; see: serve.py key list$"):
        people.add_key(store, LEA, "crm", ["read"])
    with pytest.raises(ValueError, match=r"^there is no key bi; see: serve.py key list$"):
        people.revoke_key(store, LEA, "bi")
    assert store.audit() == []


@pytest.mark.parametrize(("scopes", "got"), [([], "none"), (["admin"], "admin"), (["read", "x", "y"], "x, y")])
def test_a_scope_is_one_that_there_is(store: Store, scopes: list[str], got: str) -> None:
    with pytest.raises(ValueError, match=f"^scopes are score, read, feedback; got {got}$"):
        people.add_key(store, LEA, "crm", scopes)


def test_the_address_of_a_calendar_opens_it_until_a_new_one_is_made(store: Store) -> None:
    staffed(store)
    first, others = people.new_feed(store, ANA), people.new_feed(store, BO)
    assert people.feed_owner(store, first) == "ana"
    second = people.new_feed(store, ANA)
    assert people.feed_owner(store, first) is None
    assert (people.feed_owner(store, second), people.feed_owner(store, others)) == ("ana", "bo")
    for wrong in ("", second[:-1], "a\x00b", "\ud800"):
        assert people.feed_owner(store, wrong) is None
    people.change_user(store, LEA, "ana", active=False)
    assert people.feed_owner(store, second) is None
    assert store.audit() == []


def test_a_link_is_for_somebody_who_is_there(store: Store) -> None:
    staffed(store)
    people.change_user(store, LEA, "bo", active=False)
    for name in ("carl", "bo"):
        with pytest.raises(ValueError, match=f"^there is no user {name}; see: serve.py user list$"):
            sessions.link(store, name)
