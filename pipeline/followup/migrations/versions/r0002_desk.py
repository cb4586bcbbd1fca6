"""The desk: owners, due times, outcomes, gifts, the chained audit log; old cases move in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.followup.migrations.guarding import add_search, refuse_changes_of_the_log
from pipeline.followup.migrations.moving import move_in, taken_out

revision = "0002"
down_revision = "0001"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of the desk, and move the cases of the old ones into them."""
    old = taken_out(op.get_bind())
    _tables()
    refuse_changes_of_the_log()
    add_search()
    move_in(op.get_bind(), old)


def _tables() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_case_id"), "audit_log", ["case_id"], unique=False)
    op.create_table(
        "cases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_key", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.Double(), nullable=False),
        sa.Column("standing", sa.Double(), nullable=False),
        sa.Column("second_failure", sa.Boolean(), nullable=False),
        sa.Column("review", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.Column("waiting_since", INSTANT, nullable=True),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("lang", sa.String(), nullable=True),
        sa.Column("customer_value", sa.Double(), nullable=True),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("facets", sa.String(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_contact_at", INSTANT, nullable=True),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("root_cause", sa.String(), nullable=True),
        sa.Column("spent", sa.Double(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("nps_before", sa.Double(), nullable=True),
        sa.Column("ask_at", INSTANT, nullable=True),
        sa.Column("asked_at", INSTANT, nullable=True),
        sa.Column("nps_after", sa.Double(), nullable=True),
        sa.Column("answered_at", INSTANT, nullable=True),
        sa.Column("due_told", sa.Boolean(), nullable=False),
        sa.Column("lead_id", sa.String(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=True),
        sa.Column("n_texts", sa.Integer(), nullable=False),
        sa.Column("review_reason", sa.String(), nullable=True),
        sa.Column("model_version", sa.String(), nullable=True),
        sa.Column("scored_at", INSTANT, nullable=True),
        sa.Column("confidence", sa.JSON(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('resolved', 'lost', 'not_detractor')", name=op.f("ck_cases_outcome")
        ),
        sa.CheckConstraint(
            "status <> 'closed' OR (outcome IS NOT NULL AND root_cause IS NOT NULL AND closed_at IS NOT NULL)",
            name=op.f("ck_cases_closed"),
        ),
        sa.CheckConstraint("status IN ('open', 'contacted', 'closed')", name=op.f("ck_cases_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index(
        "ix_cases_ask",
        "cases",
        ["ask_at"],
        unique=False,
        sqlite_where=sa.text("asked_at IS NULL"),
        postgresql_where=sa.text("asked_at IS NULL"),
    )
    op.create_index(op.f("ix_cases_case_key"), "cases", ["case_key"], unique=False)
    op.create_index(
        "ix_cases_channel",
        "cases",
        ["channel"],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted')"),
        postgresql_where=sa.text("status IN ('open', 'contacted')"),
    )
    op.create_index(
        "ix_cases_closed",
        "cases",
        [sa.literal_column("closed_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        sqlite_where=sa.text("status = 'closed'"),
        postgresql_where=sa.text("status = 'closed'"),
    )
    op.create_index(
        "ix_cases_counts",
        "cases",
        ["owner", "lease_until", "due_at", "next_at", "review"],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted')"),
        postgresql_where=sa.text("status IN ('open', 'contacted')"),
    )
    op.create_index(op.f("ix_cases_customer_id"), "cases", ["customer_id"], unique=False)
    op.create_index(
        "ix_cases_due",
        "cases",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted')"),
        postgresql_where=sa.text("status IN ('open', 'contacted')"),
    )
    op.create_index(
        "ix_cases_filter",
        "cases",
        [
            sa.literal_column("second_failure DESC"),
            sa.literal_column("standing DESC"),
            sa.literal_column("id ASC"),
            "owner",
            "lease_until",
            "due_at",
            "next_at",
            "review",
            "channel",
            "lang",
            "customer_value",
            "opened_at",
            "facets",
        ],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted')"),
        postgresql_where=sa.text("status IN ('open', 'contacted')"),
    )
    op.create_index(
        "ix_cases_free",
        "cases",
        [sa.literal_column("second_failure DESC"), sa.literal_column("standing DESC"), sa.literal_column("id ASC")],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted') AND owner IS NULL"),
        postgresql_where=sa.text("status IN ('open', 'contacted') AND owner IS NULL"),
    )
    op.create_index(
        "ix_cases_lang",
        "cases",
        ["lang"],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted')"),
        postgresql_where=sa.text("status IN ('open', 'contacted')"),
    )
    op.create_index(
        "ix_cases_lease",
        "cases",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted') AND owner IS NOT NULL"),
        postgresql_where=sa.text("status IN ('open', 'contacted') AND owner IS NOT NULL"),
    )
    op.create_index(
        "ix_cases_opened",
        "cases",
        [sa.literal_column("opened_at DESC")],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted')"),
        postgresql_where=sa.text("status IN ('open', 'contacted')"),
    )
    op.create_index(
        "ix_cases_owner",
        "cases",
        ["owner"],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted') AND owner IS NOT NULL"),
        postgresql_where=sa.text("status IN ('open', 'contacted') AND owner IS NOT NULL"),
    )
    op.create_index(
        "ix_cases_value",
        "cases",
        [sa.literal_column("customer_value DESC")],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted')"),
        postgresql_where=sa.text("status IN ('open', 'contacted')"),
    )
    op.create_index(
        "ix_cases_waiting",
        "cases",
        ["waiting_since"],
        unique=False,
        sqlite_where=sa.text("status IN ('open', 'contacted')"),
        postgresql_where=sa.text("status IN ('open', 'contacted')"),
    )
    op.create_index(
        "uq_cases_live",
        "cases",
        ["case_key"],
        unique=True,
        sqlite_where=sa.text("status IN ('open', 'contacted')"),
        postgresql_where=sa.text("status IN ('open', 'contacted')"),
    )
    op.create_table(
        "promoters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_key", sa.String(), nullable=False),
        sa.Column("text_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("customer_value", sa.Double(), nullable=True),
        sa.Column("reach", sa.Double(), nullable=True),
        sa.Column("nps", sa.Double(), nullable=True),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("lang", sa.String(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=True),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("thanked_at", INSTANT, nullable=True),
        sa.Column("thanked_by", sa.String(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promoters")),
        sa.UniqueConstraint("case_key", "text_id", "digest", name="uq_promoters_text"),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("case_key", sa.String(), nullable=False),
        sa.Column("text_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=True),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("lang", sa.String(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("priority", sa.Double(), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("nps", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_feedback_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("case_key", "text_id", "digest", name="uq_feedback_text"),
    )
    op.create_index(op.f("ix_feedback_case_id"), "feedback", ["case_id"], unique=False)
    op.create_table(
        "gifts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("amount", sa.Double(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_gifts_amount")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_gifts_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gifts")),
    )
    op.create_index("ix_gifts_author", "gifts", ["author", "at"], unique=False)
    op.create_index(op.f("ix_gifts_case_id"), "gifts", ["case_id"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feedback_id", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("instead_of", sa.String(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["feedback_id"], ["feedback.id"], name=op.f("fk_corrections_feedback_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_feedback_id"), "corrections", ["feedback_id"], unique=False)
