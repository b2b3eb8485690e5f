"""Define the four RQ queues. Redis holds only ids, as JSON, never pickles."""

import logging
import uuid
from typing import Any

import redis
from flask import Flask
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue as RqQueue
from rq.serializers import JSONSerializer

from csss.outbox import DISPATCHER, Queue

log = logging.getLogger(__name__)

PERFORM = "csss.jobs.worker.perform"
# The longest a job may run, in seconds; then RQ stops it. How soon a dead worker is replaced does not depend on
# this (`csss.jobs.leases`).
TIMEOUT: dict[Queue, int] = {Queue.INFERENCE: 30, Queue.REPORTS: 60, Queue.MAIL: 45, Queue.CODES: 45}


def connect(url: str) -> redis.Redis:
    """A connection for short commands: it times out after a second, since a page or a sweep waits for it."""
    return redis.Redis.from_url(
        url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
    )


def rq_queue(queue: Queue, connection: Any) -> RqQueue:
    return RqQueue(queue.value, connection=connection, serializer=JSONSerializer)


def hand_over(row_id: uuid.UUID, queue: Queue, connection: Any) -> None:
    """Enqueue one outbox row's id. Raises redis.RedisError."""
    rq_queue(queue, connection).enqueue_call(
        PERFORM,
        args=(str(row_id),),
        job_id=f"{row_id}_{uuid.uuid4().hex[:8]}",  # starts with the row's id, so that the sweeper recognises it
        timeout=TIMEOUT[queue],
        result_ttl=0,
        failure_ttl=300,
        description=queue.value,
    )


def waiting_rows(queue: Queue, connection: Any) -> set[str]:
    """The ids of the outbox rows in this queue now."""
    return {job_id.partition("_")[0] for job_id in rq_queue(queue, connection).get_job_ids()}


def init_jobs(app: Flask) -> None:
    """Enqueue every outbox row right after the commit that creates it."""
    connection = connect(app.config["CSSS"].redis_url)
    app.extensions["csss_redis"] = connection

    def dispatch(row_id: uuid.UUID, queue: Queue) -> None:
        try:
            hand_over(row_id, queue, connection)
        except redis.RedisError as error:
            # Nothing is lost: the row is in the database, and the sweeper enqueues it.
            log.warning("Redis did not accept job %s (%s); the sweeper will enqueue it", row_id, error)

    app.extensions[DISPATCHER] = dispatch
