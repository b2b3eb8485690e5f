"""Enqueue lost jobs again: after Redis lost its data, a worker died, or a web process never enqueued them."""

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select, update

from csss.audit import anchors
from csss.clock import now
from csss.database import db, transaction
from csss.erasing import leftovers
from csss.jobs.expired_rows import clean_up
from csss.jobs.leases import LEASE, SKEW
from csss.jobs.queues import hand_over, waiting_rows
from csss.outbox import OutboxJob, Queue
from csss.scans import critical_results

log = logging.getLogger(__name__)

SWEEP_SECONDS = 5
# A job may briefly be in neither place: taken from the queue, with its lease not yet written.
GRACE = timedelta(seconds=10)
BATCH = 500


def sweep(connection: Any) -> int:
    """Enqueue every open row that is due, not in a queue and not leased. Returns how many.

    Safe to run in several processes at once: a row that is enqueued twice is done once (`runner.perform`). Also tells
    of critical results that nobody has taken note of, and deletes what has expired.
    """
    handed_over = sum(_sweep_queue(queue, connection) for queue in Queue)
    critical_results.escalate_overdue()
    anchors.keep_now_and_then()
    leftovers.sweep()
    clean_up()  # last: a file that cannot be removed must not block jobs
    return handed_over


def _sweep_queue(queue: Queue, connection: Any) -> int:
    """Each queue separately: a backlog for an absent mail worker must not delay analyses."""
    at = now()
    _mend_leases(queue, at)
    query = _lost_perhaps(queue, at)
    found = db.session.scalars(query).all()
    db.session.commit()
    if not found:
        return 0
    waiting = waiting_rows(queue, connection)
    lost = [row_id for row_id in found if str(row_id) not in waiting]
    if not lost:
        return 0
    with transaction():
        due_at = case((OutboxJob.due_at > at, at), else_=OutboxJob.due_at)  # the clock was set back
        db.session.execute(
            update(OutboxJob).where(OutboxJob.id.in_(lost)).values(handed_at=at, due_at=due_at)
        )
    for row_id in lost:
        hand_over(row_id, queue, connection)
    log.info("enqueued %d lost jobs again in %s", len(lost), queue.value)
    return len(lost)


def _mend_leases(queue: Queue, at: datetime) -> None:
    """Correct leases after the clock was set back, or a dead worker's row stays leased that long; live workers
    renew."""
    ahead = and_(
        OutboxJob.queue == queue,
        OutboxJob.done_at.is_(None),
        OutboxJob.failed_at.is_(None),  # matches the partial index of open rows
        OutboxJob.leased_until > at + LEASE + SKEW,
    )
    found = db.session.scalars(select(OutboxJob.id).where(ahead).limit(BATCH)).all()
    db.session.commit()
    if found:
        with transaction():
            db.session.execute(
                update(OutboxJob).where(OutboxJob.id.in_(found), ahead).values(leased_until=at + LEASE)
            )


def _lost_perhaps(queue: Queue, at: datetime) -> Select[uuid.UUID]:
    # The last write lies in the future: the clock was set back since then, so `due_at` means nothing.
    set_back = func.coalesce(OutboxJob.handed_at, OutboxJob.created_at) > at + SKEW
    return (
        select(OutboxJob.id)
        .where(
            OutboxJob.queue == queue,
            OutboxJob.done_at.is_(None),
            OutboxJob.failed_at.is_(None),
            or_(OutboxJob.leased_until.is_(None), OutboxJob.leased_until <= at),
            or_(OutboxJob.due_at <= at, set_back),
            or_(
                set_back,
                # No worker has it, although it was enqueued (or became due) a while ago.
                func.coalesce(OutboxJob.handed_at, OutboxJob.due_at) <= at - GRACE,
                # It failed or its worker died, and its back-off is over.
                and_(
                    OutboxJob.attempts > 0,
                    or_(OutboxJob.handed_at.is_(None), OutboxJob.handed_at < OutboxJob.due_at),
                ),
            ),
        )
        .order_by(OutboxJob.due_at)
        .limit(BATCH)
    )
