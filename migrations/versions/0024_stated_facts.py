"""Add what a patient states for the pharmacist, and the pharmacist's drafts.

The release before runs beside it: two tables that it does not know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

FACTS = "stated_facts"
DRAFTS = "prescription_drafts"


def upgrade() -> None:
    op.create_table(
        FACTS,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("stated_by_id", sa.Uuid(), nullable=False),
        sa.Column("weight_grams", sa.Integer(), nullable=True),
        sa.Column(
            "pregnancy",
            _text(("no", "possible", "pregnant", "breast_feeding", "both"), "pregnancy"),
            nullable=True,
        ),
        sa.Column("kidney", _text(("none_known", "disease"), "kidney"), nullable=True),
        sa.Column("egfr", sa.Integer(), nullable=True),
        sa.Column("medicines", sa.Text(), nullable=False),
        sa.Column("allergies", sa.Text(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_stated_facts_scan_id_scans")),
        sa.ForeignKeyConstraint(
            ["stated_by_id"], ["users.id"], name=op.f("fk_stated_facts_stated_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stated_facts")),
        sa.UniqueConstraint("scan_id", "version", name=op.f("uq_stated_facts_scan_id_version")),
        info={"append_only": True},
    )
    op.create_table(
        DRAFTS,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("pharmacist_id", sa.Uuid(), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("none_needed", sa.Boolean(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_prescription_drafts_scan_id_scans")),
        sa.ForeignKeyConstraint(
            ["pharmacist_id"], ["users.id"], name=op.f("fk_prescription_drafts_pharmacist_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prescription_drafts")),
        sa.UniqueConstraint(
            "scan_id", "pharmacist_id", name=op.f("uq_prescription_drafts_scan_id_pharmacist_id")
        ),
    )
    op.create_index("ix_prescription_drafts_pharmacist", DRAFTS, ["pharmacist_id", "saved_at"])
    if op.get_bind().dialect.name == "postgresql":
        _rules_postgresql()
    else:
        _rules_sqlite()


def _text(members: tuple[str, ...], name: str) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=30)


def _rules_sqlite() -> None:
    is_open = (
        "SELECT 1 FROM erasures WHERE opened = 1 "
        "AND patient_id = (SELECT patient_id FROM scans WHERE id = OLD.scan_id)"
    )
    for when, condition in (("update", "1"), ("delete", f"NOT EXISTS ({is_open})")):
        op.execute(
            f"CREATE TRIGGER {FACTS}_no_{when} BEFORE {when.upper()} ON {FACTS} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{FACTS} is append-only'); END"
        )


def _rules_postgresql() -> None:
    op.execute(
        f"CREATE TRIGGER {FACTS}_append_only BEFORE UPDATE OR TRUNCATE ON {FACTS} "
        "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
    )
    op.execute(
        f"CREATE TRIGGER {FACTS}_no_delete BEFORE DELETE ON {FACTS} "
        "FOR EACH ROW EXECUTE FUNCTION csss_refuse_delete('scan_id')"
    )


def downgrade() -> None:
    op.drop_table(DRAFTS)
    op.drop_table(FACTS)
