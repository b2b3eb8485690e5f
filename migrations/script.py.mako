"""${message}

Revision: ${up_revision}, follows ${down_revision | comma,n}. Made ${create_date}.

The previous release must still run beside this one, and it enqueues nothing. SQLite's batch mode recreates a table and
loses its triggers: create them again (see 0001).
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
