"""Add claims: who is reading a scan at the moment.

The previous release runs beside it: one table that it does not know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scan_claims",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("doctor_id", sa.Uuid(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["doctor_id"], ["users.id"], name=op.f("fk_scan_claims_doctor_id_users")),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_scan_claims_scan_id_scans")),
        sa.PrimaryKeyConstraint("scan_id", name=op.f("pk_scan_claims")),
    )
    op.create_index("ix_scan_claims_doctor_id", "scan_claims", ["doctor_id"])


def downgrade() -> None:
    op.drop_table("scan_claims")
