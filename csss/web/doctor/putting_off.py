"""Scans that a doctor has skipped: kept in the session's cookie, so they are forgotten when it ends."""

import uuid

from flask import session

_KEY = "put_off"
_MOST = 20  # a cookie has little space


def put_off() -> tuple[uuid.UUID, ...]:
    """The skipped scans, those skipped longest ago first."""
    return tuple(uuid.UUID(each) for each in session.get(_KEY, ()))


def put_off_now(scan_id: uuid.UUID) -> None:
    others = [str(each) for each in put_off() if each != scan_id]
    session[_KEY] = [*others, str(scan_id)][-_MOST:]
