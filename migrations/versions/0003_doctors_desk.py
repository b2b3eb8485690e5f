"""Add drafts of unsigned readings, and text templates for them.

The previous release runs beside it: two tables that it does not know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=30)


def upgrade() -> None:
    op.create_table(
        "review_drafts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("doctor_id", sa.Uuid(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("impression", sa.Text(), nullable=False),
        sa.Column("diagnosis", sa.Text(), nullable=False),
        sa.Column("agreement", _choice("draft_agreement", "agree", "partly", "disagree"), nullable=True),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["doctor_id"], ["users.id"], name=op.f("fk_review_drafts_doctor_id_users")),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_review_drafts_scan_id_scans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_drafts")),
        sa.UniqueConstraint("scan_id", "doctor_id", name=op.f("uq_review_drafts_scan_id_doctor_id")),
    )
    op.create_index("ix_review_drafts_doctor", "review_drafts", ["doctor_id", "saved_at"])
    op.create_table(
        "report_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("doctor_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("kind", _choice("template_kind", "chest_xray", "cardiac_mri"), nullable=True),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("impression", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["doctor_id"], ["users.id"], name=op.f("fk_report_templates_doctor_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_templates")),
    )
    op.create_index("ix_report_templates_doctor", "report_templates", ["doctor_id", "position"])


def downgrade() -> None:
    op.drop_index("ix_report_templates_doctor", "report_templates")
    op.drop_table("report_templates")
    op.drop_index("ix_review_drafts_doctor", "review_drafts")
    op.drop_table("review_drafts")
