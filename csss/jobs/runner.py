"""Run one outbox row: check whether work remains, take a lease, do it, record the result."""

import logging
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module

from csss.clock import now
from csss.database import db, rehearsal, transaction
from csss.errors import Hopeless
from csss.jobs.database_retry import stubbornly
from csss.jobs.leases import LEASE, Renewing
from csss.logs import said
from csss.outbox import OutboxJob, Queue

log = logging.getLogger(__name__)

DIED = "WorkerDied: the worker died each time."


@dataclass(frozen=True)
class Handler:
    """How a job is run.

    `module` in this package holds the functions `run` and `give_up`; it is imported for its first job, so that a
    worker loads only what its own queue needs. `pause(n)` is the back-off after the n-th failure. `give_up(ids,
    error)`, if present, tells the people concerned when all `attempts` are used up.
    """

    module: str
    run: str
    attempts: int
    pause: Callable[[int], timedelta]
    give_up: str = ""

    def do(self, args: tuple[uuid.UUID, ...]) -> None:
        self._function(self.run)(*args)

    def tell(self, args: tuple[uuid.UUID, ...], error: str) -> None:
        if self.give_up:
            self._function(self.give_up)(args, error)

    def _function(self, name: str) -> Callable[..., None]:
        found: Callable[..., None] = getattr(import_module(f"csss.jobs.{self.module}"), name)
        return found


def _doubling(first: float, most: float) -> Callable[[int], timedelta]:
    """Exponential back-off with up to a quarter of jitter, so that rows that failed together do not retry together."""
    return lambda n: timedelta(seconds=min(first * 2 ** (n - 1), most) * random.uniform(0.75, 1.0))  # noqa: S311  # nosec B311


HANDLERS: dict[str, Handler] = {
    "analyse_scan": Handler("scan_jobs", "analyse_scan", 3, _doubling(1, 10), "give_up_analysis"),
    # Both retry for at least a day, with pauses of at most ten minutes: longer than a mail server is usually down.
    "render_report": Handler("report_jobs", "render_report", 210, _doubling(2, 600)),
    "send_mail": Handler("notice_jobs", "send_mail", 210, _doubling(2, 600), "give_up_mail"),
}


@dataclass(frozen=True)
class _Lease:
    """This worker's lease on the row, at its `attempt`-th attempt."""

    row_id: uuid.UUID
    job: str
    queue: Queue
    args: tuple[uuid.UUID, ...]
    attempt: int


def perform(row_id: uuid.UUID) -> None:
    """Run one row, in at most one worker at a time. Never raises for a failing job: the row stores the failure."""
    lease = _take(row_id)
    if lease is None:
        return
    handler = HANDLERS[lease.job]
    failure: Exception | None = None
    with Renewing(row_id, lease.attempt, lease.queue):
        try:
            handler.do(lease.args)
        except Exception as error:
            log.exception("job %s of row %s failed", lease.job, row_id)
            db.session.rollback()
            failure = error
    if failure is None:
        stubbornly(lambda: _keep_success(row_id))
    else:
        stubbornly(lambda: _keep_failure(lease, handler, failure))


def _row(row_id: uuid.UUID) -> OutboxJob | None:
    return db.session.get(OutboxJob, row_id, with_for_update=True)


def _take(row_id: uuid.UUID) -> _Lease | None:
    """Lease the row; None when there is nothing to do, another worker has it, or it has killed too many workers."""
    with transaction():
        return _leased(row_id)


def _leased(row_id: uuid.UUID) -> _Lease | None:
    row = _row(row_id)
    if row is None or row.done_at or row.failed_at:
        return None
    if row.leased_until is not None and row.leased_until > now():
        return None  # the sweeper corrects a lease that a clock change has left in the far future
    handler = HANDLERS[row.job]
    args = tuple(uuid.UUID(each) for each in row.args)
    if row.attempts >= handler.attempts:
        row.failed_at, row.last_error = now(), row.last_error or DIED
        handler.tell(args, row.last_error)
        return None
    row.attempts += 1
    row.leased_until = now() + LEASE
    return _Lease(row_id, row.job, row.queue, args, row.attempts)


def _keep_success(row_id: uuid.UUID) -> None:
    with transaction():
        _mark_done(row_id)


def _mark_done(row_id: uuid.UUID) -> None:
    row = _row(row_id)
    if row is not None and row.done_at is None:
        row.done_at, row.failed_at, row.leased_until, row.last_error = now(), None, None, ""


def rehearse(queue: Queue) -> None:
    """Take and finish a fictitious row, so that every child inherits the compiled statements."""
    with rehearsal() as session:
        row = OutboxJob(id=uuid.uuid4(), queue=queue, job=next(iter(HANDLERS)), args=[])
        session.add(row)
        session.flush()
        row_id = row.id
        session.expunge_all()  # as in a child, which has loaded nothing yet
        for step in (_leased, _mark_done):
            step(row_id)
            session.flush()
            session.expire_all()  # as after a commit


def _keep_failure(lease: _Lease, handler: Handler, error: Exception) -> None:
    with transaction():
        row = _row(lease.row_id)
        if row is None or row.done_at is not None or row.attempts != lease.attempt:
            return  # this worker was taken for dead; the worker that has the row now records the result
        row.leased_until = None
        hopeless = isinstance(error, Hopeless)
        row.last_error = str(error) if hopeless else f"{type(error).__name__}: {said(error)}"[:2000]
        if hopeless or row.attempts >= handler.attempts:
            row.failed_at = now()
            handler.tell(lease.args, row.last_error)
        else:
            row.handed_at = now()  # lets the sweeper detect that the clock was set back during the pause
            row.due_at = row.handed_at + handler.pause(row.attempts)
