"""The tables of the case store, for SQLite and PostgreSQL alike; `migrations/` makes them.

A column marked ``words`` holds what a customer wrote or what must stay secret: the audit log has its SHA-256 alone.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from pipeline.followup.case import LIVE, OUTCOMES, STATUSES
from pipeline.followup.columns import METADATA, WORDS, Instant, any_of, index, table

# The narrow columns stand first: a filter that reads many rows never has to step over the texts.
CASES = table(
    "cases",
    Column("case_key", String, nullable=False, index=True),
    Column("status", String, nullable=False),
    Column("priority", Double, nullable=False),
    Column("standing", Double, nullable=False),
    Column("second_failure", Boolean, nullable=False),
    Column("review", Boolean, nullable=False),
    Column("owner", String),
    Column("lease_until", Instant),
    Column("due_at", Instant),
    Column("next_at", Instant),
    Column("waiting_since", Instant),
    Column("channel", String),
    Column("lang", String),
    Column("customer_value", Double),
    Column("opened_at", Instant, nullable=False),
    Column("facets", String, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("customer_id", String, index=True),
    Column("updated_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_contact_at", Instant),
    Column("closed_at", Instant),
    Column("outcome", String),
    Column("root_cause", String),
    Column("spent", Double, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("nps_before", Double),
    Column("ask_at", Instant),
    Column("asked_at", Instant),
    Column("nps_after", Double),
    Column("answered_at", Instant),
    Column("due_told", Boolean, nullable=False),
    Column("lead_id", String, nullable=False),
    Column("created_at", Instant),
    Column("n_texts", Integer, nullable=False),
    Column("review_reason", String),
    Column("model_version", String),
    Column("scored_at", Instant),
    Column("confidence", JSON, nullable=False),
    Column("reasons", JSON, nullable=False, info=WORDS),
    Column("text", Text, nullable=False, info=WORDS),
    CheckConstraint(any_of("status", STATUSES), name="status"),
    CheckConstraint(f"outcome IS NULL OR {any_of('outcome', OUTCOMES)}", name="outcome"),
    # A case cannot be closed without an outcome and a root cause, whatever the code does.
    CheckConstraint(
        "status <> 'closed' OR (outcome IS NOT NULL AND root_cause IS NOT NULL AND closed_at IS NOT NULL)",
        name="closed",
    ),
)
# Written out, not with places for values: only so a database sees that an index of live cases is enough.
IS_LIVE: ColumnElement[bool] = CASES.c.status.in_([literal_column(repr(status)) for status in LIVE])
IS_CLOSED: ColumnElement[bool] = CASES.c.status == literal_column("'closed'")


# At most one live case per customer: the database holds it, whatever the code does.
index("uq_cases_live", CASES.c.case_key, where=IS_LIVE, unique=True)
# The order of the queue, so that a page of it is read and not sorted.
QUEUE_ORDER = (CASES.c.second_failure.desc(), CASES.c.standing.desc(), CASES.c.id.asc())
# All that a page of the queue is filtered by, in the order of the queue: whatever is asked for, no row is read for it.
index(
    "ix_cases_filter", *QUEUE_ORDER, CASES.c.owner, CASES.c.lease_until, CASES.c.due_at, CASES.c.next_at,
    CASES.c.review, CASES.c.channel, CASES.c.lang, CASES.c.customer_value, CASES.c.opened_at, CASES.c.facets,
    where=IS_LIVE,
)  # fmt: skip
index("ix_cases_waiting", CASES.c.waiting_since, where=IS_LIVE)
index("ix_cases_value", CASES.c.customer_value.desc(), where=IS_LIVE)
index("ix_cases_opened", CASES.c.opened_at.desc(), where=IS_LIVE)
index("ix_cases_channel", CASES.c.channel, where=IS_LIVE)
index("ix_cases_lang", CASES.c.lang, where=IS_LIVE)
index("ix_cases_free", *QUEUE_ORDER, where=IS_LIVE & CASES.c.owner.is_(None))
index("ix_cases_owner", CASES.c.owner, where=IS_LIVE & CASES.c.owner.is_not(None))
index("ix_cases_lease", CASES.c.lease_until, where=IS_LIVE & CASES.c.owner.is_not(None))
index("ix_cases_due", CASES.c.due_at, where=IS_LIVE)
# All that the counts of the tabs look at, so that they read an index and no rows. No index begins with the status:
# SQLite would choose it, and then sort, rather than read a page in its order.
index(
    "ix_cases_counts", CASES.c.owner, CASES.c.lease_until, CASES.c.due_at, CASES.c.next_at, CASES.c.review,
    where=IS_LIVE,
)  # fmt: skip
index("ix_cases_closed", CASES.c.closed_at.desc(), CASES.c.id.desc(), where=IS_CLOSED)
index("ix_cases_ask", CASES.c.ask_at, where=CASES.c.asked_at.is_(None))

FEEDBACK = table(
    "feedback",
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("case_key", String, nullable=False),
    Column("text_id", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("source", String),
    Column("created_at", Instant),
    Column("channel", String),
    Column("lang", String),
    Column("text", Text, nullable=False, info=WORDS),
    Column("priority", Double),
    Column("labels", JSON, nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("nps", Double),
    # A text is counted once per customer, however often its dump is read.
    UniqueConstraint("case_key", "text_id", "digest", name="uq_feedback_text"),
)
CORRECTIONS = table(
    "corrections",
    Column("feedback_id", ForeignKey("feedback.id"), nullable=False, index=True),
    Column("head", String, nullable=False),
    Column("label", String, nullable=False),
    Column("instead_of", String),
    Column("author", String, nullable=False),
    Column("at", Instant, nullable=False),
)
GIFTS = table(
    "gifts",
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("author", String, nullable=False),
    Column("amount", Double, nullable=False),
    Column("what", String, nullable=False),
    Column("at", Instant, nullable=False),
    CheckConstraint("amount > 0", name="amount"),
)
index("ix_gifts_author", GIFTS.c.author, GIFTS.c.at)
PROMOTERS = table(
    "promoters",
    Column("case_key", String, nullable=False),
    Column("text_id", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("customer_id", String),
    Column("customer_value", Double),
    Column("reach", Double),
    Column("nps", Double),
    Column("channel", String),
    Column("lang", String),
    Column("created_at", Instant),
    Column("added_at", Instant, nullable=False),
    Column("thanked_at", Instant),
    Column("thanked_by", String),
    Column("text", Text, nullable=False, info=WORDS),
    UniqueConstraint("case_key", "text_id", "digest", name="uq_promoters_text"),
)
USERS = table(
    "users",
    Column("name", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("password", String, info=WORDS),
    Column("active", Boolean, nullable=False),
    Column("language", String),
    Column("added_at", Instant, nullable=False),
    Column("feed", String(64), info=WORDS, unique=True),
)
KEYS = table(
    "api_keys",
    Column("name", String, nullable=False, unique=True),
    Column("digest", String(64), nullable=False, unique=True, info=WORDS),
    Column("scopes", JSON, nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
VIEWS = table(
    "views",
    Column("owner", String, nullable=False),
    Column("name", String, nullable=False),
    Column("query", String, nullable=False),
    Column("active", Boolean, nullable=False),
    UniqueConstraint("owner", "name", name="uq_views_name"),
)

# What follows is of the moment (who is signed in, what is still to be sent) and stands outside of the log.
SESSIONS = table(
    "sessions",
    Column("digest", String(64), nullable=False, unique=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("csrf", String, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    audited=False,
)
LINKS = table(
    "links",
    Column("digest", String(64), nullable=False, unique=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("expires_at", Instant, nullable=False),
    audited=False,
)
ATTEMPTS = table(
    "attempts",
    Column("name", String, nullable=False, unique=True),
    Column("failed", Integer, nullable=False),
    Column("closed_until", Instant),
    audited=False,
)
OUTBOX = table(
    "outbox",
    Column("event", String, nullable=False),
    Column("url", String, nullable=False),
    Column("body", JSON, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("try_at", Instant, index=True),
    Column("tries", Integer, nullable=False),
    Column("sent_at", Instant),
    Column("problem", String),
    audited=False,
)
RECEIVED = table(
    "received",
    Column("key", String, nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("answer", JSON, nullable=False),
    Column("at", Instant, nullable=False),
    audited=False,
)

# The log itself: every entry names the one before it by its hash. The database refuses to change or delete one.
AUDIT = Table(
    "audit_log",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("who", String, nullable=False),
    Column("origin", String, nullable=False),
    Column("what", String, nullable=False),
    Column("case_id", Integer, index=True),
    Column("detail", JSON, nullable=False),
    Column("rows", JSON, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)
AUDITED = {name: table for name, table in METADATA.tables.items() if table.info.get("audited")}
