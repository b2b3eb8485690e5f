"""Writing the audit log."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from csss.audit.models import AuditEvent
from csss.database import db

_origin: ContextVar[str] = ContextVar("csss_origin", default="system")


def origin() -> str:
    """Where the current action comes from: a network address, `worker` or `command line`."""
    return _origin.get()


def set_origin(text: str) -> None:
    _origin.set(text[:60])


@contextmanager
def coming_from(text: str) -> Iterator[None]:
    token = _origin.set(text[:60])
    try:
        yield
    finally:
        _origin.reset(token)


class Actor(Protocol):
    """Somebody who acts: an account."""

    @property
    def id(self) -> Any: ...

    @property
    def role(self) -> Any: ...


def record(action: str, subject: Any = None, *, by: "Actor | None" = None, **detail: Any) -> None:
    """Add one event to the current transaction, so that it is kept exactly when what it tells of is kept.

    `action` is past tense (`scan.verified`). `detail` holds identifiers and choices, never clinical text,
    passwords or codes.
    """
    db.session.add(
        AuditEvent(
            action=action,
            actor_id=by.id if by else None,
            actor_role=by.role.value if by else "",
            subject_type=type(subject).__name__.lower() if subject is not None else "",
            subject_id=str(subject.id) if subject is not None else "",
            origin=origin(),
            detail=detail,
        )
    )
