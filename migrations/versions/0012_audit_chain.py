"""Add the seals of the audit chain; existing events are sealed in order.

The previous release runs beside it, but its events are not sealed: `csss audit seal` does that afterwards.
"""

import hashlib
import hmac
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op
from flask import current_app

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None

_BLOCK = 1_000


def upgrade() -> None:
    op.create_table(
        "audit_seals",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["audit_events.id"], name=op.f("fk_audit_seals_event_id_audit_events")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_seals")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_seals_event_id")),
        info={"append_only": True},
    )
    _seal_what_is_there()
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_HEAD)
        op.execute(
            "CREATE TRIGGER audit_seals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals "
            "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
        )
    else:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_seals_no_{verb.lower()} BEFORE {verb} ON audit_seals "
                "BEGIN SELECT RAISE(ABORT, 'audit_seals is append-only'); END"
            )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION csss_audit_head")
    op.drop_table("audit_seals")


# The lock's number is arbitrary, but nothing else in this database may use it. Because the function is volatile, it
# sees, after taking the lock, what was committed before. The timeout is for a process that loses its connection
# between seal and commit: it must not block everybody else until its connection is closed.
_HEAD = """
    CREATE FUNCTION csss_audit_head(OUT number bigint, OUT hash varchar) LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM set_config('idle_in_transaction_session_timeout', '15s', true);
        PERFORM pg_advisory_xact_lock(4851312840651654228);
        SELECT seals.number, seals.hash INTO number, hash FROM audit_seals seals ORDER BY seals.number DESC LIMIT 1;
    END $$
"""


# A copy of the current audit chain code, not imported: a migration describes a past state.


def _seal_what_is_there() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.execute("LOCK TABLE audit_events IN SHARE ROW EXCLUSIVE MODE")
    events = sa.table(
        "audit_events",
        sa.column("id", sa.BigInteger()),
        sa.column("at", sa.DateTime(timezone=True)),
        sa.column("action", sa.Text()),
        sa.column("actor_id", sa.Uuid()),
        sa.column("actor_role", sa.Text()),
        sa.column("subject_type", sa.Text()),
        sa.column("subject_id", sa.Text()),
        sa.column("origin", sa.Text()),
        sa.column("detail", sa.JSON()),
    )
    seals = sa.table(
        "audit_seals", *(sa.column(name) for name in ("number", "event_id", "hash", "mac", "key_id"))
    )
    secret = str(current_app.config["SECRET_KEY"]).encode()
    key = hmac.new(secret, b"csss:audit-chain", hashlib.sha256).digest()

    def sign(message: str) -> str:
        return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()

    number, before, last = 0, "0" * 64, None
    while True:
        query = sa.select(events).order_by(events.c.id).limit(_BLOCK)
        if last is not None:
            query = query.where(events.c.id > last)
        rows = connection.execute(query).all()
        if not rows:
            return
        made = []
        for row in rows:
            number += 1
            before = hashlib.sha256(f"{before}\n{_canonical(number, row)}".encode()).hexdigest()
            made.append(
                {
                    "number": number,
                    "event_id": row.id,
                    "hash": before,
                    "mac": sign(before),
                    "key_id": sign("key")[:8],
                }
            )
        connection.execute(sa.insert(seals), made)
        last = rows[-1].id


def _canonical(number, row):
    at = row.at.replace(tzinfo=UTC) if row.at.tzinfo is None else row.at.astimezone(UTC)
    return json.dumps(
        {
            "number": number,
            "event": row.id,
            "at": at.isoformat(timespec="microseconds"),
            "action": row.action,
            "actor": None if row.actor_id is None else str(row.actor_id),
            "role": row.actor_role,
            "subject_type": row.subject_type,
            "subject": row.subject_id,
            "origin": row.origin,
            "detail": row.detail,
        },
        sort_keys=True,
        separators=(",", ":"),
    )
