"""Store for an hour what somebody had typed when the session ended.

The previous release runs beside it: one table that it does not know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unsent_forms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("endpoint", sa.String(length=60), nullable=False),
        sa.Column("page", sa.String(length=200), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_unsent_forms_patient_id_patients")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_unsent_forms_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unsent_forms")),
        sa.UniqueConstraint(
            "user_id", "session_id", "page", name=op.f("uq_unsent_forms_user_id_session_id_page")
        ),
    )
    op.create_index("ix_unsent_forms_created_at", "unsent_forms", ["created_at"])
    op.create_index("ix_unsent_forms_patient_id", "unsent_forms", ["patient_id"])


def downgrade() -> None:
    op.drop_table("unsent_forms")
