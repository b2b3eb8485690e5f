"""Store a check value of each key, so that a wrong key is noticed; the first process that opens the database fills
it.

The previous release runs beside it: it does not check, and still uses the function of 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_checks",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_key_checks")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_END)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION csss_audit_end")
    op.drop_table("key_checks")


# `csss_audit_head` of 0012, plus the check value of the secret key. It is also read after the lock, so that a
# process that waited during a key change sees the new value.
_END = """
    CREATE FUNCTION csss_audit_end(OUT number bigint, OUT hash varchar, OUT secret_key varchar)
    LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM set_config('idle_in_transaction_session_timeout', '15s', true);
        PERFORM pg_advisory_xact_lock(4851312840651654228);
        SELECT seals.number, seals.hash INTO number, hash FROM audit_seals seals ORDER BY seals.number DESC LIMIT 1;
        SELECT checks.value INTO secret_key FROM key_checks checks WHERE checks.name = 'secret key';
    END $$
"""
