"""Add merges of two records of one person, and further numbers of a patient. A scan changes its patient only by a merge
that lists it, or when that merge is undone: the database refuses anything else.

The previous release runs beside it: tables that it does not know, and a rule about what it never does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

TABLES = ("merged_scans", "record_separations", "record_merges")
ONLY_MERGED = "a scan changes its patient only by a merge of two records"
# Whether a merge that lists this scan leads from the old patient to the new one, or, undone, back.
_MERGED = (
    "SELECT 1 FROM merged_scans JOIN record_merges ON record_merges.id = merged_scans.merge_id "
    "LEFT JOIN record_separations ON record_separations.merge_id = record_merges.id "
    "WHERE merged_scans.scan_id = NEW.id AND ((record_separations.merge_id IS NULL "
    "AND record_merges.merged_id = OLD.patient_id AND record_merges.kept_id = NEW.patient_id) "
    "OR (record_separations.merge_id IS NOT NULL "
    "AND record_merges.kept_id = OLD.patient_id AND record_merges.merged_id = NEW.patient_id))"
)


def _foreign(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))


def upgrade() -> None:
    op.create_table(
        "record_merges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kept_id", sa.Uuid(), nullable=False),
        sa.Column("merged_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("differences", sa.JSON(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _foreign("record_merges", "kept_id", "patients"),
        _foreign("record_merges", "merged_id", "patients"),
        _foreign("record_merges", "account_id", "users"),
        _foreign("record_merges", "by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_merges")),
        info={"append_only": True},
    )
    op.create_index("ix_record_merges_kept_id", "record_merges", ["kept_id"])
    op.create_index("ix_record_merges_merged_id", "record_merges", ["merged_id"])
    op.create_table(
        "record_separations",
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _foreign("record_separations", "merge_id", "record_merges"),
        _foreign("record_separations", "by_id", "users"),
        sa.PrimaryKeyConstraint("merge_id", name=op.f("pk_record_separations")),
        info={"append_only": True},
    )
    op.create_table(
        "merged_scans",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        _foreign("merged_scans", "merge_id", "record_merges"),
        sa.PrimaryKeyConstraint("scan_id", "merge_id", name=op.f("pk_merged_scans")),
        info={"append_only": True},
    )
    op.create_table(
        "patient_numbers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        _foreign("patient_numbers", "patient_id", "patients"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_numbers")),
        sa.UniqueConstraint("number", "issuer", name=op.f("uq_patient_numbers_number_issuer")),
    )
    op.create_index("ix_patient_numbers_patient_id", "patient_numbers", ["patient_id"])
    if op.get_bind().dialect.name == "postgresql":
        _rules_postgresql()
    else:
        _rules_sqlite()


def _rules_sqlite() -> None:
    for table in TABLES:
        for when in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{when} BEFORE {when.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute(
        "CREATE TRIGGER scans_patient_follows BEFORE UPDATE OF patient_id ON scans "
        f"WHEN NEW.patient_id <> OLD.patient_id AND NOT EXISTS ({_MERGED}) "
        f"BEGIN SELECT RAISE(ABORT, '{ONLY_MERGED}'); END"
    )
    erased = "SELECT 1 FROM erasures WHERE patient_id = NEW.patient_id"
    op.execute(
        f"CREATE TRIGGER patient_numbers_not_of_erased BEFORE INSERT ON patient_numbers WHEN EXISTS ({erased}) "
        "BEGIN SELECT RAISE(ABORT, 'this person has been erased'); END"
    )


def _rules_postgresql() -> None:
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
        )
    op.execute(
        f"""
        CREATE FUNCTION csss_patient_follows() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.patient_id <> OLD.patient_id AND NOT EXISTS ({_MERGED}) THEN
                RAISE EXCEPTION '{ONLY_MERGED}' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER scans_patient_follows BEFORE UPDATE OF patient_id ON scans "
        "FOR EACH ROW EXECUTE FUNCTION csss_patient_follows()"
    )
    op.execute(
        "CREATE TRIGGER patient_numbers_not_of_erased BEFORE INSERT ON patient_numbers "
        "FOR EACH ROW EXECUTE FUNCTION csss_not_of_erased('patient_id')"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER scans_patient_follows ON scans")
        op.execute("DROP FUNCTION csss_patient_follows()")
    else:
        op.execute("DROP TRIGGER scans_patient_follows")
    op.drop_table("patient_numbers")
    for table in TABLES:
        op.drop_table(table)
