"""Keep what somebody had typed when the session ended, encrypted for an hour, and give it back to that person
alone.

It comes back when the same person signs in again in the same browser: the row belongs to the ended session, whose
id is in the browser's cookie. After a sign-out, or after the hour, nothing is left. Functions that change something
belong inside transaction().
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select

from csss.auth import secrets
from csss.auth.models import UnsentForm, UserSession
from csss.clock import now
from csss.database import changed_rows, db, transaction
from csss.people.models import User

LIFE = timedelta(hours=1)
MOST_LETTERS = 200_000  # characters per form; a reading with all its texts has a quarter of this
MOST_FORMS = 10  # per person: an ended session must not fill the database
_PURPOSE = "unsent-form"


@dataclass(frozen=True)
class Unsent:
    """A form that was not accepted: `endpoint` is the target view, `fields` are the submitted (name, value) pairs."""

    endpoint: str
    fields: Sequence[tuple[str, str]]


def keep(ended: UserSession, unsent: Unsent, *, page: str, patient_id: uuid.UUID | None) -> bool:
    """Store a form for the user of an ended session; it replaces an earlier one of the same page. `page` is the
    address that shows the form. `patient_id` says whose data it is about, so that it is deleted when they are
    erased.

    False when it is too large or there are too many.
    """
    content = json.dumps(unsent.fields)
    if len(content) > MOST_LETTERS:
        return False
    discard(ended.user_id, ended.id, page=page)
    count = select(func.count()).select_from(UnsentForm).where(UnsentForm.user_id == ended.user_id)
    if (db.session.scalar(count) or 0) >= MOST_FORMS:
        return False
    db.session.add(
        UnsentForm(
            id=uuid.uuid4(),
            user_id=ended.user_id,
            session_id=ended.id,
            patient_id=patient_id,
            endpoint=unsent.endpoint,
            page=page,
            content=secrets.encrypt(_PURPOSE, content),
        )
    )
    return True


def find(user: User, session_id: uuid.UUID, *, page: str) -> Unsent | None:
    """What this person had typed on a page when that session ended, or None. Only reads."""
    row = db.session.scalars(
        select(UnsentForm).where(
            UnsentForm.user_id == user.id,
            UnsentForm.session_id == session_id,
            UnsentForm.page == page,
            UnsentForm.created_at > now() - LIFE,
        )
    ).first()
    if row is None:
        return None
    try:
        fields = json.loads(secrets.decrypt(_PURPOSE, row.content))
    except secrets.CannotDecrypt:  # encrypted with an earlier secret key
        return None
    return Unsent(row.endpoint, [(str(name), str(value)) for name, value in fields])


def waits(user: User, session_id: uuid.UUID) -> bool:
    """Whether a form of that session is stored for this person."""
    row = select(UnsentForm.id).where(
        UnsentForm.user_id == user.id,
        UnsentForm.session_id == session_id,
        UnsentForm.created_at > now() - LIFE,
    )
    return db.session.scalars(row).first() is not None


def discard(user_id: uuid.UUID, session_id: uuid.UUID, *, page: str) -> None:
    """Delete the form of this page, once it or a newer one has been sent."""
    db.session.execute(
        delete(UnsentForm).where(
            UnsentForm.user_id == user_id, UnsentForm.session_id == session_id, UnsentForm.page == page
        )
    )


def discard_all(user: User) -> None:
    """Delete all forms of a person who signs out."""
    db.session.execute(delete(UnsentForm).where(UnsentForm.user_id == user.id))


def sweep_expired() -> int:
    """Delete expired forms; returns how many. Safe to run in several processes at once."""
    over = UnsentForm.created_at <= now() - LIFE
    found = db.session.scalars(select(UnsentForm.id).where(over).limit(500)).all()
    db.session.commit()
    if not found:
        return 0
    with transaction():
        return changed_rows(delete(UnsentForm).where(UnsentForm.id.in_(found)))
