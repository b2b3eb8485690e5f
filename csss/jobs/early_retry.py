"""Rows that wait out a long pause because of one trouble, and need not any more once that is over.

Pauses grow to ten minutes. When the mail server answers again, or the disk has room again, what waits only for that goes
at once; what failed for reasons of its own (greylisting, say) keeps its pause.
"""

import logging
from collections.abc import Callable

from sqlalchemy import and_, select, update

from csss.clock import now
from csss.database import changed_rows, db, transaction
from csss.outbox import OutboxJob

log = logging.getLogger(__name__)


def wake(job: str, error: str, over: Callable[[], bool]) -> int:
    """Make the rows of `job` due that last failed with this `error` (its class, or how its text begins), if there are
    any and the trouble is `over`. Returns how many."""
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
    log.info("%d jobs (%s) wait no longer: the trouble is over", woken, job)
    return woken
