"""A worker process: one queue, a forked child for each job, and a sweep every few seconds.

A child that is killed by a hostile file takes nothing with it. TensorFlow, which breaks when forked, is never
imported here; LiteRT is, before the fork, so that each child starts with it.
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

# The module of each queue's jobs; its `warm_up` does before the fork what every child would do anew, and
# `between_jobs` what its workers do beside their jobs, every few seconds.
JOBS: dict[Queue, str] = {
    Queue.INFERENCE: "scan_jobs",
    Queue.REPORTS: "report_jobs",
    Queue.MAIL: "notice_jobs",
    Queue.CODES: "notice_jobs",
}
_app: Flask | None = None


def perform(row_id: str) -> None:
    """What RQ calls in the forked child: do the outbox row within the app that the worker was started with."""
    if _app is None:
        raise RuntimeError("jobs run only in a process started by `csss worker`")
    with _app.app_context(), coming_from("worker"):
        check_keys()  # for a worker that came before the database did
        runner.perform(uuid.UUID(row_id))


class SweepingWorker(Worker):
    """RQ's forking worker; between jobs, and while idle, it also says that it is there and sweeps the outbox."""

    max_connection_wait_time = 3.0  # RQ would wait a minute for a Redis that is back already

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
            worker_registration.register(self)  # a Redis that was restarted empty has forgotten who is there
            with self._app.app_context():
                sweep(self._quick)
                self._between_jobs()
        except (SQLAlchemyError, redis.RedisError, OSError) as error:
            log.warning("the sweep has to wait: %s", error)
        finally:
            self._sweeping = False
            self._forget_connections()

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """A sweep is ended first: what RQ raises here would be taken for an error of the database, and forgotten."""
        self.told_to_stop = True
        if self._sweeping and not self._stop_requested:
            self._stop_requested = True
            return
        super().request_stop(signum, frame)

    def fork_work_horse(self, job: Job, queue: RqQueue) -> None:
        self._forked_at = time.monotonic()
        super().fork_work_horse(job, queue)

    def handle_work_horse_killed(self, job: Job, *told: Any) -> None:
        """Out of memory, say: the row is free at once, unless it may be in other hands by now."""
        super().handle_work_horse_killed(job, *told)
        if time.monotonic() - self._forked_at >= LEASE.total_seconds():
            return
        try:
            with self._app.app_context():
                end_after_death(uuid.UUID(job.args[0]))
        except SQLAlchemyError as error:
            log.warning("the lease of a killed job runs out by itself: %s", error)
        finally:
            self._forget_connections()

    def _forget_connections(self) -> None:
        """A forked child must not share a database connection with its parent."""
        with self._app.app_context():
            db.session.remove()
            db.engine.dispose()


def work(app: Flask, queue: Queue, *, burst: bool = False) -> None:
    """Serve one queue until told to stop (SIGTERM, SIGINT). Raises WrongKey."""
    global _app  # noqa: PLW0603
    _app = app
    with app.app_context():
        check_keys_if_it_answers()
        record_settings("worker")
    _warm_up(app, queue)
    with suppress(StopRequested):  # told so between two of them
        while not _serve(app, queue, burst=burst):
            time.sleep(1.0)


def _serve(app: Flask, queue: Queue, *, burst: bool) -> bool:
    """Until told to stop (True), or until RQ quits because Redis went away in the middle of something (False)."""
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
            + SWEEP_SECONDS,  # RQ waits for a job `worker_ttl - 15` seconds before it looks around
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
    # Without this the garbage collector of every child walks over all that the parent has loaded, and so copies it:
    # measured, 120 ms of a job of 200.
    gc.collect()
    gc.freeze()
