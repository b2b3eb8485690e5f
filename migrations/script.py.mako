"""${message}

Revision: ${up_revision}, follows ${down_revision | comma,n}. Made ${create_date}.

The release before this one must still run beside it, and it enqueues nothing. SQLite's batch mode makes a table anew
and loses its triggers: create them again (see 0001).
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
