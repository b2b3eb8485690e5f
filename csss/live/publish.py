"""Tell the other processes what has been written, after the commit. Code that writes rows need not call it."""

import logging
import threading
import time
from typing import Any

import redis
from flask import Flask, current_app, has_app_context
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import event
from sqlalchemy.orm import Session

from csss.database import after_commit
from csss.live.names import CHANNEL, Change, change_of, merged

log = logging.getLogger(__name__)

PUBLISHER = "csss_live_publisher"
# After a failed attempt, pages do not wait for Redis again for this long; the streams say that they are
# interrupted.
REST_SECONDS = 5.0


class Publisher:
    """Publishes changes in Redis. Never raises: a change that is lost shows at the next slow refresh."""

    def __init__(self, url: str) -> None:
        self._connection = redis.Redis.from_url(
            url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
        )
        self._resting_until = float("-inf")
        self._lock = threading.Lock()

    def tell(self, changes: list[Change], *, whatever: bool = False) -> None:
        """Publish; with `whatever`, also during the pause after a failure."""
        if time.monotonic() < self._resting_until and not whatever:
            return
        try:
            for change in changes:
                self._connection.publish(CHANNEL, change.encode())
        except redis.RedisError as error:
            with self._lock:
                self._resting_until = time.monotonic() + REST_SECONDS
            log.warning("Redis did not accept a live change (%s)", error)


def init_live(app: Flask) -> None:
    app.extensions[PUBLISHER] = Publisher(app.config["CSSS"].redis_url)


@event.listens_for(Session, "after_flush")
def _note(session: Session, _: Any) -> None:
    """Note what this flush has written; it is published after the transaction's commit, never after a rollback."""
    found = [change_of(row, new=True) for row in session.new]
    found += [change_of(row, new=False) for row in (*session.dirty, *session.deleted)]
    changes = merged(change for change in found if change is not None)
    if changes and has_app_context() and PUBLISHER in current_app.extensions:
        publisher: Publisher = current_app.extensions[PUBLISHER]
        after_commit(lambda: publisher.tell(changes))
