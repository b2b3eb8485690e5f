"""Lease rows to workers: a lease is short, and a thread renews it as long as the job runs.

So the loss of a worker is noticed within the lease time, however long its job may take, and no live worker is taken
for dead. The thread lives in the child process that does the job and dies with it. It stops when the job must be
over, so that a hanging job does not hold the row for ever.
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
# Allowed clock difference between two machines. A time further ahead was written before the clock was set back.
SKEW = timedelta(seconds=5)


class Renewing:
    """A context that keeps the row leased to this worker."""

    def __init__(self, row_id: uuid.UUID, attempt: int, queue: Queue) -> None:
        self._row_id, self._attempt = row_id, attempt
        self._longest = TIMEOUT[queue] + 3.0
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, args=(app,), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Wait for a running renewal: afterwards only the worker itself writes to the row."""
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
    """End the lease after the worker has seen its child die, so that nobody waits for the lease to expire."""
    with transaction():
        row = db.session.get(OutboxJob, row_id, with_for_update=True)
        if row is not None and row.done_at is None and row.failed_at is None and row.leased_until is not None:
            row.leased_until, row.due_at = None, now()
            row.last_error = "WorkerDied: its process was killed."
