"""Add the hospital's settings that an administrator changes: name, logo, address, telephone, letterhead, formulary.

The previous release runs beside it: a table that it does not know. It goes on with the environment variables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TABLE = "hospital_versions"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("telephone", sa.String(length=40), nullable=False),
        sa.Column("letterhead", sa.String(length=160), nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("small_logo", sa.LargeBinary(), nullable=True),
        sa.Column("formulary", sa.Text(), nullable=True),
        sa.Column("formulary_name", sa.String(length=120), nullable=False),
        sa.Column("changed_by_id", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["changed_by_id"], ["users.id"], name=op.f("fk_hospital_versions_changed_by_id_users")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_hospital_versions")),
        info={"append_only": True},
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {TABLE} "
            "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
        )
    else:
        for when in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {TABLE}_no_{when} BEFORE {when.upper()} ON {TABLE} "
                f"BEGIN SELECT RAISE(ABORT, '{TABLE} is append-only'); END"
            )


def downgrade() -> None:
    op.drop_table(TABLE)
