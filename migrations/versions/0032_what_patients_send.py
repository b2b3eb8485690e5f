"""Add what a patient was asked about a picture, who opened a scan first, withdrawn scans, and the receipt by mail.

The previous release runs beside it: a nullable column, one with a default, and a table that it does not know. It shows a
withdrawn scan as closed. A downgrade deletes receipts from the list of mail.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

TABLE = "doctor_openings"
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
    "scan_assigned",
    "second_reading",
)
_NEW_KINDS = ("scan_received",)


def upgrade() -> None:
    op.add_column("scans", sa.Column("sent_despite", sa.JSON(), nullable=True))
    op.add_column(
        "scan_closures", sa.Column("withdrawn", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        TABLE,
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("doctor_id", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["doctor_id"], ["users.id"], name=op.f("fk_doctor_openings_doctor_id_users")),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_doctor_openings_scan_id_scans")),
        sa.PrimaryKeyConstraint("scan_id", name=op.f("pk_doctor_openings")),
        info={"append_only": True},
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR TRUNCATE ON {TABLE} "
            "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
        )
        op.execute(
            f"CREATE TRIGGER {TABLE}_no_delete BEFORE DELETE ON {TABLE} "
            "FOR EACH ROW EXECUTE FUNCTION csss_refuse_delete('scan_id')"
        )
    else:
        is_open = (
            "SELECT 1 FROM erasures WHERE opened = 1 "
            "AND patient_id = (SELECT patient_id FROM scans WHERE id = OLD.scan_id)"
        )
        for when, condition in (("UPDATE", "1"), ("DELETE", f"NOT EXISTS ({is_open})")):
            op.execute(
                f"CREATE TRIGGER {TABLE}_no_{when.lower()} BEFORE {when} ON {TABLE} WHEN {condition} "
                f"BEGIN SELECT RAISE(ABORT, '{TABLE} is append-only'); END"
            )
    _allow_kinds((*_KINDS, *_NEW_KINDS))


def downgrade() -> None:
    messages = sa.table("mail_messages", sa.column("kind", sa.String()))
    op.execute(messages.delete().where(messages.c.kind.in_(_NEW_KINDS)))
    _allow_kinds(_KINDS)
    op.drop_table(TABLE)
    op.drop_column("scan_closures", "withdrawn")
    op.drop_column("scans", "sent_despite")


def _allow_kinds(kinds: tuple[str, ...]) -> None:
    # SQLite recreates the table; it has no triggers, and its named checks are copied.
    name = op.f("ck_mail_messages_mailkind")
    with op.batch_alter_table("mail_messages") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"kind IN ({', '.join(repr(each) for each in kinds)})")
