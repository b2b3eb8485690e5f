"""Let a patient record exist without an account: its own name and address, and the words of its name for the search.

The previous release runs beside it. It writes no name into a record, so triggers do: they copy the name of the account
when a record is made and when the account is renamed. Records without an account appear only once this release makes
them; the previous one does not show their scans.

SQLite cannot take NOT NULL from a column, and a new table would lose its triggers. So the text of the table is changed,
as SQLite's documentation describes for exactly this case (ALTER TABLE, section 7): what is stored stays the same.
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

OBLIGED, FREE = "user_id CHAR(32) NOT NULL", "user_id CHAR(32)"
ERASED = "this person has been erased"
LEFT = "something of this patient is left"
_SCANS_LEFT = "SELECT 1 FROM scans WHERE patient_id = OLD.patient_id"
_ACCOUNT_LEFT = (
    "SELECT 1 FROM patients JOIN users ON users.id = patients.user_id "
    "WHERE patients.id = OLD.patient_id AND users.erased_at IS NULL"
)
_RECORD_LEFT = (
    "SELECT 1 FROM patients WHERE id = OLD.patient_id AND user_id IS NULL AND patients.erased_at IS NULL"
)
_CLOSED = "SELECT 1 FROM erasures WHERE patient_id = OLD.id AND opened IS NULL"
# From the accounts to their records; the words of a name as they are kept for the account.
FILL_IN = (
    "UPDATE patients SET name = (SELECT users.name FROM users WHERE users.id = patients.user_id), "
    "created_at = (SELECT users.created_at FROM users WHERE users.id = patients.user_id), "
    "erased_at = (SELECT users.erased_at FROM users WHERE users.id = patients.user_id)"
)
WORDS = (
    "INSERT INTO record_names (patient_id, words) SELECT patients.id, search_names.words "
    "FROM search_names JOIN patients ON patients.user_id = search_names.user_id"
)


def _columns() -> list[sa.Column]:
    blank = sa.text("''")
    return [
        sa.Column("name", sa.String(length=120), nullable=False, server_default=blank),
        sa.Column("email", sa.String(length=254), nullable=False, server_default=blank),
        sa.Column("email_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mrn_issuer", sa.String(length=64), nullable=False, server_default=blank),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
    ]


def _on_postgresql() -> bool:
    return bool(op.get_bind().dialect.name == "postgresql")


def upgrade() -> None:
    if _on_postgresql():
        op.alter_column("patients", "user_id", existing_type=sa.Uuid(), nullable=True)
    else:
        _rewrite(OBLIGED, FREE)
    for column in _columns():
        op.add_column("patients", column)
    op.create_index("ix_patients_date_of_birth", "patients", ["date_of_birth"])
    op.create_table(
        "record_names",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_record_names_patient_id_patients")
        ),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_record_names")),
    )
    if _on_postgresql():
        _upgrade_postgresql()
    else:
        _upgrade_sqlite()


def _rewrite(was: str, becomes: str) -> None:
    """Change the text of the table `patients`. Raises RuntimeError when it does not contain `was` once."""
    bind = op.get_bind()
    find = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'patients'"
    text = str(bind.exec_driver_sql(find).scalar())
    if text.count(was) != 1:
        raise RuntimeError(f"the table of patients is not as it was made: {text}")
    version = int(bind.exec_driver_sql("PRAGMA schema_version").scalar())
    bind.exec_driver_sql("PRAGMA writable_schema = ON")
    bind.exec_driver_sql(
        "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = 'patients'",
        (text.replace(was, becomes),),
    )
    bind.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema = RESET")


def _upgrade_sqlite() -> None:
    op.execute("DROP TRIGGER patients_erased")  # the names of erased patients are filled in, too
    op.execute(FILL_IN)
    op.execute(WORDS)
    op.execute(
        f"CREATE TRIGGER patients_erased BEFORE UPDATE ON patients WHEN EXISTS ({_CLOSED}) "
        f"BEGIN SELECT RAISE(ABORT, '{ERASED}'); END"
    )
    op.execute("DROP TRIGGER erasures_complete")
    _complete_sqlite(_SCANS_LEFT, _ACCOUNT_LEFT, _RECORD_LEFT)
    op.execute(
        "CREATE TRIGGER patients_named AFTER INSERT ON patients WHEN NEW.name = '' AND NEW.user_id IS NOT NULL "
        "BEGIN UPDATE patients SET name = (SELECT name FROM users WHERE id = NEW.user_id) WHERE id = NEW.id; END"
    )
    op.execute(
        "CREATE TRIGGER users_name_of_record AFTER UPDATE OF name ON users WHEN NEW.name IS NOT OLD.name "
        "BEGIN UPDATE patients SET name = NEW.name WHERE user_id = NEW.id; END"
    )
    op.execute(
        "CREATE TRIGGER patients_search_name AFTER UPDATE OF name ON patients WHEN NEW.name IS NOT OLD.name "
        "BEGIN DELETE FROM record_names WHERE patient_id = NEW.id; END"
    )


def _complete_sqlite(*left: str) -> None:
    condition = " OR ".join(f"EXISTS ({each})" for each in left)
    op.execute(
        f"CREATE TRIGGER erasures_complete BEFORE UPDATE ON erasures WHEN {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{LEFT}'); END"
    )


def _upgrade_postgresql() -> None:
    op.execute("ALTER TABLE patients DISABLE TRIGGER patients_erased")
    op.execute(FILL_IN)
    op.execute("ALTER TABLE patients ENABLE TRIGGER patients_erased")
    op.execute(WORDS)
    _complete_postgresql(_SCANS_LEFT, _ACCOUNT_LEFT, _RECORD_LEFT)
    for name, body in (
        (
            "csss_name_record",
            "NEW.name := coalesce((SELECT name FROM users WHERE id = NEW.user_id), ''); RETURN NEW;",
        ),
        (
            "csss_rename_record",
            "UPDATE patients SET name = NEW.name WHERE user_id = NEW.id; RETURN NULL;",
        ),
        (
            "csss_drop_record_name",
            "DELETE FROM record_names WHERE patient_id = NEW.id; RETURN NULL;",
        ),
    ):
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    op.execute(
        "CREATE TRIGGER patients_named BEFORE INSERT ON patients FOR EACH ROW "
        "WHEN (NEW.name = '' AND NEW.user_id IS NOT NULL) EXECUTE FUNCTION csss_name_record()"
    )
    changed = "WHEN (NEW.name IS DISTINCT FROM OLD.name)"
    op.execute(
        f"CREATE TRIGGER users_name_of_record AFTER UPDATE OF name ON users FOR EACH ROW {changed} "
        "EXECUTE FUNCTION csss_rename_record()"
    )
    op.execute(
        f"CREATE TRIGGER patients_search_name AFTER UPDATE OF name ON patients FOR EACH ROW {changed} "
        "EXECUTE FUNCTION csss_drop_record_name()"
    )


def _complete_postgresql(*left: str) -> None:
    same = " AND ".join(
        f"NEW.{each} IS NOT DISTINCT FROM OLD.{each}"
        for each in ("id", "patient_id", "by_id", "at", "reason", "origin")
    )
    condition = " OR ".join(f"EXISTS ({each})" for each in left)
    code = "USING ERRCODE = 'integrity_constraint_violation'"
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION csss_erasure_close() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT (OLD.opened IS NOT NULL AND NEW.opened IS NULL AND {same}) THEN
                RAISE EXCEPTION 'erasures is append-only' {code};
            END IF;
            IF {condition} THEN
                RAISE EXCEPTION '{LEFT}' {code};
            END IF;
            RETURN NEW;
        END $$
        """
    )


def downgrade() -> None:
    """Refuses while there are records without an account: the previous release cannot keep them."""
    alone = op.get_bind().exec_driver_sql("SELECT count(*) FROM patients WHERE user_id IS NULL").scalar()
    if alone:
        raise RuntimeError(f"{alone} patient records have no account, and would be lost")
    for table, name in (
        ("patients", "patients_named"),
        ("users", "users_name_of_record"),
        ("patients", "patients_search_name"),
    ):
        op.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if _on_postgresql() else ""))
    if _on_postgresql():
        for function in ("csss_name_record", "csss_rename_record", "csss_drop_record_name"):
            op.execute(f"DROP FUNCTION {function}()")
        _complete_postgresql(_SCANS_LEFT, _ACCOUNT_LEFT)
    else:
        op.execute("DROP TRIGGER erasures_complete")
        _complete_sqlite(_SCANS_LEFT, _ACCOUNT_LEFT)
    op.drop_table("record_names")
    op.drop_index("ix_patients_date_of_birth", "patients")
    for column in reversed(_columns()):
        op.drop_column("patients", column.name)
    if _on_postgresql():
        op.alter_column("patients", "user_id", existing_type=sa.Uuid(), nullable=False)
    else:
        _rewrite(FREE, OBLIGED)
