# ruff: noqa: S608 - every name that is put into a statement stands in this file
"""Add the erasing of patients, the only exception to the append-only rules, and legal holds.

The previous release runs beside it: new tables, a nullable column, and triggers that refuse what it never does.

How the database limits the exception, identically on SQLite and PostgreSQL: rows of a scan can be deleted only
while a row of `erasures` for exactly its patient is open (`opened` is 1). `opened` is a deferred foreign key to
`erasure_door`, which never has a row. So an open row cannot be committed, and the exception ends with the
transaction. A row begins open, is closed once, when nothing of the patient is left, and is otherwise append-only. A
legal hold prevents it. Nothing can be added for an erased person, and what is left of the account never changes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Append-only tables whose rows belong to a scan, each with the column that leads to it.
OF_A_SCAN = {
    "addenda": "scan_id",
    "approvals": "scan_id",
    "predictions": "scan_id",
    "prescription_items": "prescription_id",
    "prescriptions": "scan_id",
    "report_versions": "scan_id",
    "reviews": "scan_id",
    "scan_closures": "scan_id",
    "scan_events": "scan_id",
}
# Tables where nothing may be added for an erased person, each with the column that names the person.
NEVER_AGAIN = {
    "legal_holds": "patient_id",
    "one_time_codes": "user_id",
    "passkeys": "user_id",
    "password_resets": "user_id",
    "recovery_codes": "user_id",
    "scans": "patient_id",
    "uploads": "patient_id",
    "user_sessions": "user_id",
}
ERASED = "this person has been erased"
ON_HOLD = "a legal hold keeps this patient from being erased"
LEFT = "something of this patient is left"


def upgrade() -> None:
    op.add_column("users", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "erasure_door",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure_door")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=60), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_erasures_by_id_users")),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_erasures_patient_id_patients")
        ),
        sa.ForeignKeyConstraint(
            ["opened"],
            ["erasure_door.id"],
            name=op.f("fk_erasures_opened_erasure_door"),
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("patient_id", name=op.f("uq_erasures_patient_id")),
        info={"append_only": True},
    )
    op.create_index("ix_erasures_at", "erasures", ["at"])
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by_id", sa.Uuid(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_because", sa.Text(), nullable=False),
        sa.Column("lifted_by_id", sa.Uuid(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["lifted_by_id"], ["users.id"], name=op.f("fk_legal_holds_lifted_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_legal_holds_patient_id_patients")
        ),
        sa.ForeignKeyConstraint(
            ["placed_by_id"], ["users.id"], name=op.f("fk_legal_holds_placed_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_index("ix_legal_holds_patient_id", "legal_holds", ["patient_id"])
    op.create_table(
        "erased_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erased_files")),
    )
    op.create_index("ix_erased_files_due_at", "erased_files", ["due_at"])
    if op.get_bind().dialect.name == "postgresql":
        _rules_postgresql()
    else:
        _rules_sqlite()


# SQLite


def _sqlite(name: str, when: str, table: str, condition: str, message: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {when} ON {table} WHEN {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def _patient_of(table: str) -> str:
    """A subquery for the patient who owns the deleted row."""
    if table == "scans":
        return "SELECT OLD.patient_id"
    scan = "OLD.scan_id"
    if table == "prescription_items":
        scan = "(SELECT scan_id FROM prescriptions WHERE id = OLD.prescription_id)"
    return f"SELECT patient_id FROM scans WHERE id = {scan}"


def _rules_sqlite() -> None:
    for table in (*OF_A_SCAN, "scans"):
        op.execute(f"DROP TRIGGER {table}_no_delete")
        message = "scans are never deleted" if table == "scans" else f"{table} is append-only"
        is_open = f"SELECT 1 FROM erasures WHERE opened = 1 AND patient_id = ({_patient_of(table)})"
        _sqlite(f"{table}_no_delete", "DELETE", table, f"NOT EXISTS ({is_open})", message)
    for table, column in NEVER_AGAIN.items():
        erased = f"SELECT 1 FROM erasures WHERE patient_id = NEW.{column}"
        if column == "user_id":
            erased = "SELECT 1 FROM users WHERE id = NEW.user_id AND erased_at IS NOT NULL"
        _sqlite(f"{table}_not_of_erased", "INSERT", table, f"EXISTS ({erased})", ERASED)
    _sqlite(
        "erasure_door_shut",
        "INSERT",
        "erasure_door",
        "1",
        "erasure_door is append-only: nothing stands in it",
    )
    _sqlite("erasures_no_delete", "DELETE", "erasures", "1", "erasures is append-only")
    _sqlite(
        "erasures_begin",
        "INSERT",
        "erasures",
        "NEW.opened IS NOT 1",
        "erasures is append-only: one begins open",
    )
    held = "SELECT 1 FROM legal_holds WHERE patient_id = NEW.patient_id AND lifted_at IS NULL"
    _sqlite("erasures_not_on_hold", "INSERT", "erasures", f"EXISTS ({held})", ON_HOLD)
    same = " AND ".join(
        f"NEW.{each} IS OLD.{each}" for each in ("id", "patient_id", "by_id", "at", "reason", "origin")
    )
    _sqlite(
        "erasures_close_once",
        "UPDATE",
        "erasures",
        f"NOT (OLD.opened IS 1 AND NEW.opened IS NULL AND {same})",
        "erasures is append-only",
    )
    scans = "SELECT 1 FROM scans WHERE patient_id = OLD.patient_id"
    person = (
        "SELECT 1 FROM patients JOIN users ON users.id = patients.user_id "
        "WHERE patients.id = OLD.patient_id AND users.erased_at IS NULL"
    )
    _sqlite("erasures_complete", "UPDATE", "erasures", f"EXISTS ({scans}) OR EXISTS ({person})", LEFT)
    is_open = (
        "SELECT 1 FROM erasures JOIN patients ON patients.id = erasures.patient_id "
        "WHERE patients.user_id = NEW.id AND erasures.opened = 1"
    )
    _sqlite(
        "users_erased",
        "UPDATE",
        "users",
        f"OLD.erased_at IS NOT NULL OR (NEW.erased_at IS NOT NULL AND NOT EXISTS ({is_open}))",
        ERASED,
    )
    closed = "SELECT 1 FROM erasures WHERE patient_id = OLD.id AND opened IS NULL"
    _sqlite("patients_erased", "UPDATE", "patients", f"EXISTS ({closed})", ERASED)


# PostgreSQL


def _function(name: str, body: str, declare: str = "") -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {declare}\nBEGIN\n{body}\nEND $$"
    )


def _raise(message: str, *values: str) -> str:
    more = "".join(f", {value}" for value in values)
    return f"RAISE EXCEPTION '{message}'{more} USING ERRCODE = 'integrity_constraint_violation';"


def _row_trigger(name: str, when: str, table: str, function: str, *arguments: str) -> None:
    given = ", ".join(f"'{each}'" for each in arguments)
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}({given})"
    )


def _no_truncate(table: str, when: str = "TRUNCATE") -> None:
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE {when} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
    )


def _rules_postgresql() -> None:
    _function(
        "csss_refuse_delete",
        f"""
        IF TG_ARGV[0] = 'patient_id' THEN
            patient := (to_jsonb(OLD) ->> 'patient_id')::uuid;
        ELSIF TG_ARGV[0] = 'prescription_id' THEN
            SELECT scans.patient_id INTO patient FROM prescriptions JOIN scans ON scans.id = prescriptions.scan_id
                WHERE prescriptions.id = (to_jsonb(OLD) ->> 'prescription_id')::uuid;
        ELSE
            SELECT patient_id INTO patient FROM scans WHERE id = (to_jsonb(OLD) ->> 'scan_id')::uuid;
        END IF;
        IF NOT EXISTS (SELECT 1 FROM erasures WHERE patient_id = patient AND opened = 1) THEN
            {_raise("% is append-only", "TG_TABLE_NAME")}
        END IF;
        RETURN OLD;
        """,
        "DECLARE patient uuid;",
    )
    # Lock the person's row first, so that an erasure in progress is finished before we check.
    _function(
        "csss_not_of_erased",
        f"""
        IF TG_ARGV[0] = 'user_id' THEN
            PERFORM 1 FROM users WHERE id = NEW.user_id FOR KEY SHARE;
            IF EXISTS (SELECT 1 FROM users WHERE id = NEW.user_id AND erased_at IS NOT NULL) THEN
                {_raise(ERASED)}
            END IF;
        ELSE
            PERFORM 1 FROM patients WHERE id = NEW.patient_id FOR KEY SHARE;
            IF EXISTS (SELECT 1 FROM erasures WHERE patient_id = NEW.patient_id) THEN
                {_raise(ERASED)}
            END IF;
        END IF;
        RETURN NEW;
        """,
    )
    _function(
        "csss_erasure_begin",
        f"""
        IF NEW.opened IS DISTINCT FROM 1 THEN
            {_raise("erasures is append-only: one begins open")}
        END IF;
        IF EXISTS (SELECT 1 FROM legal_holds WHERE patient_id = NEW.patient_id AND lifted_at IS NULL) THEN
            {_raise(ON_HOLD)}
        END IF;
        RETURN NEW;
        """,
    )
    same = " AND ".join(
        f"NEW.{each} IS NOT DISTINCT FROM OLD.{each}"
        for each in ("id", "patient_id", "by_id", "at", "reason", "origin")
    )
    _function(
        "csss_erasure_close",
        f"""
        IF NOT (OLD.opened IS NOT NULL AND NEW.opened IS NULL AND {same}) THEN
            {_raise("erasures is append-only")}
        END IF;
        IF EXISTS (SELECT 1 FROM scans WHERE patient_id = OLD.patient_id) OR EXISTS (
            SELECT 1 FROM patients JOIN users ON users.id = patients.user_id
            WHERE patients.id = OLD.patient_id AND users.erased_at IS NULL
        ) THEN
            {_raise(LEFT)}
        END IF;
        RETURN NEW;
        """,
    )
    _function(
        "csss_user_erased",
        f"""
        IF OLD.erased_at IS NOT NULL OR (NEW.erased_at IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM erasures JOIN patients ON patients.id = erasures.patient_id
            WHERE patients.user_id = NEW.id AND erasures.opened = 1
        )) THEN
            {_raise(ERASED)}
        END IF;
        RETURN NEW;
        """,
    )
    _function(
        "csss_patient_erased",
        f"""
        IF EXISTS (SELECT 1 FROM erasures WHERE patient_id = OLD.id AND opened IS NULL) THEN
            {_raise(ERASED)}
        END IF;
        RETURN NEW;
        """,
    )
    for table, column in OF_A_SCAN.items():
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        _no_truncate(table, "UPDATE OR TRUNCATE")
        _row_trigger(f"{table}_no_delete", "DELETE", table, "csss_refuse_delete", column)
    op.execute("DROP TRIGGER scans_no_delete ON scans")
    _no_truncate("scans")
    _row_trigger("scans_no_delete", "DELETE", "scans", "csss_refuse_delete", "patient_id")
    for table, column in NEVER_AGAIN.items():
        _row_trigger(f"{table}_not_of_erased", "INSERT", table, "csss_not_of_erased", column)
    _no_truncate("erasure_door", "INSERT OR UPDATE OR DELETE OR TRUNCATE")
    _no_truncate("erasures", "DELETE OR TRUNCATE")
    _row_trigger("erasures_begin", "INSERT", "erasures", "csss_erasure_begin")
    _row_trigger("erasures_close", "UPDATE", "erasures", "csss_erasure_close")
    _row_trigger("users_erased", "UPDATE", "users", "csss_user_erased")
    _row_trigger("patients_erased", "UPDATE", "patients", "csss_patient_erased")


# The downgrade.


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _drop_rules_postgresql()
    else:
        _drop_rules_sqlite()
    op.drop_table("erased_files")
    op.drop_table("legal_holds")
    op.drop_table("erasures")
    op.drop_table("erasure_door")
    op.drop_column("users", "erased_at")


def _drop_rules_sqlite() -> None:
    for name in ("users_erased", "patients_erased", *(f"{table}_not_of_erased" for table in NEVER_AGAIN)):
        op.execute(f"DROP TRIGGER {name}")
    for table in (*OF_A_SCAN, "scans"):
        op.execute(f"DROP TRIGGER {table}_no_delete")
        message = "scans are never deleted" if table == "scans" else f"{table} is append-only"
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )


def _drop_rules_postgresql() -> None:
    op.execute("DROP TRIGGER users_erased ON users")
    op.execute("DROP TRIGGER patients_erased ON patients")
    for table in NEVER_AGAIN:
        op.execute(f"DROP TRIGGER {table}_not_of_erased ON {table}")
    for table in OF_A_SCAN:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute(f"DROP TRIGGER {table}_no_delete ON {table}")
        _no_truncate(table, "UPDATE OR DELETE OR TRUNCATE")
    op.execute("DROP TRIGGER scans_append_only ON scans")
    op.execute("DROP TRIGGER scans_no_delete ON scans")
    op.execute(
        "CREATE TRIGGER scans_no_delete BEFORE DELETE OR TRUNCATE ON scans "
        "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
    )
    op.execute("DROP TRIGGER erasures_begin ON erasures")
    op.execute("DROP TRIGGER erasures_close ON erasures")
    for name in (
        "refuse_delete",
        "not_of_erased",
        "erasure_begin",
        "erasure_close",
        "user_erased",
        "patient_erased",
    ):
        op.execute(f"DROP FUNCTION csss_{name}")
