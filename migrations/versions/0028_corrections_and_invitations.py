"""Add corrections of patients' details and invitations of staff, and the kinds of mail that they send.

The previous release runs beside it: two tables that it does not know, and kinds of mail that it does not send. A
downgrade deletes mail of these kinds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

TABLE = "patient_corrections"
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
)
_NEW_KINDS = ("details_corrected", "address_moved", "invitation")


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("old", sa.JSON(), nullable=False),
        sa.Column("new", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("corrected_by_id", sa.Uuid(), nullable=False),
        sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_patient_corrections_patient_id_patients")
        ),
        sa.ForeignKeyConstraint(
            ["corrected_by_id"], ["users.id"], name=op.f("fk_patient_corrections_corrected_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_corrections")),
        info={"append_only": True},
    )
    op.create_index("ix_patient_corrections_patient_id", TABLE, ["patient_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR TRUNCATE ON {TABLE} "
            "FOR EACH STATEMENT EXECUTE FUNCTION csss_refuse()"
        )
        op.execute(
            f"CREATE TRIGGER {TABLE}_no_delete BEFORE DELETE ON {TABLE} "
            "FOR EACH ROW EXECUTE FUNCTION csss_refuse_delete('patient_id')"
        )
    else:
        is_open = "SELECT 1 FROM erasures WHERE opened = 1 AND patient_id = OLD.patient_id"
        for when, condition in (("update", "1"), ("delete", f"NOT EXISTS ({is_open})")):
            op.execute(
                f"CREATE TRIGGER {TABLE}_no_{when} BEFORE {when.upper()} ON {TABLE} WHEN {condition} "
                f"BEGIN SELECT RAISE(ABORT, '{TABLE} is append-only'); END"
            )
    op.create_table(
        "staff_invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", _text(("admin", "doctor", "pharmacist"), "invitedrole"), nullable=False),
        sa.Column("invited_by_id", sa.Uuid(), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["invited_by_id"], ["users.id"], name=op.f("fk_staff_invitations_invited_by_id_users")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_staff_invitations_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_staff_invitations_token_hash")),
    )
    op.create_index("ix_staff_invitations_email", "staff_invitations", ["email"])
    op.create_index("ix_staff_invitations_invited_at", "staff_invitations", ["invited_at"])
    _allow_kinds((*_KINDS, *_NEW_KINDS))


def _text(members: tuple[str, ...], name: str) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=30)


def downgrade() -> None:
    messages = sa.table("mail_messages", sa.column("kind", sa.String()))
    op.execute(messages.delete().where(messages.c.kind.in_(_NEW_KINDS)))
    _allow_kinds(_KINDS)
    op.drop_table("staff_invitations")
    op.drop_table(TABLE)


def _allow_kinds(kinds: tuple[str, ...]) -> None:
    # SQLite recreates the table; it has no triggers, and its named checks are copied.
    name = op.f("ck_mail_messages_mailkind")
    with op.batch_alter_table("mail_messages") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"kind IN ({', '.join(repr(each) for each in kinds)})")
