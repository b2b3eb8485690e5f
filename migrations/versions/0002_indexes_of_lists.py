"""Add indexes for the administrator's lists: each begins with a search column and ends with a sort column.

The previous release runs beside it: only indexes change.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NEW: dict[str, tuple[str, list[str]]] = {
    "ix_approvals_approved_at": ("approvals", ["approved_at"]),
    "ix_audit_events_action": ("audit_events", ["action", "at"]),
    "ix_audit_events_actor": ("audit_events", ["actor_id", "at"]),
    "ix_mail_messages_created": ("mail_messages", ["created_at"]),
    "ix_mail_messages_kind": ("mail_messages", ["kind", "created_at"]),
    "ix_mail_messages_state": ("mail_messages", ["state", "created_at"]),
}
# Same name before and after: (table, columns before, columns after).
_CHANGED: dict[str, tuple[str, list[str], list[str]]] = {
    "ix_audit_events_subject": ("audit_events", ["subject_type", "subject_id"], ["subject_id", "at"]),
    "ix_users_state": ("users", ["state"], ["state", "created_at"]),
}


def upgrade() -> None:
    op.drop_index("ix_audit_events_actor_id", "audit_events")
    for name, (table, _, after) in _CHANGED.items():
        op.drop_index(name, table)
        op.create_index(name, table, after)
    for name, (table, columns) in _NEW.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _) in _NEW.items():
        op.drop_index(name, table)
    for name, (table, before, _) in _CHANGED.items():
        op.drop_index(name, table)
        op.create_index(name, table, before)
    op.create_index("ix_audit_events_actor_id", "audit_events", ["actor_id"])
