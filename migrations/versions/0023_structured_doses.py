"""Keep how a dose was typed: its unit, and whether it is taken only as needed.

The release before runs beside it: two columns with defaults. The texts of dose and frequency contain both.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not in batch mode: SQLite would recreate the table and lose its triggers.
    op.add_column(
        "prescription_items",
        sa.Column("dose_unit", sa.String(length=30), nullable=False, server_default=sa.text("''")),
    )
    op.add_column(
        "prescription_items", sa.Column("as_needed", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    op.drop_column("prescription_items", "as_needed")
    op.drop_column("prescription_items", "dose_unit")
