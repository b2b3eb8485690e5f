"""Queue work in the transaction that causes it (transactional outbox).

Capabilities call `add`; they do not know who does the work. `csss.jobs` registers a dispatcher, which gives each
row to a worker after the commit, and sweeps for lost rows.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from flask import current_app
from sqlalchemy import JSON, ColumnElement, Connection, Index, String, Text, and_, func, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from csss.audit.record import Actor, record
from csss.clock import now
from csss.database import Model, after_commit, db, text_enum
from csss.errors import NotFound, StateConflict
from csss.i18n import _
from csss.paging import ListPage, page_of


class Queue(StrEnum):
    """Each worker process listens to exactly one of these."""

    INFERENCE = "inference"
    REPORTS = "reports"
    MAIL = "mail"
    CODES = "codes"


class OutboxJob(Model):
    """One job. `args` contains only ids."""

    __tablename__ = "outbox"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    queue: Mapped[Queue] = mapped_column(text_enum(Queue))
    job: Mapped[str] = mapped_column(String(60))
    args: Mapped[list[Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=now)
    due_at: Mapped[datetime] = mapped_column(default=now)
    handed_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]  # a worker has it; after this time the worker must have died
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    done_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]  # no more retries

    __table_args__ = (
        Index(
            "ix_outbox_open",
            "due_at",
            sqlite_where=text("done_at IS NULL AND failed_at IS NULL"),
            postgresql_where=text("done_at IS NULL AND failed_at IS NULL"),
        ),
        Index(
            "ix_outbox_failed",
            "failed_at",
            sqlite_where=text("failed_at IS NOT NULL"),
            postgresql_where=text("failed_at IS NOT NULL"),
        ),
    )


# Where `csss.jobs` registers the function that enqueues a row: `dispatch(row id, queue)`. It is called after the
# commit and must not raise; the sweeper enqueues what it could not.
DISPATCHER = "csss_dispatch"


def add(queue: Queue, job: str, *ids: uuid.UUID) -> OutboxJob:
    """Queue one run of `job` with these ids. Belongs inside transaction()."""
    row = OutboxJob(id=uuid.uuid4(), queue=queue, job=job, args=[str(each) for each in ids])
    db.session.add(row)
    _hand_over(row)
    return row


def _hand_over(row: OutboxJob) -> None:
    row_id, queue = row.id, row.queue
    after_commit(lambda: current_app.extensions[DISPATCHER](row_id, queue))


# What an administrator sees and does.

PAGE_SIZE = 50
# Jobs that are retried with their own row. For mail, the message is sent again, and for an analysis, the doctor
# starts a new one; both create a new row, and settle this one.
_TRIED_AGAIN = frozenset({"render_report"})


@dataclass(frozen=True)
class Backlog:
    """The open jobs of one queue: how many, and since when the oldest waits."""

    queue: Queue
    open: int
    oldest: datetime | None


def given_up_rows() -> ColumnElement[bool]:
    """Condition for rows that failed for good and have not been settled since."""
    return and_(OutboxJob.failed_at.is_not(None), OutboxJob.done_at.is_(None))


def given_up(page: int = 1) -> ListPage[OutboxJob]:
    """Jobs that no worker retries any more, newest first."""
    jobs = select(OutboxJob).where(given_up_rows()).order_by(OutboxJob.failed_at.desc(), OutboxJob.id)
    return page_of(jobs, page, PAGE_SIZE)


def backlog() -> list[Backlog]:
    """The open jobs of every queue."""
    rows = db.session.execute(
        select(OutboxJob.queue, func.count(), func.min(OutboxJob.created_at))
        .where(OutboxJob.done_at.is_(None), OutboxJob.failed_at.is_(None))
        .group_by(OutboxJob.queue)
    )
    found = {queue: (count, oldest) for queue, count, oldest in rows}
    return [Backlog(queue, *found.get(queue, (0, None))) for queue in Queue]


# A job that is due and has not been started for this long needs somebody's attention.
OLD = timedelta(minutes=5)


def overdue(connection: Connection | None = None) -> dict[Queue, datetime]:
    """For each queue, the due time of the longest waiting job that is due and not leased.

    Outside the application, pass a `connection`.
    """
    at = now()
    rows = (connection or db.session).execute(
        select(OutboxJob.queue, func.min(OutboxJob.due_at))
        .where(
            OutboxJob.done_at.is_(None),
            OutboxJob.failed_at.is_(None),
            OutboxJob.due_at <= at,
            or_(OutboxJob.leased_until.is_(None), OutboxJob.leased_until <= at),
        )
        .group_by(OutboxJob.queue)
    )
    return {queue: since for queue, since in rows}


def may_try_again(row: OutboxJob) -> bool:
    """Whether a retry helps: not for jobs that are restarted in another way."""
    return row.failed_at is not None and row.done_at is None and row.job in _TRIED_AGAIN


def given_up_job(row_id: uuid.UUID) -> OutboxJob:
    """Lock and return a failed job. Raises NotFound, StateConflict when it has not failed (any more)."""
    row = db.session.get(OutboxJob, row_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound(_("There is no such job."))
    if row.failed_at is None or row.done_at is not None:
        raise StateConflict(_("This job has not been given up, or somebody has dealt with it already."))
    return row


def set_aside(row_id: uuid.UUID, *, by: Actor) -> None:
    """Mark it as not needed any more. Raises NotFound, StateConflict."""
    row = given_up_job(row_id)
    row.done_at = now()
    record("job.set_aside", row, by=by, job=row.job)


def settle(job: str, ids: Sequence[uuid.UUID]) -> None:
    """Settle the failed jobs about these ids: another row has restarted them, or they are not needed any more."""
    wanted = {str(each) for each in ids}
    for row in db.session.scalars(select(OutboxJob).where(given_up_rows(), OutboxJob.job == job)):
        if wanted.intersection(row.args):
            row.done_at = now()


def try_again(row_id: uuid.UUID, *, by: Actor) -> OutboxJob:
    """Queue a failed job again, with all its attempts. Raises NotFound, StateConflict."""
    row = given_up_job(row_id)
    if not may_try_again(row):
        raise StateConflict(_("The doctor starts this analysis again, on the page of the scan."))
    row.failed_at, row.leased_until, row.attempts, row.due_at = None, None, 0, now()
    record("job.tried_again", row, by=by, job=row.job)
    _hand_over(row)
    return row
