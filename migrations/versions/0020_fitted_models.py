"""Versions of the classifier that were fitted to this hospital, and which version was put in use when.

The release before runs beside it: two tables that it does not know. It goes on with the model that it comes with.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLES = ("recalibrations", "model_choices")


def upgrade() -> None:
    op.create_table(
        "recalibrations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=60), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recalibrations")),
        sa.UniqueConstraint("number", name=op.f("uq_recalibrations_number")),
        sa.UniqueConstraint("version", name=op.f("uq_recalibrations_version")),
        info={"append_only": True},
    )
    op.create_table(
        "model_choices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=60), nullable=False),
        sa.Column("goes_back_to", sa.Integer(), nullable=True),
        sa.Column("chosen_by_id", sa.Uuid(), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["chosen_by_id"], ["users.id"], name=op.f("fk_model_choices_chosen_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_choices")),
        sa.UniqueConstraint("number", name=op.f("uq_model_choices_number")),
        info={"append_only": True},
    )
    for table in TABLES:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
            )
        else:
            for when in ("update", "delete"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{when} BEFORE {when.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
