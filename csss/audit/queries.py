"""Reading the audit log. Only administrators do, and nothing decides anything by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select, tuple_

from csss.audit.models import AuditEvent
from csss.auth.models import User
from csss.database import db

PAGE_SIZE = 50


@dataclass(frozen=True)
class Entry:
    """One event with the name of whoever acted; None for the system and for visitors."""

    event: AuditEvent
    actor: str | None


@dataclass(frozen=True)
class Cut:
    """A stretch of the log, newest first. `older` is the number to go on with, or None at the end."""

    entries: Sequence[Entry]
    older: int | None


def events(
    *,
    action: str = "",
    person: str = "",
    subject: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
) -> Cut:
    """Events of the log, newest first, older than the event numbered `before`.

    `action` is the beginning of an action's name, `person` part of a name or address, `subject` an id as it stands
    in the log; `since` is included, `until` is not. Pages are cut by number and not by count, because counting a
    log of years takes longer than reading a page of it.
    """
    query = select(AuditEvent.id)
    if action:
        query = query.where(*_begins_with(action))
    if person.strip():
        text = person.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        query = query.where(
            AuditEvent.actor_id.in_(
                select(User.id).where(
                    or_(
                        User.name.ilike(f"%{text}%", escape="\\"),
                        User.email.like(f"%{text.lower()}%", escape="\\"),
                    )
                )
            )
        )
    if subject.strip():
        query = query.where(AuditEvent.subject_id == subject.strip().lower())
    if since is not None:
        query = query.where(AuditEvent.at >= since)
    if until is not None:
        query = query.where(AuditEvent.at < until)
    if before is not None:
        last = db.session.get(AuditEvent, before)
        if last is not None:
            query = query.where(tuple_(AuditEvent.at, AuditEvent.id) < (last.at, last.id))
    # The numbers first, from an index alone; then only what is shown is read whole.
    numbers = db.session.scalars(
        query.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(PAGE_SIZE + 1)
    ).all()
    rows = db.session.execute(
        select(AuditEvent, User.name)
        .outerjoin(User, User.id == AuditEvent.actor_id)
        .where(AuditEvent.id.in_(numbers[:PAGE_SIZE]))
        .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
    )
    entries = [Entry(event, name) for event, name in rows]
    return Cut(entries, numbers[PAGE_SIZE - 1] if len(numbers) > PAGE_SIZE else None)


def _begins_with(prefix: str) -> list[ColumnElement[bool]]:
    """That the action begins so. SQLite's LIKE uses no index, so there the range is named, too.

    Elsewhere the order of punctuation depends on the collation, and a range would be wrong.
    """
    conditions: list[ColumnElement[bool]] = [AuditEvent.action.startswith(prefix, autoescape=True)]
    # Actions are plain ASCII; the letter after some others is none.
    if db.engine.dialect.name == "sqlite" and prefix.isascii():
        following = f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"
        conditions += [AuditEvent.action >= prefix, AuditEvent.action < following]
    return conditions
