"""Coming in and staying in: what opens the door, what closes it, and what ends a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from pipeline.followup import people, sessions
from pipeline.followup.policy import Policy
from pipeline.followup.sessions import RefusedError, session_user, sign_in
from pipeline.followup.store import Store
from pipeline.followup.tables import ATTEMPTS, LINKS, SESSIONS, USERS
from tests.pipeline.followup.days import PASSWORD, staffed
from tests.pipeline.followup.hands import ANA, AT, LEA, at_once, quick_passwords

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WRONG = r"^this name and password do not go together$"
HERE = "10.0.0.1"


@pytest.fixture
def staff(store: Store) -> Iterator[Store]:
    """Return a store in which Ana and Bo have passwords; to hash one takes no time."""
    staffed(store)
    with quick_passwords() as hasher:
        with store.change(LEA) as change:
            for number in (1, 2):
                change.update(USERS, number, {"password": hasher.hash(PASSWORD)})
            change.note("moved")
        yield store


def wrong(store: Store, times: int, name: str = "ana", *, at: object = AT) -> None:
    for _ in range(times):
        with pytest.raises(RefusedError, match=WRONG):
            sign_in(store, name, "wrong", HERE, at=at)  # type: ignore[arg-type]


def test_a_password_opens_a_session_for_half_a_day(staff: Store) -> None:
    token = sign_in(staff, "ana", PASSWORD, HERE, at=AT)
    user = session_user(staff, token, at=AT + 12 * HOUR - SECOND)
    assert user is not None
    assert (user.name, user.role, user.active) == ("ana", "agent", True)
    assert len(user.csrf) > 30
    assert session_user(staff, token, at=AT + 12 * HOUR) is None
    for forged in ("", token[:-1], f"{token} ", "a\x00b", "\ud800"):
        assert session_user(staff, forged, at=AT) is None
    with staff.engine.connect() as connection:
        assert token not in str(connection.execute(select(SESSIONS)).all())


def test_how_long_a_session_lasts_is_a_setting(staff: Store, opening: Callable[..., Store]) -> None:
    store = opening(Policy.model_validate({"sign_in": {"session_hours": 0.5}}))
    token = sign_in(store, "ana", PASSWORD, HERE, at=AT)
    assert session_user(store, token, at=AT + 29 * MINUTE)
    assert session_user(store, token, at=AT + 30 * MINUTE) is None


def test_every_sign_in_has_a_token_of_its_own_and_old_ones_are_swept_away(staff: Store) -> None:
    tokens = {sign_in(staff, "ana", PASSWORD, HERE, at=AT + hours * HOUR) for hours in (0, 1, 20)}
    assert len(tokens) == 3
    with staff.engine.connect() as connection:
        rows = connection.execute(select(SESSIONS.c.made_at, SESSIONS.c.csrf)).all()
    assert [row.made_at for row in rows] == [AT + 20 * HOUR]
    assert staff.audit() == []


def test_a_password_that_was_kept_too_cheaply_is_kept_anew(store: Store) -> None:
    with quick_passwords():  # as an older Amends may have kept it
        people.add_user(store, LEA, "ana", "agent", PASSWORD)
    with store.engine.connect() as connection:
        before = connection.execute(select(USERS.c.password)).scalar_one()
    sign_in(store, "ana", PASSWORD, HERE, at=AT)
    with store.engine.connect() as connection:
        kept = connection.execute(select(USERS.c.password)).scalar_one()
    assert people.HASHER.check_needs_rehash(before)
    assert not people.HASHER.check_needs_rehash(kept)
    assert sign_in(store, "ana", PASSWORD, HERE, at=AT)
    assert store.audit() == []


def test_what_does_not_fit_is_refused_with_one_sentence(staff: Store) -> None:
    names = [(name, PASSWORD) for name in ("Ana", "lea", "nobody", "a\x00b", "a\ud800b", "ana" + " " * 5_000)]
    passwords = [("bo", guess) for guess in ("", PASSWORD.upper(), "a\x00b", "\ud800", "x" * 100_000)]
    for minute, (name, password) in enumerate([*names, *passwords]):
        with pytest.raises(RefusedError, match=WRONG):
            sign_in(staff, name, password, HERE, at=AT + minute * HOUR)
    assert staff.audit() == []


def test_who_is_no_longer_active_does_not_come_in(staff: Store) -> None:
    people.change_user(staff, LEA, "ana", active=False)
    with pytest.raises(RefusedError, match=WRONG):
        sign_in(staff, "ana", PASSWORD, HERE, at=AT)
    with pytest.raises(RefusedError, match=r"^nobody of this name may come in$"):
        sessions.sign_in_known(staff, "ana", HERE, how="oidc")


def test_wrong_passwords_close_the_door_longer_and_longer(staff: Store) -> None:
    wrong(staff, 4)
    now = AT
    for failures in range(5, 18):
        wrong(staff, 1, at=now)
        minutes = min(2 ** (failures - 5), 24 * 60)
        until = now + minutes * MINUTE
        sentence = f"^too many wrong passwords; try again in {minutes} minute{'s' if minutes > 1 else ''}$"
        for attempt in (PASSWORD, "wrong"):  # the right one neither
            with pytest.raises(RefusedError, match=sentence):
                sign_in(staff, "ana", attempt, HERE, at=now)
        with pytest.raises(RefusedError, match=r"^too many wrong passwords; try again in 1 minute$"):
            sign_in(staff, "ana", PASSWORD, HERE, at=until - SECOND)
        now = until
    assert minutes == 24 * 60
    assert sign_in(staff, "ana", PASSWORD, HERE, at=now)
    wrong(staff, 4, at=now)  # it counts from nothing again
    assert sign_in(staff, "ana", PASSWORD, HERE, at=now)
    assert staff.audit() == []


def test_a_closed_door_is_in_the_log_with_its_name(staff: Store) -> None:
    wrong(staff, 5, "bo")
    with staff.engine.connect() as connection:
        row = connection.execute(select(ATTEMPTS)).one()
    assert (row.name, row.failed, row.closed_until) == ("bo", 5, AT + MINUTE)
    with pytest.raises(RefusedError, match=r"^too many wrong passwords; try again in 1 minute$"):
        sign_in(staff, "BO", PASSWORD, HERE, at=AT)  # a name in other letters is no way around
    assert sign_in(staff, "ana", PASSWORD, HERE, at=AT)


def test_how_many_may_be_wrong_is_a_setting(staff: Store, opening: Callable[..., Store]) -> None:
    store = opening(Policy.model_validate({"sign_in": {"attempts": 1}}))
    wrong(store, 1)
    with pytest.raises(RefusedError, match="too many wrong passwords"):
        sign_in(store, "ana", PASSWORD, HERE, at=AT + 59 * SECOND)


def test_guesses_at_once_are_counted_each(staff: Store, opening: Callable[..., Store]) -> None:
    stores = [opening() for _ in range(6)]
    results = at_once(*[lambda own=own: sign_in(own, "ana", "wrong", HERE, at=AT) for own in stores])
    assert {type(result) for result in results} == {RefusedError}
    with staff.engine.connect() as connection:
        row = connection.execute(select(ATTEMPTS)).one()
    late = sum("too many" in str(result) for result in results)  # came when the door was closed already
    assert (row.name, row.failed) == ("ana", 6 - late)
    assert row.failed >= 5


@pytest.mark.parametrize("change", [{"password": PASSWORD + "!"}, {"role": "lead"}, {"active": False}])
def test_all_sessions_end_when_what_they_rest_on_changes(staff: Store, change: dict[str, object]) -> None:
    hers = [sessions.sign_in_known(staff, "ana", HERE, how="test") for _ in range(2)]
    link, his = sessions.link(staff, "ana"), sessions.sign_in_known(staff, "bo", HERE, how="test")
    people.change_user(staff, LEA, "ana", **change)  # type: ignore[arg-type]
    assert [session_user(staff, token) for token in hers] == [None, None]
    assert session_user(staff, his)
    with pytest.raises(RefusedError, match="this link was used before or is too old"):
        sessions.enter(staff, link, HERE)


def test_a_session_outlives_a_change_of_language_and_ends_at_sign_out(staff: Store) -> None:
    token, other = (sessions.sign_in_known(staff, "ana", HERE, how="test") for _ in range(2))
    people.change_user(staff, ANA, "ana", language="de")
    user = session_user(staff, token)
    assert user is not None
    assert user.language == "de"
    sessions.sign_out(staff, token)
    sessions.sign_out(staff, "no such session")
    assert session_user(staff, token) is None
    assert session_user(staff, other)


@pytest.mark.parametrize("change", [{"password": PASSWORD + "!"}, {"active": False}])
def test_who_was_let_go_between_the_check_and_the_session_stays_out(
    staff: Store, opening: Callable[..., Store], change: dict[str, object]
) -> None:
    """Else whoever knew the old password would have a session that the change did not end."""
    other, done = opening(), []

    def meanwhile(*_: object) -> None:
        done.append(change)
        people.change_user(other, LEA, "ana", **change)  # type: ignore[arg-type]

    event.listen(staff.engine, "checkin", meanwhile, once=True)  # when what was kept of her has been read
    with pytest.raises(RefusedError, match=WRONG):
        sign_in(staff, "ana", PASSWORD, HERE, at=AT)
    assert done
    with staff.engine.connect() as connection:
        assert connection.execute(select(SESSIONS)).all() == []


def test_a_link_lets_in_once(staff: Store) -> None:
    token = sessions.link(staff, "ana")
    session = sessions.enter(staff, token, HERE)
    user = session_user(staff, session)
    assert user is not None
    assert user.name == "ana"
    for used in (token, "", "never was one", "a\x00b", "\ud800"):
        with pytest.raises(RefusedError, match=r"^this link was used before or is too old; ask for a new one$"):
            sessions.enter(staff, used, HERE)
    with staff.engine.connect() as connection:
        assert connection.execute(select(LINKS)).all() == []
    assert staff.audit() == []


def test_a_link_expires(staff: Store) -> None:
    for hours in (-1.0, 0.0):
        token = sessions.link(staff, "ana", hours=hours)
        with pytest.raises(RefusedError, match="this link was used before or is too old"):
            sessions.enter(staff, token, HERE)


def test_of_many_who_use_one_link_at_once_one_comes_in(staff: Store, opening: Callable[..., Store]) -> None:
    token, stores = sessions.link(staff, "ana"), [opening() for _ in range(4)]
    results = at_once(*[lambda own=own: sessions.enter(own, token, HERE) for own in stores])
    assert sum(isinstance(result, str) for result in results) == 1
    assert sum(isinstance(result, RefusedError) for result in results) == 3


def test_whom_another_party_vouches_for_comes_in_by_name(staff: Store) -> None:
    token = sessions.sign_in_known(staff, "lea", HERE, how="oidc")
    user = session_user(staff, token)
    assert user is not None
    assert (user.name, user.leads) == ("lea", True)
    for name in ("nobody", "", "Lea", "a\x00b", "\ud800"):
        with pytest.raises(RefusedError, match=r"^nobody of this name may come in$"):
            sessions.sign_in_known(staff, name, HERE, how="oidc")
    assert staff.audit() == []


def test_a_new_password_ends_all_sessions_but_the_one_it_begins(staff: Store) -> None:
    old = sessions.sign_in_known(staff, "ana", HERE, how="test")
    with pytest.raises(RefusedError, match=r"^the old password is wrong$"):
        sessions.change_password(staff, ANA, "wrong", PASSWORD + "!")
    with pytest.raises(ValueError, match=r"^a password has 12 to 1,024 characters$"):
        sessions.change_password(staff, ANA, PASSWORD, "short")
    assert session_user(staff, old)
    new = sessions.change_password(staff, ANA, PASSWORD, PASSWORD + "!")
    assert session_user(staff, old) is None
    assert session_user(staff, new)
    wrong(staff, 1)
    assert sign_in(staff, "ana", PASSWORD + "!", HERE, at=AT)


def test_who_came_in_by_a_link_sets_a_first_password(staff: Store) -> None:
    sessions.enter(staff, sessions.link(staff, "lea"), HERE)
    sessions.change_password(staff, LEA, "", PASSWORD)
    assert sign_in(staff, "lea", PASSWORD, HERE, at=AT)
    with pytest.raises(RefusedError, match=r"^the old password is wrong$"):
        sessions.change_password(staff, LEA, "", PASSWORD)
    with pytest.raises(RefusedError, match=r"^the old password is wrong$"):
        sessions.change_password(staff, LEA._replace(name="nobody"), "", PASSWORD)
