"""Add the approval of several reports with one code, and indexes for the statistics and for failed jobs.

The previous release runs beside it: two tables and indexes that it does not know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEXES: dict[str, tuple[str, list[str]]] = {
    "ix_scan_events_at": ("scan_events", ["at", "became"]),
    "ix_predictions_created_at": ("predictions", ["created_at"]),
    "ix_reviews_created_at": ("reviews", ["created_at"]),
}
_FAILED = "failed_at IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "approval_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("admin_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["admin_id"], ["users.id"], name=op.f("fk_approval_batches_admin_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_batches")),
    )
    op.create_index("ix_approval_batches_admin", "approval_batches", ["admin_id", "created_at"])
    op.create_table(
        "approval_batch_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("review_version", sa.Integer(), nullable=False),
        sa.Column("prescription_version", sa.Integer(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=True),
        sa.Column("left_because", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["approval_batches.id"],
            name=op.f("fk_approval_batch_items_batch_id_approval_batches"),
        ),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scans.id"], name=op.f("fk_approval_batch_items_scan_id_scans")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_batch_items")),
        sa.UniqueConstraint("batch_id", "scan_id", name=op.f("uq_approval_batch_items_batch_id_scan_id")),
    )
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)
    op.create_index(
        "ix_outbox_failed",
        "outbox",
        ["failed_at"],
        sqlite_where=sa.text(_FAILED),
        postgresql_where=sa.text(_FAILED),
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_failed", "outbox")
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
    op.drop_table("approval_batch_items")
    op.drop_index("ix_approval_batches_admin", "approval_batches")
    op.drop_table("approval_batches")
