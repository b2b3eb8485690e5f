"""Add an index for the list of all scans, whatever their status: urgent ones first, then the longest waiting.

The previous release runs beside it: only an index is new.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_scans_priority", "scans", ["priority", "uploaded_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_scans_priority", "scans")
