"""Owing somebody a message: the row and the job that sends it, in the transaction that causes it."""

import uuid

from flask import current_app
from sqlalchemy import select

from csss import outbox
from csss.audit.record import record
from csss.auth.models import User
from csss.database import db
from csss.errors import NotFound, StateConflict
from csss.mail.models import MailKind, MailMessage, MailState


def owe(kind: MailKind, user: User, subject_id: uuid.UUID) -> MailMessage:
    """One message of this kind about this subject; a second call owes nothing more.

    Codes have a queue of their own, so that no pile of reports delays a sign-in.
    """
    owed = db.session.scalars(
        select(MailMessage).where(
            MailMessage.kind == kind, MailMessage.user_id == user.id, MailMessage.subject_id == subject_id
        )
    ).one_or_none()
    if owed is not None:
        return owed
    message_id = uuid.uuid4()
    message = MailMessage(
        id=message_id,
        kind=kind,
        user_id=user.id,
        subject_id=subject_id,
        state=MailState.QUEUED,
        # Fixed now, so that a repeated sending is recognised as the same message.
        message_id=f"<{message_id}@{current_app.config['CSSS'].mail_domain}>",
    )
    db.session.add(message)
    db.session.flush()
    _queue(message)
    return message


def release_waiting(user: User) -> None:
    """Send what has waited for this person's address to be confirmed."""
    for message in db.session.scalars(
        select(MailMessage).where(MailMessage.user_id == user.id, MailMessage.state == MailState.WAITING)
    ):
        message.state = MailState.QUEUED
        _queue(message)


def send_again(message_id: uuid.UUID, *, by: User) -> MailMessage:
    """Owe a message that was given up once more. Raises NotFound, StateConflict.

    A code is never sent again: it would be too old; the person asks for a new one.
    """
    message = db.session.get(MailMessage, message_id, with_for_update=True, populate_existing=True)
    if message is None:
        raise NotFound("There is no such message.")
    if message.kind is MailKind.CODE:
        raise StateConflict("A one-time code is not sent again. The person can ask for a new one.")
    if message.state is not MailState.FAILED:
        raise StateConflict("This message has not been given up, so it is not sent again.")
    message.state = MailState.QUEUED
    record("mail.sent_again", message, by=by, kind=message.kind.value)
    _queue(message)
    return message


def _queue(message: MailMessage) -> None:
    queue = outbox.Queue.CODES if message.kind is MailKind.CODE else outbox.Queue.MAIL
    outbox.add(queue, "send_mail", message.id)
