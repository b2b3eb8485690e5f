"""Messages in an administrator's words: the state of each."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask_babel.speaklater import LazyString

from csss.i18n import _, _l, _n
from csss.notices.models import TO_NO_ACCOUNT, MailKind, MailMessage, MailState
from csss.notices.services import may_send_again
from csss.scans.presenters import Tag
from csss.web.admin.logs.forms import MAIL_KIND_WORDS
from csss.web.filters import when

_MAIL: dict[MailState, tuple[LazyString, str, str]] = {
    MailState.WAITING: (_l("Waits for the address to be confirmed"), "warn", "hourglass"),
    MailState.QUEUED: (_l("About to be sent"), "wait", "hourglass"),
    MailState.SENDING: (_l("Being sent"), "wait", "send"),
    MailState.SENT: (_l("Sent"), "ok", "check"),
    MailState.FAILED: (_l("Not delivered"), "bad", "alert"),
    MailState.DROPPED: (_l("Dropped"), "neutral", "ban"),
}


def mail_tag(message: MailMessage | None) -> Tag:
    """The state of a message in a few words."""
    if message is None:
        return Tag(_("No mail"), "neutral", "mail")
    if message.state is MailState.QUEUED and message.last_error:
        return Tag(_("Not sent yet, tried again"), "warn", "refresh")
    words, tone, icon = _MAIL[message.state]
    return Tag(str(words), tone, icon)


def mail_sentence(message: MailMessage) -> str:
    """The state of a message in a sentence."""
    tries = _n("%(num)s try", "%(num)s tries", message.attempts)
    if message.state is MailState.QUEUED and message.last_error:
        return _(
            "It has not been sent after %(tries)s and is tried again: %(reason)s",
            tries=tries,
            reason=message.last_error,
        )
    if message.state is MailState.SENT and message.sent_at is not None:
        return _("The mail server accepted it on %(moment)s.", moment=when(message.sent_at))
    if message.state is MailState.FAILED:
        reason = message.last_error or _("no reason is known.")
        return _("It was given up after %(tries)s: %(reason)s", tries=tries, reason=reason)
    if message.state is MailState.DROPPED and message.user.erased_at is not None:
        return _("It was not sent, because the patient has been erased.")
    if message.state is MailState.DROPPED and message.kind is MailKind.INVITATION:
        return _("It was not sent, because the invitation was withdrawn, sent again, or too old.")
    return str(_MAIL_SENTENCES[message.state])


_MAIL_SENTENCES: dict[MailState, LazyString] = {
    MailState.WAITING: _l("It is sent as soon as the e-mail address has been confirmed."),
    MailState.QUEUED: _l("It is about to be sent."),
    MailState.SENDING: _l("It is being handed to the mail server."),
    MailState.SENT: _l("The mail server accepted it."),
    MailState.DROPPED: _l("It was not sent, because the code in it would have been too old."),
}


def again_label(message: MailMessage) -> str | None:
    """The label of the button that sends this message again; None where that is not possible."""
    if not may_send_again(message):
        return None
    return _("Send once more") if message.state is MailState.SENT else _("Send again")


@dataclass(frozen=True)
class MailRow:
    """One message of the mail log."""

    id: uuid.UUID
    about: str
    name: str
    address: str
    created: datetime
    tag: Tag
    sentence: str
    repeated: bool
    again: str | None  # the label of the button, where it may be sent again
    asks: bool  # it has been sent: asked about first


def mail_row(message: MailMessage, recipients: Mapping[uuid.UUID, tuple[str, str]]) -> MailRow:
    """One message; `recipients` holds name and address of those without an account, by what the message is about."""
    name, address = message.user.name, message.user.email
    if message.kind is MailKind.INVITATION:
        name, address = recipients.get(message.subject_id, (_("Somebody who was invited"), ""))
    elif message.kind in TO_NO_ACCOUNT:
        name, address = recipients.get(message.subject_id, (_("A patient without an account"), ""))
    return MailRow(
        id=message.id,
        about=MAIL_KIND_WORDS[message.kind],
        name=name,
        address="" if message.user.erased_at is not None else address,
        created=message.created_at,
        tag=mail_tag(message),
        sentence=mail_sentence(message),
        repeated=message.maybe_repeated,
        again=again_label(message),
        asks=message.state is MailState.SENT,
    )
