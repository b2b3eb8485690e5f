"""End the back-off of rows early when the fault that caused it is over.

Back-off grows to ten minutes. When the mail server answers again, or the disk has space again, rows that wait only
for that are due at once. Rows that failed for other reasons (greylisting, for example) keep their back-off.
"""

import logging
from collections.abc import Callable

from sqlalchemy import and_, select, update

from csss.clock import now
from csss.database import changed_rows, db, transaction
from csss.outbox import OutboxJob

log = logging.getLogger(__name__)


def wake(job: str, error: str, over: Callable[[], bool]) -> int:
    """Make the rows of `job` due that last failed with this `error` (its class, or the start of its text), if there
    are any and the fault is `over`. Returns how many."""
    waiting = and_(
        OutboxJob.job == job,
        OutboxJob.done_at.is_(None),
        OutboxJob.failed_at.is_(None),
        OutboxJob.leased_until.is_(None),
        OutboxJob.due_at > now(),
        OutboxJob.last_error.startswith(error, autoescape=True),
    )
    found = db.session.scalar(select(OutboxJob.id).where(waiting).limit(1))
    db.session.commit()
    if found is None or not over():
        return 0
    with transaction():
        woken = changed_rows(
            update(OutboxJob).where(waiting).values(due_at=now()).execution_options(synchronize_session=False)
        )
    log.info("%d jobs (%s) are due early: the fault is over", woken, job)
    return woken
