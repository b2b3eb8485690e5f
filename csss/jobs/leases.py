"""A worker's hold on a row: short, and renewed by a thread as long as the job runs.

So the loss of a worker shows within `LEASE`, however long a job of its kind may take, and no living worker is taken for
dead. The thread lives in the child that does the job and dies with it; it gives up when the job must be over, so that a
job that hangs keeps nobody out for ever.
"""

import logging
import threading
import time
import uuid
from datetime import timedelta

from flask import Flask, current_app
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from csss.clock import now
from csss.database import changed_rows, db, transaction
from csss.jobs.queues import TIMEOUT
from csss.outbox import OutboxJob, Queue

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)
RENEW_SECONDS = 3.0
# How far the clocks of two machines may lie apart. What lies further ahead was written before the clock was set back.
SKEW = timedelta(seconds=5)


class Renewing:
    """Inside it, the row stays in this worker's hands."""

    def __init__(self, row_id: uuid.UUID, attempt: int, queue: Queue) -> None:
        self._row_id, self._attempt = row_id, attempt
        self._longest = TIMEOUT[queue] + 3.0
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, args=(app,), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Waits for a renewal under way: after it nothing writes to the row but what the worker itself writes."""
        self._over.set()
        self._thread.join()

    def _renew(self, app: Flask) -> None:
        end = time.monotonic() + self._longest
        while not self._over.wait(RENEW_SECONDS) and time.monotonic() < end:
            try:
                with app.app_context():
                    if not self._still_mine():
                        return
            except SQLAlchemyError as error:
                log.warning("the lease of %s could not be renewed: %s", self._row_id, error)

    def _still_mine(self) -> bool:
        with transaction():
            return (
                changed_rows(
                    update(OutboxJob)
                    .where(
                        OutboxJob.id == self._row_id,
                        OutboxJob.attempts == self._attempt,
                        OutboxJob.leased_until.is_not(None),
                        OutboxJob.done_at.is_(None),
                    )
                    .values(leased_until=now() + LEASE)
                )
                > 0
            )


def end_after_death(row_id: uuid.UUID) -> None:
    """The worker has seen its child die at this row: nobody needs to wait for the lease to run out."""
    with transaction():
        row = db.session.get(OutboxJob, row_id, with_for_update=True)
        if row is not None and row.done_at is None and row.failed_at is None and row.leased_until is not None:
            row.leased_until, row.due_at = None, now()
            row.last_error = "WorkerDied: its process was killed."
