"""Add critical results: the mark on a reading, a draft and an addendum, who has taken note, and their mail.

The previous release runs beside it: columns with a default, two tables that it does not know, and kinds of mail that it
does not send. A downgrade deletes mail of these kinds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

EVENTS = "critical_events"
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
)
_NEW_KINDS = ("critical_result", "critical_overdue", "critical_withdrawn")


def upgrade() -> None:
    for table in ("reviews", "addenda", "review_drafts"):
        op.add_column(
            table, sa.Column("critical_action", sa.Text(), server_default=sa.text("''"), nullable=False)
        )
    op.add_column(
        "review_drafts", sa.Column("critical", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "critical_results",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("review_version", sa.Integer(), nullable=True),
        sa.Column("addendum_number", sa.Integer(), nullable=True),
        sa.Column("marked_by_id", sa.Uuid(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["marked_by_id"], ["users.id"], name=op.f("fk_critical_results_marked_by_id_users")
        ),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_critical_results_scan_id_scans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_results")),
        sa.UniqueConstraint("scan_id", "number", name=op.f("uq_critical_results_scan_id_number")),
    )
    op.create_index("ix_critical_results_marked_at", "critical_results", ["marked_at"])
    op.create_index(
        "ix_critical_results_open",
        "critical_results",
        ["marked_at"],
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        EVENTS,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("result_id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("what", _text(("acknowledged", "escalated", "withdrawn"), "criticalstep"), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column(
            "person_role", _text(("admin", "doctor", "pharmacist", "patient"), "person_role"), nullable=True
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name=op.f("fk_critical_events_person_id_users")),
        sa.ForeignKeyConstraint(
            ["result_id"], ["critical_results.id"], name=op.f("fk_critical_events_result_id_critical_results")
        ),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_critical_events_scan_id_scans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_events")),
        sa.UniqueConstraint("result_id", "what", "step", name=op.f("uq_critical_events_result_id_what_step")),
        info={"append_only": True},
    )
    op.create_index("ix_critical_events_scan_id", EVENTS, ["scan_id"])
    _append_only()
    _allow_kinds((*_KINDS, *_NEW_KINDS))


def _text(members: tuple[str, ...], name: str) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=30)


def _append_only() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {EVENTS}_append_only BEFORE UPDATE OR TRUNCATE ON {EVENTS} "
            "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
        )
        op.execute(
            f"CREATE TRIGGER {EVENTS}_no_delete BEFORE DELETE ON {EVENTS} "
            "FOR EACH ROW EXECUTE FUNCTION csss_refuse_delete('scan_id')"
        )
        return
    is_open = (
        "SELECT 1 FROM erasures WHERE opened = 1 "
        "AND patient_id = (SELECT patient_id FROM scans WHERE id = OLD.scan_id)"
    )
    for when, condition in (("UPDATE", "1"), ("DELETE", f"NOT EXISTS ({is_open})")):
        op.execute(
            f"CREATE TRIGGER {EVENTS}_no_{when.lower()} BEFORE {when} ON {EVENTS} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{EVENTS} is append-only'); END"
        )


def downgrade() -> None:
    messages = sa.table("mail_messages", sa.column("kind", sa.String()))
    op.execute(messages.delete().where(messages.c.kind.in_(_NEW_KINDS)))
    _allow_kinds(_KINDS)
    op.drop_table(EVENTS)
    op.drop_table("critical_results")
    op.drop_column("review_drafts", "critical")
    for table in ("review_drafts", "addenda", "reviews"):
        op.drop_column(table, "critical_action")


def _allow_kinds(kinds: tuple[str, ...]) -> None:
    # SQLite recreates the table; it has no triggers, and its named checks are copied.
    name = op.f("ck_mail_messages_mailkind")
    with op.batch_alter_table("mail_messages") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"kind IN ({', '.join(repr(each) for each in kinds)})")
