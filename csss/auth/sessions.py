"""Keep sessions as rows: they can be listed and ended, and they expire after inactivity, or after half a day."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

from flask import current_app
from sqlalchemy import ColumnElement, Select, bindparam, delete, select, update

from csss.auth import secrets
from csss.auth.models import UserSession
from csss.clock import now
from csss.database import changed_rows, db, transaction
from csss.people.models import AccountState, User

PENDING_LIFE = timedelta(minutes=30)  # between the password and the second factor
TOUCH_EVERY = timedelta(minutes=1)  # precision of the recorded last use
# Ended sessions are kept this long, because a known network address admits its owner while strangers try passwords.
KEPT = timedelta(days=90)
REMEMBERED = timedelta(days=1)  # how long a browser may return to what it was doing when its session ended


def longest() -> timedelta:
    """The maximum lifetime of a session, however much it is used."""
    return timedelta(hours=current_app.config["CSSS"].session_hours)


def begin(
    user: User, *, address: str, device: str, complete: bool, method: str = ""
) -> tuple[UserSession, str]:
    """Create a session and the key for its cookie; `method` is the last step of the sign-in. Belongs inside
    transaction()."""
    key = secrets.new_session_key()
    session = UserSession(
        id=uuid.uuid4(),
        user_id=user.id,
        key_hash=secrets.session_key_hash(key),
        complete=complete,
        method=method,
        address=address[:60],
        device=device[:200],
    )
    db.session.add(session)
    return session, key


def find(key: str, *, complete: bool, idle: timedelta) -> UserSession | None:
    """The active session with this cookie key, loaded with its user (one query), or None.

    The account's role and state are read here on every request, never from the cookie.
    """
    session = db.session.scalars(_with_key(), {"hash": secrets.session_key_hash(key)}).one_or_none()
    if session is None or not _alive(session, idle if complete else PENDING_LIFE, now()):
        return None
    if session.complete is not complete or session.user.state is not AccountState.ACTIVE:
        return None
    return session


def with_key(key: str) -> UserSession | None:
    """The session with this cookie key, active or ended. It grants no access: for that see `find`."""
    return (
        db.session.scalars(_with_key(), {"hash": secrets.session_key_hash(key)}).one_or_none()
        if key
        else None
    )


@cache  # used by every request; building the statement takes longer than executing it
def _with_key() -> Select[UserSession]:
    return select(UserSession).where(UserSession.key_hash == bindparam("hash"))


def _alive(session: UserSession, idle: timedelta, at: datetime) -> bool:
    in_use = at - session.last_used_at < idle and at - session.created_at < longest()
    return session.ended_at is None and in_use


def renew(session: UserSession) -> str:
    """Replace the cookie's key; a copy of the old key stops working. Belongs inside transaction()."""
    key = secrets.new_session_key()
    session.key_hash = secrets.session_key_hash(key)
    return key


def touch(session: UserSession) -> None:
    """Record the last use, at most once a minute, in a short transaction of its own."""
    if now() - session.last_used_at < TOUCH_EVERY:
        return
    session_id = session.id
    with transaction():
        db.session.execute(update(UserSession).where(UserSession.id == session_id).values(last_used_at=now()))


def living(user: User, idle: timedelta) -> Sequence[UserSession]:
    """This person's active sessions, most recently used first."""
    found = db.session.scalars(
        select(UserSession)
        .where(UserSession.user_id == user.id, UserSession.ended_at.is_(None), UserSession.complete)
        .order_by(UserSession.last_used_at.desc())
    )
    return [session for session in found if _alive(session, idle, now())]


def end(session_id: uuid.UUID, user: User) -> bool:
    """End one of this person's sessions. False when there is no such session. Belongs inside transaction()."""
    return _end(UserSession.id == session_id, UserSession.user_id == user.id) > 0


def end_all(user: User, *, but: uuid.UUID | None = None) -> int:
    """End every session of this person (but one), for instance after a password change.

    A sign-in in progress holds the user row until its session exists, so lock that row first.
    """
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update())
    conditions = [UserSession.user_id == user.id]
    if but is not None:
        conditions.append(UserSession.id != but)
    return _end(*conditions)


def _end(*conditions: ColumnElement[bool]) -> int:
    return changed_rows(
        update(UserSession).where(UserSession.ended_at.is_(None), *conditions).values(ended_at=now())
    )


def addresses_of(email: str) -> Sequence[str]:
    """The network addresses from which the person with this e-mail address has signed in recently."""
    found = select(UserSession.address).join(User, User.id == UserSession.user_id)
    return db.session.scalars(
        found.where(
            User.email == email, UserSession.complete, UserSession.last_used_at > now() - KEPT
        ).distinct()
    ).all()


def sweep_expired() -> int:
    """Delete sessions that ended long ago; returns how many. Safe to run in several processes at once."""
    over = UserSession.last_used_at <= now() - KEPT
    found = db.session.scalars(select(UserSession.id).where(over).limit(500)).all()
    db.session.commit()
    if not found:
        return 0
    with transaction():
        return changed_rows(delete(UserSession).where(UserSession.id.in_(found)))
