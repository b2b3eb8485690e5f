"""Run a worker process: one queue, a forked child process for each job, and a sweep every few seconds.

A child that a hostile file kills takes nothing else down. TensorFlow, which breaks when forked, is never imported
here; LiteRT is imported before the fork, so that each child starts with it.
"""

import gc
import importlib
import logging
import time
import uuid
from contextlib import suppress
from types import FrameType
from typing import Any

import redis
from flask import Flask
from rq import Worker, worker_registration
from rq.exceptions import StopRequested
from rq.job import Job
from rq.queue import Queue as RqQueue
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from csss.audit.record import coming_from
from csss.audit.settings_changes import record_settings
from csss.database import db
from csss.jobs import runner
from csss.jobs.leases import LEASE, end_after_death
from csss.jobs.queues import connect, rq_queue
from csss.jobs.sweeper import SWEEP_SECONDS, sweep
from csss.keys.start import check_keys, check_keys_if_it_answers
from csss.outbox import Queue

log = logging.getLogger(__name__)

# The module of each queue's jobs. Its `warm_up` does before the fork what every child would repeat; its
# `between_jobs` does what its workers do besides jobs, every few seconds.
JOBS: dict[Queue, str] = {
    Queue.INFERENCE: "scan_jobs",
    Queue.REPORTS: "report_jobs",
    Queue.MAIL: "notice_jobs",
    Queue.CODES: "notice_jobs",
}
_app: Flask | None = None


def perform(row_id: str) -> None:
    """RQ calls this in the forked child: run the outbox row within the app with which the worker was started."""
    if _app is None:
        raise RuntimeError("jobs run only in a process started by `csss worker`")
    with _app.app_context(), coming_from("worker"):
        check_keys()  # for a worker that started before the database
        runner.perform(uuid.UUID(row_id))


class SweepingWorker(Worker):
    """RQ's forking worker; between jobs, and while idle, it also registers itself again and sweeps the outbox."""

    max_connection_wait_time = 3.0  # RQ would wait a minute for a Redis that is already back

    def __init__(self, *args: Any, app: Flask, queue: Queue, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._app = app
        self._between_jobs = importlib.import_module(f"csss.jobs.{JOBS[queue]}").between_jobs
        self.told_to_stop = False
        self._sweeping = False
        self._forked_at = float("-inf")
        self._swept_at = float("-inf")
        self._quick = connect(app.config["CSSS"].redis_url)

    @property
    def should_run_maintenance_tasks(self) -> bool:
        return time.monotonic() - self._swept_at >= SWEEP_SECONDS

    def run_maintenance_tasks(self) -> None:
        if super().should_run_maintenance_tasks:
            super().run_maintenance_tasks()
        self._swept_at = time.monotonic()
        self._sweeping = True
        try:
            worker_registration.register(self)  # a Redis that was restarted empty does not know its workers
            with self._app.app_context():
                sweep(self._quick)
                self._between_jobs()
        except (SQLAlchemyError, redis.RedisError, OSError) as error:
            log.warning("the sweep has to wait: %s", error)
        finally:
            self._sweeping = False
            self._forget_connections()

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish a running sweep first: it would treat RQ's exception as a database error and discard it."""
        self.told_to_stop = True
        if self._sweeping and not self._stop_requested:
            self._stop_requested = True
            return
        super().request_stop(signum, frame)

    def fork_work_horse(self, job: Job, queue: RqQueue) -> None:
        self._forked_at = time.monotonic()
        super().fork_work_horse(job, queue)

    def handle_work_horse_killed(self, job: Job, *told: Any) -> None:
        """For example out of memory: release the row at once, unless another worker may have it by now."""
        super().handle_work_horse_killed(job, *told)
        if time.monotonic() - self._forked_at >= LEASE.total_seconds():
            return
        try:
            with self._app.app_context():
                end_after_death(uuid.UUID(job.args[0]))
        except SQLAlchemyError as error:
            log.warning("the lease of a killed job could not be ended and will expire: %s", error)
        finally:
            self._forget_connections()

    def _forget_connections(self) -> None:
        """A forked child must not share a database connection with its parent."""
        with self._app.app_context():
            db.session.remove()
            db.engine.dispose()


def work(app: Flask, queue: Queue, *, burst: bool = False) -> None:
    """Serve one queue until SIGTERM or SIGINT. Raises WrongKey."""
    global _app  # noqa: PLW0603
    _app = app
    with app.app_context():
        check_keys_if_it_answers()
        record_settings("worker")
    _warm_up(app, queue)
    with suppress(StopRequested):  # the signal may arrive between two jobs
        while not _serve(app, queue, burst=burst):
            time.sleep(1.0)


def _serve(app: Flask, queue: Queue, *, burst: bool) -> bool:
    """Run until told to stop (True), or until RQ quits because it lost Redis during an operation (False)."""
    connection = redis.Redis.from_url(app.config["CSSS"].redis_url)
    worker = None
    try:
        worker = SweepingWorker(
            [rq_queue(queue, connection)],
            connection=connection,
            serializer=JSONSerializer,
            app=app,
            queue=queue,
            worker_ttl=15
            + SWEEP_SECONDS,  # RQ waits `worker_ttl - 15` seconds for a job before it returns control
        )
        worker.work(burst=burst, logging_level="WARNING")
    except redis.RedisError as error:
        if burst:
            raise
        log.warning("Redis went away: %s", error)
    return burst or (worker is not None and worker.told_to_stop)


def _warm_up(app: Flask, queue: Queue) -> None:
    module = importlib.import_module(f"csss.jobs.{JOBS[queue]}")
    try:
        with app.app_context(), coming_from("worker"):
            module.warm_up()
            runner.rehearse(queue)
            db.session.remove()
            db.engine.dispose()
    except SQLAlchemyError as error:
        log.warning("the database does not answer yet: %s", error)
    # Without this, the garbage collector of every child touches all objects of the parent, which copies their
    # memory pages: measured, 120 ms of a 200 ms job.
    gc.collect()
    gc.freeze()
