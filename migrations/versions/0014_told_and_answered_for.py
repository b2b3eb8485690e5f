"""Add mails about changed sign-in methods, and who is responsible for a hospital template.

The previous release runs beside it: a nullable column, and kinds of mail that it does not send. A downgrade deletes
mail of these kinds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_KINDS = (
    "code",
    "confirm_address",
    "account_approved",
    "report_ready",
    "scan_closed",
    "reset_password",
    "password_changed",
    "address_taken",
)
_NEW_KINDS = (
    "passkey_added",
    "passkey_removed",
    "app_added",
    "app_removed",
    "recovery_codes_made",
    "second_factor_reset",
    "passphrase_set",
    "passphrase_removed",
)


def upgrade() -> None:
    _allow_kinds((*_KINDS, *_NEW_KINDS))
    with op.batch_alter_table("prescription_templates") as batch_op:
        batch_op.add_column(sa.Column("made_by_id", sa.Uuid(), nullable=True))
        batch_op.create_foreign_key(
            op.f("fk_prescription_templates_made_by_id_users"), "users", ["made_by_id"], ["id"]
        )
    _name_makers()


def _name_makers() -> None:
    """A private template belongs to its owner; for the hospital's, the audit log names who last saved it."""
    templates = sa.table(
        "prescription_templates",
        sa.column("id", sa.Uuid()),
        sa.column("owner_id", sa.Uuid()),
        sa.column("made_by_id", sa.Uuid()),
    )
    events = sa.table(
        "audit_events",
        sa.column("id", sa.Integer()),
        sa.column("action", sa.String()),
        sa.column("subject_id", sa.String()),
        sa.column("actor_id", sa.Uuid()),
    )
    bind = op.get_bind()
    bind.execute(templates.update().values(made_by_id=templates.c.owner_id))
    for (template_id,) in bind.execute(sa.select(templates.c.id).where(templates.c.owner_id.is_(None))).all():
        kept = sa.select(events.c.actor_id).where(
            events.c.action == "prescription_template.kept", events.c.subject_id == str(template_id)
        )
        maker = bind.execute(kept.order_by(events.c.id.desc()).limit(1)).scalar()
        if maker is not None:
            bind.execute(templates.update().where(templates.c.id == template_id).values(made_by_id=maker))


def downgrade() -> None:
    with op.batch_alter_table("prescription_templates") as batch_op:
        batch_op.drop_constraint(op.f("fk_prescription_templates_made_by_id_users"), type_="foreignkey")
        batch_op.drop_column("made_by_id")
    messages = sa.table("mail_messages", sa.column("kind", sa.String()))
    op.execute(messages.delete().where(messages.c.kind.in_(_NEW_KINDS)))
    _allow_kinds(_KINDS)


def _allow_kinds(kinds: tuple[str, ...]) -> None:
    # SQLite recreates the table; it has no triggers, and its named checks are copied.
    name = op.f("ck_mail_messages_mailkind")
    with op.batch_alter_table("mail_messages") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"kind IN ({', '.join(repr(each) for each in kinds)})")
