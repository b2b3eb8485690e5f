"""Keep first impressions from before the classifier's answer, which answers stay silent, and signatures that are taken
back before a pharmacist has opened the scan.

The release before runs beside it: two tables that it does not know, and columns that are nullable or have a default.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TABLES = ("first_impressions", "pharmacist_openings")


def upgrade() -> None:
    op.add_column("predictions", sa.Column("silent", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("reviews", sa.Column("changed_mind", sa.Boolean(), nullable=True))
    op.add_column("scan_holds", sa.Column("taken_back", sa.Integer(), nullable=True))
    sure = sa.Enum(
        *("sure", "fairly", "unsure"), name="sureness", native_enum=False, create_constraint=True, length=30
    )
    op.create_table(
        "first_impressions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("doctor_id", sa.Uuid(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("impression", sa.Text(), nullable=False),
        sa.Column("diagnosis", sa.Text(), nullable=False),
        sa.Column("sureness", sure, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["doctor_id"], ["users.id"], name=op.f("fk_first_impressions_doctor_id_users")
        ),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_first_impressions_scan_id_scans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_first_impressions")),
        sa.UniqueConstraint("scan_id", "doctor_id", name=op.f("uq_first_impressions_scan_id_doctor_id")),
        info={"append_only": True},
    )
    op.create_table(
        "pharmacist_openings",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("pharmacist_id", sa.Uuid(), nullable=False),
        sa.Column("review_version", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["pharmacist_id"], ["users.id"], name=op.f("fk_pharmacist_openings_pharmacist_id_users")
        ),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_pharmacist_openings_scan_id_scans")),
        sa.PrimaryKeyConstraint("scan_id", name=op.f("pk_pharmacist_openings")),
        info={"append_only": True},
    )
    for table in TABLES:
        _append_only(table)


def _append_only(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION csss_refuse_delete('scan_id')"
        )
        return
    is_open = (
        "SELECT 1 FROM erasures WHERE opened = 1 "
        "AND patient_id = (SELECT patient_id FROM scans WHERE id = OLD.scan_id)"
    )
    for when, condition in (("UPDATE", "1"), ("DELETE", f"NOT EXISTS ({is_open})")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{when.lower()} BEFORE {when} ON {table} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("scan_holds", "taken_back")
    op.drop_column("reviews", "changed_mind")
    op.drop_column("predictions", "silent")
