"""Add the registration number and the specialty of doctors and pharmacists, for reports.

The previous release runs beside it: two columns with a default, which it neither reads nor writes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

COLUMNS = (("registration_number", 60), ("specialty", 80))


def upgrade() -> None:
    # Not in batch mode, which on SQLite would recreate the table and lose its triggers.
    for name, length in COLUMNS:
        op.add_column(
            "users", sa.Column(name, sa.String(length=length), server_default=sa.text("''"), nullable=False)
        )


def downgrade() -> None:
    for name, _ in reversed(COLUMNS):
        op.drop_column("users", name)
