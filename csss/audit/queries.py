"""Read the audit log. Only administrators do; no decision of the program depends on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, tuple_

from csss.audit.models import AuditEvent, AuditSeal
from csss.database import db
from csss.people import search as searching
from csss.people.models import User

PAGE_SIZE = 25


@dataclass(frozen=True)
class Entry:
    """One event with the name of its actor; None for the system and for visitors."""

    event: AuditEvent
    actor: str | None


@dataclass(frozen=True)
class Cut:
    """A section of the log, newest first. `older` is the number to continue from, or None at the end."""

    entries: Sequence[Entry]
    older: int | None


@dataclass(frozen=True)
class Checked:
    """When `csss audit verify` last checked the log, up to which event, and how many problems it found."""

    at: datetime
    number: int
    problems: int


def last_check() -> Checked | None:
    """The newest check, or None when there was none."""
    query = select(AuditEvent).where(AuditEvent.action == "audit.verified")
    found = db.session.scalars(query.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(1)).first()
    return Checked(found.at, found.detail["number"], found.detail["problems"]) if found else None


EXPORT_DAYS, EXPORT_ROWS = 366, 100_000
_EXPORT_BLOCK = 1_000


@dataclass(frozen=True)
class AuditQuery:
    """What somebody searches for.

    `action` is the start of an action's name, `person` part of a name or address, `subjects` the ids of which one
    must be the event's subject (None: any; empty: no such thing exists, so nothing is found); `since` is inclusive,
    `until` is exclusive.
    """

    action: str = ""
    person: str = ""
    subjects: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


def events(asked: AuditQuery, *, before: int | None = None) -> Cut:
    """Events of the log, newest first, older than the event numbered `before`.

    Paging goes by event number and not by count, because counting a log of years takes longer than reading one
    page.
    """
    numbers = _numbers(asked, before, PAGE_SIZE + 1)
    entries = _entries(numbers[:PAGE_SIZE])
    return Cut(entries, numbers[PAGE_SIZE - 1] if len(numbers) > PAGE_SIZE else None)


def export(asked: AuditQuery) -> Iterator[Entry]:
    """All matching events, newest first, read in blocks while they are sent; at most `EXPORT_ROWS` of them."""
    before, left = None, EXPORT_ROWS
    while left > 0:
        numbers = _numbers(asked, before, min(_EXPORT_BLOCK, left))
        yield from _entries(numbers)
        db.session.rollback()  # no transaction stays open while a slow client reads, and memory stays bounded
        left -= len(numbers)
        if len(numbers) < _EXPORT_BLOCK:
            return
        before = numbers[-1]


def _numbers(asked: AuditQuery, before: int | None, most: int) -> Sequence[int]:
    """The numbers of the events, from an index alone; only the shown events are then loaded."""
    query = select(AuditEvent.id)
    if asked.action:
        query = query.where(*_begins_with(asked.action))
    words = searching.values(asked.person)
    if words:
        query = query.where(AuditEvent.actor_id.in_(searching.accounts()))
    if asked.subjects is not None:
        query = query.where(AuditEvent.subject_id.in_(asked.subjects))
    if asked.since is not None:
        query = query.where(AuditEvent.at >= asked.since)
    if asked.until is not None:
        query = query.where(AuditEvent.at < asked.until)
    if before is not None:
        last = db.session.get(AuditEvent, before)
        if last is not None:
            query = query.where(tuple_(AuditEvent.at, AuditEvent.id) < (last.at, last.id))
    query = query.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(most)
    return db.session.scalars(query, words).all()


def _entries(numbers: Sequence[int]) -> list[Entry]:
    rows = db.session.execute(
        select(AuditEvent, User.name)
        .outerjoin(User, User.id == AuditEvent.actor_id)
        .where(AuditEvent.id.in_(numbers))
        .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
    )
    return [Entry(event, name) for event, name in rows]


def _begins_with(prefix: str) -> list[ColumnElement[bool]]:
    """Match the start of the action. SQLite's LIKE does not use the index here, so add a range on SQLite.

    On other databases the order of punctuation depends on the collation, and a range would be wrong.
    """
    conditions: list[ColumnElement[bool]] = [AuditEvent.action.startswith(prefix, autoescape=True)]
    # Actions are plain ASCII; the range ends at the character after the last one.
    if db.engine.dialect.name == "sqlite" and prefix.isascii():
        following = f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"
        conditions += [AuditEvent.action >= prefix, AuditEvent.action < following]
    return conditions


def sealed(*, since: datetime | None = None, until: datetime | None = None) -> Iterator[dict[str, Any]]:
    """All events in chain order, oldest first, with number, hash and seal; events without a seal at the end."""
    for block in _blocks(since, until):
        for event, seal in block:
            yield {
                "number": seal.number if seal else None,
                "id": event.id,
                "at": event.at.isoformat(timespec="microseconds"),
                "action": event.action,
                "actor_id": str(event.actor_id) if event.actor_id else None,
                "actor_role": event.actor_role,
                "subject_type": event.subject_type,
                "subject_id": event.subject_id,
                "origin": event.origin,
                "detail": event.detail,
                "hash": seal.hash if seal else None,
                "mac": seal.mac if seal else None,
                "key_id": seal.key_id if seal else None,
            }
        db.session.rollback()  # keep memory bounded


def _blocks(
    since: datetime | None, until: datetime | None
) -> Iterator[Sequence[tuple[AuditEvent, AuditSeal | None]]]:
    wanted = [AuditEvent.at >= since] if since else []
    wanted += [AuditEvent.at < until] if until else []
    last = 0
    while True:
        chained = (
            select(AuditEvent, AuditSeal)
            .join(AuditSeal, AuditSeal.event_id == AuditEvent.id)
            .where(AuditSeal.number > last, *wanted)
            .order_by(AuditSeal.number)
            .limit(_EXPORT_BLOCK)
        )
        rows = [(event, seal) for event, seal in db.session.execute(chained)]
        if not rows:
            break
        last = rows[-1][1].number
        yield rows
    loose = (
        select(AuditEvent)
        .outerjoin(AuditSeal, AuditSeal.event_id == AuditEvent.id)
        .where(AuditSeal.event_id.is_(None), *wanted)
        .order_by(AuditEvent.id)
    )
    yield [(event, None) for event in db.session.scalars(loose)]
