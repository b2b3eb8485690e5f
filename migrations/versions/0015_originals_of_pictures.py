"""Add the key and the hash of the 16-bit original of a picture.

The previous release runs beside it: nullable columns, which it neither reads nor writes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not in batch mode, which on SQLite would recreate the table and lose its triggers.
    op.add_column("scans", sa.Column("original_key", sa.String(80), nullable=True))
    op.add_column("scans", sa.Column("original_sha256", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("scans", "original_sha256")
    op.drop_column("scans", "original_key")
