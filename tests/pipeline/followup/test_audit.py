"""Whatever is done at the desk, replaying the log gives the tables; no words and no secrets are in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import String, cast, delete, select, text, update
from sqlalchemy.exc import DatabaseError

from pipeline.followup import audit
from pipeline.followup.audit import CLOCK, NIGHT, START
from pipeline.followup.store import Store
from pipeline.followup.tables import AUDIT, AUDITED, FEEDBACK, KEYS, METADATA, SESSIONS, USERS
from tests.pipeline.followup.days import OPERATIONS, PASSWORD, did, staffed
from tests.pipeline.followup.hands import ANA, AT, BO, LEA, everything

DONE = st.lists(
    st.tuples(
        st.sampled_from(sorted(set(OPERATIONS) - {"mistyped"})),  # a password takes a tenth of a second to refuse
        st.integers(1, 3),
        st.sampled_from([ANA, BO]),
        st.integers(1, 9),
        st.integers(0, 90),
    ),
    min_size=5,
    max_size=20,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DONE)
def test_whatever_is_done_replaying_the_log_gives_the_tables(
    anew: Callable[..., Store], done: list[tuple[Any, ...]]
) -> None:
    store, at = anew(), AT
    staffed(store)
    for case_id in (1, 2):
        did(store, "night", case_id, ANA, 5, at)
        did(store, "take", case_id, ANA, 5, at)
    for name, case_id, by, number, hours in done:
        at += timedelta(hours=hours)
        did(store, "take", case_id, by, number, at)
        before = everything(store)
        if not did(store, name, case_id, by, number, at):
            assert everything(store) == before, f"{name} was refused, and changed something all the same"
    assert store.audit() == []


def test_a_busy_day_follows_from_the_log(busy: Store) -> None:
    rows = everything(busy)
    assert [name for name, found in rows.items() if not found] == ["promoters", "links", "outbox", "received"]
    assert busy.audit() == []
    with busy.engine.connect() as connection:
        whats = set(connection.execute(select(AUDIT.c.what)).scalars())
    assert whats == {
        "opened", "reopened", "taken", "released", "returned", "contacted", "no_answer", "closed", "handed_over",
        "step_done", "gave", "corrected", "noted", "user_added", "user_changed", "key_added", "key_revoked",
        "feed_made", "view_kept", "view_removed", "link_made", "signed_in", "locked_out",
    }  # fmt: skip


def test_every_entry_names_the_one_before_it(busy: Store) -> None:
    with busy.engine.connect() as connection:
        entries = connection.execute(select(AUDIT).order_by(AUDIT.c.id)).all()
    assert [entry.id for entry in entries] == list(range(1, len(entries) + 1))
    before = START
    for entry in entries:
        assert entry.hash == audit.link(before, dict(entry._mapping))
        before = entry.hash
    assert {NIGHT.name, CLOCK.name, ANA.name, BO.name, LEA.name} <= {entry.who for entry in entries}
    assert {NIGHT.origin, CLOCK.origin, ANA.origin, "sign-in"} <= {entry.origin for entry in entries}


def test_an_empty_log_is_in_order(store: Store) -> None:
    assert store.audit() == []


def test_neither_words_nor_secrets_are_in_the_log(busy: Store) -> None:
    with busy.engine.connect() as connection:
        columns = [cast(AUDIT.c[name], String) for name in ("who", "origin", "what", "detail", "rows")]
        raw = "\n".join("\n".join(map(str, row)) for row in connection.execute(select(*columns)))
        said = set(connection.execute(select(FEEDBACK.c.text)).scalars())
        hashes = set(connection.execute(select(USERS.c.password).where(USERS.c.password.is_not(None))).scalars())
        digests = set(connection.execute(select(USERS.c.feed).where(USERS.c.feed.is_not(None))).scalars())
        digests |= set(connection.execute(select(KEYS.c.digest)).scalars())
        digests |= set(connection.execute(select(SESSIONS.c.digest)).scalars())
    assert len(said) >= 3
    assert all(one.startswith("zebra") for one in said)
    assert len(hashes) == 1
    assert len(digests) > 4
    assert "gave" in raw  # it is the log that we look at
    # "leaving" is a word that speaks for a reason
    for secret in ("zebra", "leaving", "never again", PASSWORD, "argon2", "amends_", *hashes, *digests):
        assert secret not in raw


def test_of_words_the_log_has_what_tells_whether_they_were_changed(busy: Store) -> None:
    with busy.engine.connect() as connection:
        connection.execute(update(FEEDBACK).where(FEEDBACK.c.id == 1).values(text="another"))
        assert audit.verify(connection) == ["row 1 of feedback was changed past the audit log: text"]


@pytest.mark.parametrize("change", ["update", "delete", "replace", "truncate"])
def test_the_database_itself_refuses_to_rewrite_history(busy: Store, database: str, change: str) -> None:
    before = everything(busy)
    replace = "REPLACE INTO audit_log SELECT id, at, 'nobody', origin, what, case_id, detail, rows, hash FROM audit_log"
    upsert = "INSERT INTO audit_log SELECT * FROM audit_log WHERE id = 1 ON CONFLICT (id) DO UPDATE SET who = 'nobody'"
    statement = {
        "update": update(AUDIT).where(AUDIT.c.id == 2).values(who="nobody"),
        "delete": delete(AUDIT).where(AUDIT.c.id == 2),
        "replace": text(replace if database == "sqlite" else upsert),
        "truncate": text("TRUNCATE audit_log") if database == "postgresql" else delete(AUDIT),
    }[change]
    with pytest.raises(DatabaseError, match="the audit log is append-only"), busy.engine.begin() as connection:
        connection.execute(statement)
    assert everything(busy) == before


def test_what_is_of_the_moment_is_not_in_the_log() -> None:
    of_the_moment = {"sessions", "links", "attempts", "outbox", "received"}
    assert set(METADATA.tables) - set(AUDITED) == of_the_moment | {"audit_log"}
