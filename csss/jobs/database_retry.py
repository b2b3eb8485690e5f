"""Retry storing what has already happened, when the database does not accept it at once."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from csss.database import db

log = logging.getLogger(__name__)

T = TypeVar("T")
PATIENCE_SECONDS = 25.0
PAUSE_SECONDS = 0.5


def stubbornly(keep: Callable[[], T]) -> T:
    """Call `keep` until the database accepts it: the database may be locked, or the connection lost, for a while.

    Raises the last database error after `PATIENCE_SECONDS`. `keep` opens its own transaction and may run twice.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return keep()
        except DBAPIError as error:
            if time.monotonic() > deadline:
                raise
            log.warning("the result could not be stored yet: %s", error)
            db.session.rollback()
            time.sleep(PAUSE_SECONDS)
