"""Keep the filters and the order with which a doctor's worklist opens.

The previous release runs beside it: one table that it does not know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worklist_views",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_worklist_views_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_worklist_views")),
    )


def downgrade() -> None:
    op.drop_table("worklist_views")
