"""Bind codes to the session that requested them; add password reset links and attempt counters.

The previous release runs beside it: a nullable column, two tables that it does not know, an index, and kinds of
mail that it does not send. A downgrade deletes mail of these kinds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KINDS = ("code", "confirm_address", "account_approved", "report_ready", "scan_closed")
_NEW_KINDS = ("reset_password", "password_changed", "address_taken")


def upgrade() -> None:
    op.add_column("one_time_codes", sa.Column("session_id", sa.Uuid(), nullable=True))
    op.create_index("ix_user_sessions_last_used_at", "user_sessions", ["last_used_at"])
    op.create_table(
        "password_resets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_password_resets_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_resets")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_password_resets_token_hash")),
    )
    op.create_index("ix_password_resets_user_id", "password_resets", ["user_id"])
    op.create_index("ix_password_resets_requested_at", "password_resets", ["requested_at"])
    op.create_table(
        "throttle_counters",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttle_counters")),
    )
    op.create_index("ix_throttle_counters_expires_at", "throttle_counters", ["expires_at"])
    _allow_kinds((*_KINDS, *_NEW_KINDS))


def downgrade() -> None:
    messages = sa.table("mail_messages", sa.column("kind", sa.String()))
    op.execute(messages.delete().where(messages.c.kind.in_(_NEW_KINDS)))
    _allow_kinds(_KINDS)
    op.drop_table("throttle_counters")
    op.drop_table("password_resets")
    op.drop_index("ix_user_sessions_last_used_at", "user_sessions")
    op.drop_column("one_time_codes", "session_id")


def _allow_kinds(kinds: tuple[str, ...]) -> None:
    # SQLite recreates the table; it has no triggers, and its named checks are copied.
    name = op.f("ck_mail_messages_mailkind")
    with op.batch_alter_table("mail_messages") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"kind IN ({', '.join(repr(each) for each in kinds)})")
