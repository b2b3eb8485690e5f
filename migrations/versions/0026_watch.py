"""What the watch on the classifier needs of each picture, its alarms, and their mail.

The previous release runs beside it: nullable columns, a table that it does not know, and a kind of mail that it does not
send. A downgrade deletes mail of this kind.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

COLUMNS = ("outlier_score", "mean_grey", "contrast")
KINDS = ("chest_xray", "cardiac_mri")
FIGURES = (
    "refused",
    "uncertain",
    "agreement",
    "jpeg",
    "sixteen_bits",
    "answer",
    "outlier_score",
    "size",
    "shape",
    "mean_grey",
    "contrast",
)
_MAIL_KINDS = (
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
)
_NEW_KIND = "watch_alarm"


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("predictions", sa.Column(name, sa.Double(), nullable=True))
    op.create_index(
        "ix_predictions_watched",
        "predictions",
        ["model_version", "created_at"],
        sqlite_where=sa.text("mean_grey IS NOT NULL"),
        postgresql_where=sa.text("mean_grey IS NOT NULL"),
    )
    _create_alarms()
    _allow_kinds((*_MAIL_KINDS, _NEW_KIND))


def _create_alarms() -> None:
    op.create_table(
        "watch_alarms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_version", sa.String(length=60), nullable=False),
        sa.Column("kind", _text(KINDS, "scankind"), nullable=False),
        sa.Column("figure", _text(FIGURES, "figure"), nullable=False),
        sa.Column("answer", sa.String(length=60), nullable=False),
        sa.Column("higher", sa.Boolean(), nullable=False),
        sa.Column("was", sa.Double(), nullable=False),
        sa.Column("now", sa.Double(), nullable=False),
        sa.Column("edge", sa.Double(), nullable=True),
        sa.Column("share_was", sa.Double(), nullable=True),
        sa.Column("share_now", sa.Double(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("within_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_why", _text(("within", "replaced"), "closed"), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_by_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["seen_by_id"], ["users.id"], name=op.f("fk_watch_alarms_seen_by_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_alarms")),
    )
    op.create_index(
        "uq_watch_alarms_open",
        "watch_alarms",
        ["model_version", "kind", "figure", "answer"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_watch_alarms_opened_at", "watch_alarms", ["opened_at"])


def _text(members: tuple[str, ...], name: str) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=30)


def downgrade() -> None:
    messages = sa.table("mail_messages", sa.column("kind", sa.String()))
    op.execute(messages.delete().where(messages.c.kind == _NEW_KIND))
    _allow_kinds(_MAIL_KINDS)
    op.drop_table("watch_alarms")
    op.drop_index("ix_predictions_watched", "predictions")
    for name in reversed(COLUMNS):
        op.drop_column("predictions", name)


def _allow_kinds(kinds: tuple[str, ...]) -> None:
    # SQLite recreates the table; it has no triggers, and its named checks are copied.
    name = op.f("ck_mail_messages_mailkind")
    with op.batch_alter_table("mail_messages") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"kind IN ({', '.join(repr(each) for each in kinds)})")
