# ruff: noqa: S608 - every name that is put into a statement stands in this file
"""Let a doctor correct the kind of a scan: each correction is a row, and the database allows a new kind only after
it.

The previous release runs beside it: a table that it does not know, and a rule about what it never does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLE = "kind_corrections"
FOLLOWS = "the kind of a scan changes only with a correction of it"
# Whether the newest correction of a scan states its new kind.
_CORRECTED = (
    f"SELECT 1 FROM {TABLE} WHERE scan_id = NEW.id AND was = OLD.kind AND became = NEW.kind "
    f"AND version = (SELECT max(version) FROM {TABLE} WHERE scan_id = NEW.id)"
)


def upgrade() -> None:
    kinds = ("chest_xray", "cardiac_mri")
    statuses = ("PENDING_AI", "AI_ANALYZED", "DOCTOR_VERIFIED", "PHARMACIST_COMPLETED", "REPORT_READY")
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("doctor_id", sa.Uuid(), nullable=False),
        sa.Column("was", _text(kinds, "was_kind"), nullable=False),
        sa.Column("became", _text(kinds, "became_kind"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", _text(statuses, "corrected_at_status"), nullable=False),
        sa.Column("after_review", sa.Integer(), nullable=False),
        sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["doctor_id"], ["users.id"], name=op.f("fk_kind_corrections_doctor_id_users")
        ),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_kind_corrections_scan_id_scans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kind_corrections")),
        sa.UniqueConstraint("scan_id", "version", name=op.f("uq_kind_corrections_scan_id_version")),
        info={"append_only": True},
    )
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
    for name, when, table, condition, message in (
        (f"{TABLE}_no_update", "UPDATE", TABLE, "1", f"{TABLE} is append-only"),
        (f"{TABLE}_no_delete", "DELETE", TABLE, f"NOT EXISTS ({is_open})", f"{TABLE} is append-only"),
        (
            "scans_kind_follows",
            "UPDATE",
            "scans",
            f"NEW.kind <> OLD.kind AND NOT EXISTS ({_CORRECTED})",
            FOLLOWS,
        ),
    ):
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {when} ON {table} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )


def _rules_postgresql() -> None:
    op.execute(
        f"CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR TRUNCATE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
    )
    op.execute(
        f"CREATE TRIGGER {TABLE}_no_delete BEFORE DELETE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION csss_refuse_delete('scan_id')"
    )
    op.execute(
        f"""
        CREATE FUNCTION csss_kind_follows() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.kind <> OLD.kind AND NOT EXISTS ({_CORRECTED}) THEN
                RAISE EXCEPTION '{FOLLOWS}' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER scans_kind_follows BEFORE UPDATE ON scans "
        "FOR EACH ROW EXECUTE FUNCTION csss_kind_follows()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER scans_kind_follows ON scans")
        op.execute("DROP FUNCTION csss_kind_follows")
    else:
        op.execute("DROP TRIGGER scans_kind_follows")
    op.drop_table(TABLE)
