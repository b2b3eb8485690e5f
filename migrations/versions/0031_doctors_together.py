"""Add scans that are assigned to a colleague, second readings, and their mail.

The previous release runs beside it: three tables that it does not know, and kinds of mail that it does not send. A scan that
it signs keeps its assignment and its request; both are ended by hand. A downgrade deletes mail of these kinds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

READINGS = "second_readings"
_KINDS = (
    "code",
    "confirm_address",
    "account_approved",
    "report_ready",
    "scan_closed",
    "reset_password",
    "password_changed",
    "passkey_added",
    "passkey_removed",
    "app_added",
    "app_removed",
    "recovery_codes_made",
    "second_factor_reset",
    "passphrase_set",
    "passphrase_removed",
    "address_taken",
    "watch_alarm",
    "details_corrected",
    "address_moved",
    "invitation",
    "critical_result",
    "critical_overdue",
    "critical_withdrawn",
)
_NEW_KINDS = ("scan_assigned", "second_reading")
_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    table = "scan_assignments"
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ended_why",
            _text(("signed", "given_back", "passed_on", "closed"), "assignmentend"),
            nullable=True,
        ),
        sa.Column("ended_by_id", sa.Uuid(), nullable=True),
        *(_user(table, name) for name in ("to_id", "by_id", "ended_by_id")),
        _scan(table),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index("ix_scan_assignments_scan_id", table, ["scan_id"])
    _open_index("uq_scan_assignments_open", table, ["scan_id"], unique=True)
    _open_index("ix_scan_assignments_to", table, ["to_id"])
    op.create_index("ix_scan_assignments_by", table, ["by_id", "assigned_at"])
    table = "second_reading_requests"
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("findings", "impression", "diagnosis")),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by_id", sa.Uuid(), nullable=True),
        *(_user(table, name) for name in ("asked_by_id", "withdrawn_by_id")),
        _scan(table),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index("ix_second_reading_requests_scan_id", table, ["scan_id"])
    op.create_index("ix_second_reading_requests_asked_at", table, ["asked_at"])
    _open_index("uq_second_reading_requests_open", table, ["scan_id"], unique=True)
    op.create_table(
        READINGS,
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("doctor_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("findings", "impression", "diagnosis")),
        sa.Column("same", sa.Boolean(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["second_reading_requests.id"],
            name=op.f("fk_second_readings_request_id_second_reading_requests"),
        ),
        _user(READINGS, "doctor_id"),
        _scan(READINGS),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_second_readings")),
        info={"append_only": True},
    )
    op.create_index("ix_second_readings_scan_id", READINGS, ["scan_id"])
    op.create_index("ix_second_readings_written_at", READINGS, ["written_at"])
    _append_only()
    _allow_kinds((*_KINDS, *_NEW_KINDS))


def _user(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["users.id"], name=op.f(f"fk_{table}_{column}_users"))


def _scan(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f(f"fk_{table}_scan_id_scans"))


def _open_index(name: str, table: str, columns: list[str], *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=_OPEN, postgresql_where=_OPEN)


def _text(members: tuple[str, ...], name: str) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=30)


def _append_only() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {READINGS}_append_only BEFORE UPDATE OR TRUNCATE ON {READINGS} "
            "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
        )
        op.execute(
            f"CREATE TRIGGER {READINGS}_no_delete BEFORE DELETE ON {READINGS} "
            "FOR EACH ROW EXECUTE FUNCTION csss_refuse_delete('scan_id')"
        )
        return
    is_open = (
        "SELECT 1 FROM erasures WHERE opened = 1 "
        "AND patient_id = (SELECT patient_id FROM scans WHERE id = OLD.scan_id)"
    )
    for when, condition in (("UPDATE", "1"), ("DELETE", f"NOT EXISTS ({is_open})")):
        op.execute(
            f"CREATE TRIGGER {READINGS}_no_{when.lower()} BEFORE {when} ON {READINGS} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{READINGS} is append-only'); END"
        )


def downgrade() -> None:
    messages = sa.table("mail_messages", sa.column("kind", sa.String()))
    op.execute(messages.delete().where(messages.c.kind.in_(_NEW_KINDS)))
    _allow_kinds(_KINDS)
    for table in (READINGS, "second_reading_requests", "scan_assignments"):
        op.drop_table(table)


def _allow_kinds(kinds: tuple[str, ...]) -> None:
    # SQLite recreates the table; it has no triggers, and its named checks are copied.
    name = op.f("ck_mail_messages_mailkind")
    with op.batch_alter_table("mail_messages") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"kind IN ({', '.join(repr(each) for each in kinds)})")
