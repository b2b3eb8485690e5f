"""Storages for `limits`: one on our database, and one on Redis that falls back to the database."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import redis
from flask import Flask, current_app
from limits.storage import RedisStorage, Storage
from sqlalchemy import case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from csss.clock import now
from csss.database import changed_rows, db, transaction
from csss.throttle.models import ThrottleCounter

log = logging.getLogger(__name__)

SCHEME = "csss"
STORE = "csss_throttle"
# After a failure, do not ask Redis for this long: otherwise each sign-in would wait a second for it.
REST_SECONDS = 5.0
T = TypeVar("T")


class DatabaseStorage(Storage):
    """Counters as rows. Each increment is one statement in its own short transaction, so it belongs outside
    transaction()."""

    STORAGE_SCHEME = [f"{SCHEME}+database"]

    @property
    def base_exceptions(self) -> type[Exception]:
        return SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Increment the current window, or start a new one; returns the count. Exact under concurrency."""
        at = now()
        insert: Any = (
            sqlite.insert(ThrottleCounter)
            if db.engine.dialect.name == "sqlite"
            else postgresql.insert(ThrottleCounter)
        )
        row = insert.values(key=key, count=amount, expires_at=at + timedelta(seconds=expiry))
        over = ThrottleCounter.expires_at <= at
        counted = row.on_conflict_do_update(
            index_elements=[ThrottleCounter.key],
            set_={
                "count": case((over, row.excluded.count), else_=ThrottleCounter.count + row.excluded.count),
                "expires_at": case((over, row.excluded.expires_at), else_=ThrottleCounter.expires_at),
            },
        )
        with transaction():
            count: int = db.session.execute(counted.returning(ThrottleCounter.count)).scalar_one()
        return count

    def get(self, key: str) -> int:
        counted = select(ThrottleCounter.count)
        return db.session.scalar(counted.where(*_running(key))) or 0

    def get_expiry(self, key: str) -> float:
        end = db.session.scalar(select(ThrottleCounter.expires_at).where(*_running(key)))
        return (end or now()).timestamp()

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        with transaction():
            return changed_rows(delete(ThrottleCounter))

    def clear(self, key: str) -> None:
        with transaction():
            db.session.execute(delete(ThrottleCounter).where(ThrottleCounter.key == key))


def _running(key: str) -> tuple[Any, ...]:
    return ThrottleCounter.key == key, ThrottleCounter.expires_at > now()


class SharedStorage(Storage):
    """The storage of the current application: Flask-Limiter has one object, tests have many applications."""

    STORAGE_SCHEME = [SCHEME]

    @property
    def base_exceptions(self) -> type[Exception]:
        return SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return _store().ask(lambda store: store.incr(key, expiry, amount))

    def get(self, key: str) -> int:
        return _store().ask(lambda store: store.get(key))

    def get_expiry(self, key: str) -> float:
        return _store().ask(lambda store: store.get_expiry(key))

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        return _store().ask(lambda store: store.reset())

    def clear(self, key: str) -> None:
        _store().ask(lambda store: store.clear(key))


class Store:
    """Redis while it answers, otherwise the database. Counters are not transferred: a failing Redis starts new
    windows."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = RedisStorage(
            "redis://", connection_pool=connection.connection_pool, key_prefix="csss:throttle"
        )
        self._database = DatabaseStorage()
        self._resting_until = float("-inf")
        self._lock = threading.Lock()

    def ask(self, question: Callable[[Storage], T]) -> T:
        if time.monotonic() >= self._resting_until:
            try:
                return question(self._redis)
            except redis.RedisError as error:
                with self._lock:
                    self._resting_until = time.monotonic() + REST_SECONDS
                log.warning("Redis does not count attempts (%s); the database does", error)
        return question(self._database)


def _store() -> Store:
    store: Store = current_app.extensions[STORE]
    return store


def init_store(app: Flask) -> None:
    """Initialise it; needs the connection of `csss.jobs.queues.init_jobs`."""
    app.extensions[STORE] = Store(app.extensions["csss_redis"])


def sweep_expired() -> int:
    """Delete expired counters; returns how many. Safe to run in several processes at once."""
    over = ThrottleCounter.expires_at <= now()
    found = db.session.scalar(select(ThrottleCounter.key).where(over).limit(1))
    db.session.commit()
    if found is None:
        return 0
    with transaction():
        return changed_rows(delete(ThrottleCounter).where(over))
