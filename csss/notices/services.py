"""Queue messages: the row and the job that sends it, in the transaction that causes it."""

import uuid
from datetime import timedelta

from flask import current_app
from sqlalchemy import select

from csss import outbox
from csss.audit.record import record
from csss.clock import now
from csss.database import db
from csss.errors import NotFound, StateConflict
from csss.i18n import _
from csss.notices.models import MailKind, MailMessage, MailState
from csss.people.models import User


def owe(kind: MailKind, user: User, subject_id: uuid.UUID) -> MailMessage:
    """Queue one message of this kind about this subject; idempotent.

    Codes and links that somebody waits for, and news of critical results, have a queue of their own, so that a backlog
    of reports delays neither a sign-in nor help.
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


def owe_again(kind: MailKind, user: User, subject_id: uuid.UUID) -> MailMessage:
    """Queue this message, or queue it once more when it is over; as a message of its own, with a new Message-ID."""
    message = owe(kind, user, subject_id)
    if message.state in (MailState.SENT, MailState.FAILED, MailState.DROPPED):
        message.state, message.last_error, message.created_at = MailState.QUEUED, "", now()
        message.message_id = f"<{uuid.uuid4()}@{current_app.config['CSSS'].mail_domain}>"
        outbox.settle("send_mail", [message.id])
        _queue(message)
    return message


def release_waiting(user: User) -> None:
    """Send what has waited for this person to confirm their address."""
    for message in db.session.scalars(
        select(MailMessage).where(MailMessage.user_id == user.id, MailMessage.state == MailState.WAITING)
    ):
        message.state = MailState.QUEUED
        _queue(message)


# Generated for each sending and soon expired; somebody waits for it at the screen.
_WAITED_FOR = frozenset(
    {
        MailKind.CODE,
        MailKind.RESET_PASSWORD,
        MailKind.INVITATION,
        MailKind.RECORD_INVITATION,
        MailKind.CONFIRM_RECORD_ADDRESS,
    }
)
# Minutes count: a backlog of reports must not delay them.
_AT_ONCE = _WAITED_FOR | {MailKind.CRITICAL_RESULT, MailKind.CRITICAL_OVERDUE, MailKind.CRITICAL_WITHDRAWN}
# Sent again only on request: the patient has lost it, or it never arrived.
_SENT_ONCE_MORE = frozenset(
    {MailKind.REPORT_READY, MailKind.RECORD_REPORT, MailKind.SCAN_CLOSED, MailKind.ACCOUNT_APPROVED}
)
BETWEEN_SENDINGS = timedelta(minutes=5)


def may_send_again(message: MailMessage) -> bool:
    """Whether an administrator may have this message sent again: it failed, or was sent long enough ago."""
    try:
        _check_may_send_again(message)
    except StateConflict:
        return False
    return True


def _check_may_send_again(message: MailMessage) -> None:
    if message.user.erased_at is not None:
        raise StateConflict(_("The person this message was for has been erased."))
    if message.kind is MailKind.INVITATION:
        raise StateConflict(
            _("An invitation is sent again under “Accounts”, “Invitations”: with a new link.")
        )
    if message.kind in (MailKind.RECORD_INVITATION, MailKind.CONFIRM_RECORD_ADDRESS):
        raise StateConflict(_("It is sent again on the patient’s page: with a new code or link."))
    if message.kind in _WAITED_FOR:
        raise StateConflict(_("A one-time code or link is not sent again. The person can ask for a new one."))
    if message.state is MailState.FAILED:
        return
    if message.state is not MailState.SENT or message.kind not in _SENT_ONCE_MORE:
        raise StateConflict(_("This message has not been given up, so it is not sent again."))
    if message.sent_at is not None and now() - message.sent_at < BETWEEN_SENDINGS:
        raise StateConflict(_("This message was sent only a few minutes ago. Give it time to arrive."))


def send_again(message_id: uuid.UUID, *, by: User) -> MailMessage:
    """Queue a failed message, or a report that did not arrive, once more. Raises NotFound, StateConflict.

    It is the same message with the same Message-ID; one that had been sent is marked as a repetition. A code is
    never sent again, because it would have expired; the person requests a new one.
    """
    message = db.session.get(MailMessage, message_id, with_for_update=True, populate_existing=True)
    if message is None:
        raise NotFound(_("There is no such message."))
    _check_may_send_again(message)
    message.maybe_repeated = message.maybe_repeated or message.state is MailState.SENT
    message.state, message.last_error = MailState.QUEUED, ""
    record("mail.sent_again", message, by=by, kind=message.kind.value)
    outbox.settle("send_mail", [message.id])
    _queue(message)
    return message


def _queue(message: MailMessage) -> None:
    queue = outbox.Queue.CODES if message.kind in _AT_ONCE else outbox.Queue.MAIL
    outbox.add(queue, "send_mail", message.id)
