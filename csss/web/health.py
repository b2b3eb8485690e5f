"""Health checks and metrics for the deployer."""

import hmac
import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import redis
from flask import Blueprint, Response, abort, current_app, jsonify, make_response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from rq import Worker
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from csss.clock import now
from csss.database import db
from csss.inference.labels import ModelCorrupt, ModelMissing, check_files, read_info
from csss.jobs.queues import rq_queue
from csss.keys.start import readiness
from csss.outbox import OLD, OutboxJob, Queue, backlog, given_up_rows, overdue
from csss.paths import free_space
from csss.people.permissions import PUBLIC
from csss.recalibration.in_use import folder_in_use
from csss.scans import critical_results, queries
from csss.storage.files import Storage, storage
from csss.web.guard import requires
from csss.web.watch_metrics import watch_metrics

status = Blueprint("status", __name__)

# Below it, uploads and reports will soon fail; a hundred of the largest pictures still fit.
LEAST_FREE = 1_000_000_000
TRY_AGAIN = 1.0  # seconds
_TRIED = "csss_storage_tried"


@status.get("/healthz")
@requires(PUBLIC)
def healthz() -> Response:
    """Say that the process answers."""
    return make_response("ok\n", 200, {"Content-Type": "text/plain; charset=utf-8"})


@status.get("/readyz")
@requires(PUBLIC)
def readyz() -> Response:
    """200 when everything works (database, keys, Redis, a worker for each queue, outbox, storage, free space, model),
    otherwise 503.
    """
    checks = {
        "database": _database(),
        "keys": _keys(),
        "redis": _redis(),
        "workers": _workers(),
        "outbox": _outbox(),
        "storage": _storage(),
        "disk": _disk(),
        "model": _model(),
    }
    ready = all(value == "ok" for value in checks.values())
    return make_response(jsonify(ready=ready, checks=checks), 200 if ready else 503)


def _database() -> str:
    try:
        db.session.execute(text("SELECT version_num FROM alembic_version")).one()
    except SQLAlchemyError:
        db.session.rollback()
        current_app.logger.exception("the database cannot be read")
        return "cannot be read; was `csss migrate` run?"
    return "ok"


def _keys() -> str:
    try:
        return readiness()
    except SQLAlchemyError:
        db.session.rollback()
        return "unknown, the database cannot be read"


def _redis() -> str:
    try:
        current_app.extensions["csss_redis"].ping()
    except redis.RedisError:
        return "does not answer"
    return "ok"


def _workers() -> str:
    try:
        missing = [queue.value for queue, number in workers().items() if number == 0]
    except redis.RedisError:
        return "unknown, Redis does not answer"
    return f"none for {', '.join(missing)}" if missing else "ok"


def workers() -> dict[Queue, int]:
    """How many workers listen to each queue. Raises redis.RedisError."""
    connection = current_app.extensions["csss_redis"]
    return {queue: Worker.count(queue=rq_queue(queue, connection)) for queue in Queue}


def _outbox() -> str:
    try:
        late = {queue: now() - since for queue, since in overdue().items() if now() - since > OLD}
    except SQLAlchemyError:
        db.session.rollback()
        return "unknown, the database cannot be read"
    told = [f"{queue.value} for {age.total_seconds() / 60:.0f} min" for queue, age in sorted(late.items())]
    return f"jobs wait and nobody does them: {', '.join(told)}" if told else "ok"


def _disk() -> str:
    low = [f"{name} {free / 1e6:.0f} MB" for name, free in free_bytes().items() if free < LEAST_FREE]
    return f"nearly full: {', '.join(low)} left" if low else "ok"


def free_bytes() -> dict[str, int]:
    """The free space for scans and reports, and for everything else on this machine; 0 where it is unknown. A store
    without a limit is left out.
    """
    instance = current_app.config["CSSS"].instance_folder
    found = {"storage": _free(storage().free_space), "instance": _free(lambda: free_space(instance))}
    return {name: free for name, free in found.items() if free is not None}


def _free(told: Callable[[], int | None]) -> int | None:
    try:
        return told()
    except OSError:
        return 0


def _storage() -> str:
    """Whether storage works. Anybody may ask at any rate, so each process tests the disk at most once a second."""
    kept = storage()
    until, answer = current_app.extensions.get(_TRIED, (0.0, ""))
    if time.monotonic() >= until:
        answer = _try(kept)
        current_app.extensions[_TRIED] = (time.monotonic() + TRY_AGAIN, answer)
    return answer


def _try(kept: Storage) -> str:
    try:
        kept.prepare()
        kept.check_writable()
    except OSError as error:
        return f"cannot be written: {error.strerror}"
    return "ok"


def _model() -> str:
    try:
        check_files(read_info(folder_in_use()))
    except (ModelMissing, ModelCorrupt, OSError):
        return "cannot be loaded; see `csss check`"
    except SQLAlchemyError:
        db.session.rollback()
        return "unknown, the database cannot be read"
    return "ok"


@status.get("/metrics")
@requires(PUBLIC)
def metrics() -> Response:
    """Metrics for Prometheus, for requests from this machine or with the token; only numbers, never names."""
    _check_may_read_metrics()
    registry = CollectorRegistry()
    registry.register(_Numbers())
    return make_response(generate_latest(registry), 200, {"Content-Type": CONTENT_TYPE_LATEST})


def _check_may_read_metrics() -> None:
    token = current_app.config["CSSS"].metrics_token
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            abort(404)
    elif not _from_this_machine():
        abort(404)


def _from_this_machine() -> bool:
    """Whether the request comes from this machine. A proxy on this machine is recognised by its forwarding headers."""
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return not forwarded and ipaddress.ip_address(request.remote_addr or "192.0.2.1").is_loopback


class _Numbers:
    """The metrics. They are read on request, so that all web processes report the same."""

    def collect(self) -> Iterator[Metric]:
        parts = {"database": _database, "keys": _keys, "redis": _redis, "storage": _storage, "model": _model}
        up = {part: int(check() == "ok") for part, check in parts.items()}
        yield _gauge("csss_disk_free_bytes", "Room left", "folder", free_bytes())
        yield _gauge("csss_up", "1 when it answers or can be used", "part", up)
        with suppress(redis.RedisError):  # `csss_up{part="redis"}` is 0
            yield _gauge("csss_workers", "Workers listening", "queue", workers())
        try:
            yield from [
                _gauge("csss_scans", "Open scans by status", "status", queries.counts()),
                *self._outbox(),
                *_critical(),
                *watch_metrics(),
            ]
        except SQLAlchemyError:
            db.session.rollback()  # `csss_up{part="database"}` is 0

    def _outbox(self) -> Iterator[Metric]:
        standing, late = backlog(), overdue()
        given_up = select(OutboxJob.queue, func.count()).where(given_up_rows()).group_by(OutboxJob.queue)
        failed = dict(db.session.execute(given_up).all())
        waiting = {each.queue: each.open for each in standing}
        oldest = {each.queue: _age(each.oldest) for each in standing}
        yield _gauge("csss_outbox_open", "Jobs owed and not done", "queue", waiting)
        yield _gauge("csss_outbox_oldest_seconds", "Age of the oldest of them", "queue", oldest)
        yield _gauge(
            "csss_outbox_overdue_seconds",
            "For how long the oldest job has been due and in no worker's hands",
            "queue",
            {queue: _age(late.get(queue)) for queue in Queue},
        )
        yield _gauge(
            "csss_outbox_failed",
            "Jobs given up that nobody has seen to",
            "queue",
            {queue: failed.get(queue, 0) for queue in Queue},
        )


def _critical() -> Iterator[Metric]:
    number, oldest = critical_results.count_open()
    words = "Critical results that nobody has taken note of"
    yield GaugeMetricFamily("csss_critical_open", words, value=number)
    yield GaugeMetricFamily("csss_critical_oldest_seconds", "Age of the oldest of them", value=_age(oldest))


def _gauge(name: str, words: str, label: str, numbers: Mapping[Any, float]) -> Metric:
    """One number for each value of `label`."""
    family = GaugeMetricFamily(name, words, labels=[label])
    for value, number in numbers.items():
        family.add_metric([value], number)
    return family


def _age(since: datetime | None) -> float:
    return (now() - since).total_seconds() if since else 0.0
