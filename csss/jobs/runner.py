"""Doing one outbox row: ask whether work remains, take a lease, do it, keep how it went."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from csss.clock import now
from csss.database import db, transaction
from csss.jobs import mail_jobs, report_jobs, scan_jobs
from csss.outbox import OutboxJob

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Handler:
    """How a job is done.

    `lease` is how long a worker may be silent before it counts as dead, `pause(n)` the wait after the n-th
    failure, and `give_up(ids, error)` tells the people concerned when `attempts` are used up.
    """

    run: Callable[..., None]
    lease: timedelta
    attempts: int
    pause: Callable[[int], timedelta]
    give_up: Callable[[tuple[uuid.UUID, ...], str], None] = lambda ids, error: None


def _doubling(first: float, most: float) -> Callable[[int], timedelta]:
    return lambda n: timedelta(seconds=min(first * 2 ** (n - 1), most))


HANDLERS: dict[str, Handler] = {
    "analyse_scan": Handler(
        scan_jobs.analyse_scan, timedelta(seconds=15), 3, _doubling(1, 10), scan_jobs.give_up_analysis
    ),
    "render_report": Handler(report_jobs.render_report, timedelta(seconds=20), 200, _doubling(2, 600)),
    # About a day, with pauses of at most ten minutes: longer than any mail server is down for.
    "send_mail": Handler(
        mail_jobs.send_mail, timedelta(seconds=25), 150, _doubling(2, 600), mail_jobs.give_up_mail
    ),
}


def perform(row_id: uuid.UUID) -> None:
    """Do one row, at most one worker at a time. Never raises for a failing job: the row keeps the failure."""
    ids = _take(row_id)
    if ids is None:
        return
    job, args = ids
    handler = HANDLERS[job]
    try:
        handler.run(*args)
    except Exception as error:
        log.exception("job %s of row %s failed", job, row_id)
        db.session.rollback()
        _keep_failure(row_id, handler, args, error)
    else:
        with transaction():
            row = db.session.get_one(OutboxJob, row_id, with_for_update=True)
            row.done_at, row.leased_until, row.last_error = now(), None, ""


def _take(row_id: uuid.UUID) -> tuple[str, tuple[uuid.UUID, ...]] | None:
    """Lease the row, or None when there is nothing to do, somebody is at it, or it has killed too many workers."""
    with transaction():
        row = db.session.get(OutboxJob, row_id, with_for_update=True)
        if row is None or row.done_at or row.failed_at:
            return None
        if row.leased_until is not None and row.leased_until > now():
            return None
        handler = HANDLERS[row.job]
        args = tuple(uuid.UUID(each) for each in row.args)
        if row.attempts >= handler.attempts:
            row.failed_at, row.last_error = now(), row.last_error or "The worker died each time."
            handler.give_up(args, row.last_error)
            return None
        row.attempts += 1
        row.leased_until = now() + handler.lease
        return row.job, args


def _keep_failure(row_id: uuid.UUID, handler: Handler, args: tuple[uuid.UUID, ...], error: Exception) -> None:
    with transaction():
        row = db.session.get_one(OutboxJob, row_id, with_for_update=True)
        row.leased_until = None
        row.last_error = f"{type(error).__name__}: {error}"[:2000]
        if row.attempts >= handler.attempts or getattr(error, "permanent", False):
            row.failed_at = now()
            handler.give_up(args, str(error))
        else:
            row.due_at = now() + handler.pause(row.attempts)
