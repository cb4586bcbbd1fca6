"""What step 0002 lets the databases themselves do: refuse to change history, and find texts by their words."""

from __future__ import annotations

from alembic import op


def refuse_changes_of_the_log() -> None:
    """Let the database itself refuse to change or delete history."""
    for change in ("UPDATE", "DELETE"):
        name = f"audit_log_no_{change.lower()}"
        head = f"CREATE TRIGGER {name} BEFORE {change} ON audit_log"
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"{head} BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END")
        else:
            body = "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
            op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS {body}")
            op.execute(f"{head} FOR EACH ROW EXECUTE FUNCTION {name}()")
    # Neither SQLite's REPLACE nor PostgreSQL's TRUNCATE asks the triggers of DELETE.
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log "
            "WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = new.id) "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )
    else:
        op.execute(
            "CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_no_delete()"
        )


def add_search() -> None:
    """Let texts be found by their words, with what each database brings along."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE feedback_words USING fts5("
            "text, content='feedback', content_rowid='id', tokenize='unicode61 remove_diacritics 2')"
        )
        op.execute(
            "CREATE TRIGGER feedback_words_insert AFTER INSERT ON feedback "
            "BEGIN INSERT INTO feedback_words(rowid, text) VALUES (new.id, new.text); END"
        )
    else:  # a text of more than a megabyte is more than a tsvector holds; what joins words would hide their parts
        joining = "./-+@_&?=#~<>\u00ad\u200b\u200c\u200d\u2060\ufeff"
        words = f"translate(left(text, 50000), '{joining}', '{' ' * len(joining)}')"
        op.execute(f"CREATE INDEX ix_feedback_words ON feedback USING gin (to_tsvector('simple', {words}))")
