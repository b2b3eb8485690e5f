"""Keep the filters and the order with which a doctor's worklist opens; forget the words of names that are made anew.

The previous release runs beside it: one table that it does not know. Words with a sign that the search now leaves out
are deleted, and the workers make them anew within a minute.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_LEFT_OUT = (
    *"·‛ʾʿꞌ׳−ŋ",
    *(chr(code) for code in (0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF)),
    *(chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
)


def upgrade() -> None:
    op.create_table(
        "worklist_views",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_worklist_views_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_worklist_views")),
    )
    words = sa.column("words", sa.Text())
    found = sa.or_(*(words.like(f"%{each}%") for each in _LEFT_OUT))
    op.execute(sa.delete(sa.table("search_names", words)).where(found))


def downgrade() -> None:
    op.drop_table("worklist_views")
