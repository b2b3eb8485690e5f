"""Add the invitations with which patients claim their record, and the kinds of mail for records without an account.

The previous release runs beside it: a table that it does not know, and kinds of mail that it does not send. A downgrade
deletes mail of these kinds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

TABLE = "record_invitations"
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
    "details_corrected",
    "address_moved",
    "invitation",
    "address_taken",
    "watch_alarm",
    "critical_result",
    "critical_overdue",
    "critical_withdrawn",
    "scan_assigned",
    "second_reading",
    "scan_received",
)
_NEW_KINDS = ("record_invitation", "confirm_record_address", "record_report")


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("invited_by_id", sa.Uuid(), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_record_invitations_patient_id_patients")
        ),
        sa.ForeignKeyConstraint(
            ["invited_by_id"], ["users.id"], name=op.f("fk_record_invitations_invited_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_invitations")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_record_invitations_code_hash")),
    )
    op.create_index("ix_record_invitations_patient_id", TABLE, ["patient_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {TABLE}_not_of_erased BEFORE INSERT ON {TABLE} "
            "FOR EACH ROW EXECUTE FUNCTION csss_not_of_erased('patient_id')"
        )
    else:
        erased = "SELECT 1 FROM erasures WHERE patient_id = NEW.patient_id"
        op.execute(
            f"CREATE TRIGGER {TABLE}_not_of_erased BEFORE INSERT ON {TABLE} WHEN EXISTS ({erased}) "
            "BEGIN SELECT RAISE(ABORT, 'this person has been erased'); END"
        )
    _allow_kinds((*_KINDS, *_NEW_KINDS))


def downgrade() -> None:
    messages = sa.table("mail_messages", sa.column("kind", sa.String()))
    op.execute(messages.delete().where(messages.c.kind.in_(_NEW_KINDS)))
    _allow_kinds(_KINDS)
    op.drop_table(TABLE)


def _allow_kinds(kinds: tuple[str, ...]) -> None:
    # SQLite recreates the table; it has no triggers, and its named checks are copied.
    name = op.f("ck_mail_messages_mailkind")
    with op.batch_alter_table("mail_messages") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"kind IN ({', '.join(repr(each) for each in kinds)})")
