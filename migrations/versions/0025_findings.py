"""What the classifier's second output says: what the picture is, the findings to look for, and their heat maps.

The release before runs beside it: nullable columns, which it neither reads nor writes. Old predictions keep NULL.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

COLUMNS = (
    ("view", sa.JSON()),
    ("findings", sa.JSON()),
    ("no_finding", sa.Double()),
    ("finding_thresholds", sa.JSON()),
    ("finding_maps", sa.JSON()),
)


def upgrade() -> None:
    # Not in batch mode, which on SQLite would recreate the table and lose its triggers.
    for name, kind in COLUMNS:
        op.add_column("predictions", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name, _ in reversed(COLUMNS):
        op.drop_column("predictions", name)
