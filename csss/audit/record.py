"""Write the audit log."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Select, bindparam, select

from csss.audit import chain
from csss.audit.models import AuditEvent, AuditSeal
from csss.clock import now
from csss.database import before_commit, db, transaction

_origin: ContextVar[str] = ContextVar("csss_origin", default="system")


def origin() -> str:
    """The origin of the current action: a network address, `worker` or `command line`."""
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


class About(NamedTuple):
    """The subject of an event, when only its id is at hand."""

    kind: str
    id: Any


def record(action: str, subject: Any = None, *, by: "Actor | None" = None, **detail: Any) -> None:
    """Add one event to the current transaction, so that it is stored exactly when the change that it describes is.

    It is sealed at the end of the transaction (`csss.audit.chain`). `action` is past tense (`scan.verified`).
    `detail` holds identifiers and choices, never clinical text, passwords or codes.
    """
    about = _about(subject)
    event = AuditEvent(
        action=action,
        actor_id=by.id if by else None,
        actor_role=by.role.value if by else "",
        subject_type=about.kind,
        subject_id=about.id,
        origin=origin(),
        detail=detail,
    )
    before_commit(chain.seal, event)
    db.session.add(event)


def record_once(
    action: str, subject: Any = None, *, by: "Actor | None" = None, within: timedelta, **detail: Any
) -> None:
    """Record it in its own transaction, unless the same person did the same from the same place `within` that time.

    For repeated events without new information: a page that refreshes itself, a form that is refused each time it
    is sent. Two concurrent ones may both be recorded, which does no harm.
    """
    about = _about(subject)
    same = {
        "subject": about.id,
        "since": now() - within,
        "action": action,
        "origin": origin(),
        **({"actor": by.id} if by else {}),
    }
    if db.session.scalars(_same(by is not None), same).first() is None:
        with transaction():
            record(action, subject, by=by, **detail)


@cache  # called for every page about a person
def _same(somebody: bool) -> Select[int]:
    actor = AuditEvent.actor_id
    return (
        select(AuditEvent.id)
        .where(
            AuditEvent.subject_id == bindparam("subject"),
            AuditEvent.at > bindparam("since"),
            AuditEvent.action == bindparam("action"),
            actor == bindparam("actor") if somebody else actor.is_(None),
            AuditEvent.origin == bindparam("origin"),
        )
        .limit(1)
    )


def _about(subject: Any) -> About:
    if subject is None:
        return About("", "")
    if isinstance(subject, About):
        return About(subject.kind, str(subject.id))
    return About(type(subject).__name__.lower(), str(subject.id))


def seal_rest() -> list[int]:
    """Seal events without a seal, and record which they were. Returns their ids. Belongs inside transaction().

    Only an administrator's command calls it: automatic sealing would hide what somebody has inserted into the
    table.
    """
    chain.lock()
    rest = (
        select(AuditEvent)
        .outerjoin(AuditSeal, AuditSeal.event_id == AuditEvent.id)
        .where(AuditSeal.event_id.is_(None))
        .order_by(AuditEvent.id)
    )
    events = list(db.session.scalars(rest))
    chain.seal(events)
    ids = [event.id for event in events]
    if ids:
        record("audit.sealed_late", count=len(ids), first=ids[0], last=ids[-1])
    return ids
