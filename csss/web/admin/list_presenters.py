"""Messages, accounts and audit events in an administrator's words."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from csss.audit.queries import Entry
from csss.auth.models import AccountState, User
from csss.mail.models import MailKind, MailMessage, MailState
from csss.scans.presenters import Tag
from csss.web.admin.forms import MAIL_KIND_WORDS, STATE_WORDS
from csss.web.filters import when

_NO_MESSAGE = Tag("No mail", "neutral", "mail")
_MAIL: dict[MailState, Tag] = {
    MailState.WAITING: Tag("Waits for the address to be confirmed", "warn", "hourglass"),
    MailState.QUEUED: Tag("About to be sent", "wait", "hourglass"),
    MailState.SENDING: Tag("Being sent", "wait", "send"),
    MailState.SENT: Tag("Sent", "ok", "check"),
    MailState.FAILED: Tag("Not delivered", "bad", "alert"),
    MailState.DROPPED: Tag("Dropped", "neutral", "ban"),
}


def mail_tag(message: MailMessage | None) -> Tag:
    """How far a message has come, in a few words."""
    if message is None:
        return _NO_MESSAGE
    if message.state is MailState.QUEUED and message.last_error:
        return Tag("Not sent yet, tried again", "warn", "refresh")
    return _MAIL[message.state]


def mail_sentence(message: MailMessage) -> str:
    """How far a message has come, in a sentence."""
    tries = f"{message.attempts} {'try' if message.attempts == 1 else 'tries'}"
    if message.state is MailState.QUEUED and message.last_error:
        return f"It has not been sent after {tries} and is tried again: {message.last_error}"
    moment = f" on {when(message.sent_at)}" if message.sent_at else ""
    return {
        MailState.WAITING: "It is sent as soon as the e-mail address has been confirmed.",
        MailState.QUEUED: "It is about to be sent.",
        MailState.SENDING: "It is being handed to the mail server.",
        MailState.SENT: f"The mail server accepted it{moment}.",
        MailState.FAILED: f"It was given up after {tries}: {message.last_error or 'no reason is known.'}",
        MailState.DROPPED: "It was not sent, because the code in it would have been too old.",
    }[message.state]


@dataclass(frozen=True)
class Step:
    """Something that may be done with an account; one with a warning is asked about first."""

    label: str
    endpoint: str
    kind: str = "plain"
    warning: str | None = None


@dataclass(frozen=True)
class AccountRow:
    """One account; `steps` are what may be done with it now."""

    id: uuid.UUID
    name: str
    email: str
    confirmed: bool
    role: str
    registered: datetime
    tag: Tag
    steps: tuple[Step, ...]


_ACCOUNT_TAGS: dict[AccountState, tuple[str, str]] = {
    AccountState.WAITING: ("warn", "hourglass"),
    AccountState.ACTIVE: ("ok", "check"),
    AccountState.REFUSED: ("bad", "ban"),
    AccountState.DEACTIVATED: ("neutral", "pause"),
}
_APPROVE = Step("Approve", "admin.approve_user")
_ACCOUNT_STEPS: dict[AccountState, tuple[Step, ...]] = {
    AccountState.WAITING: (_APPROVE, Step("Refuse", "admin.refuse_user", "danger")),
    AccountState.ACTIVE: (
        Step(
            "Deactivate",
            "admin.deactivate_user",
            warning="This person is signed out everywhere and cannot sign in again until the account is reactivated.",
        ),
    ),
    AccountState.REFUSED: (_APPROVE,),
    AccountState.DEACTIVATED: (Step("Reactivate", "admin.reactivate_user"),),
}


def account_row(user: User, viewer: User) -> AccountRow:
    """`viewer` cannot shut the own account, so nothing is offered there."""
    return AccountRow(
        id=user.id,
        name=user.name,
        email=user.email,
        confirmed=user.email_confirmed_at is not None,
        role=user.role.human,
        registered=user.created_at,
        tag=Tag(STATE_WORDS[user.state], *_ACCOUNT_TAGS[user.state]),
        steps=() if user.id == viewer.id else _ACCOUNT_STEPS[user.state],
    )


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
    may_send_again: bool


def mail_row(message: MailMessage) -> MailRow:
    return MailRow(
        id=message.id,
        about=MAIL_KIND_WORDS[message.kind],
        name=message.user.name,
        address=message.user.email,
        created=message.created_at,
        tag=mail_tag(message),
        sentence=mail_sentence(message),
        repeated=message.maybe_repeated,
        may_send_again=message.state is MailState.FAILED and message.kind is not MailKind.CODE,
    )


@dataclass(frozen=True)
class AuditRow:
    """One line of the audit log; `subject_url` leads to the scan where there is a page of it."""

    number: int
    at: datetime
    who: str
    role: str
    action: str
    words: str
    subject_type: str
    subject_id: str
    subject_url: str | None
    detail: tuple[tuple[str, str], ...]
    origin: str


ACTION_WORDS: dict[str, str] = {
    "account.address_confirmed": "Confirmed the e-mail address",
    "account.approved": "Approved an account",
    "account.confirmation_requested": "Asked for another confirmation link",
    "account.created": "Created an account",
    "account.deactivated": "Deactivated an account",
    "account.password_changed": "Changed the password",
    "account.profile_changed": "Changed the own record",
    "account.reactivated": "Reactivated an account",
    "account.refused": "Refused an account",
    "account.registered": "Registered",
    "account.report_passphrase_removed": "Removed the report pass phrase",
    "account.report_passphrase_set": "Set the report pass phrase",
    "code.accepted": "Second factor accepted",
    "code.refused": "Second factor refused",
    "code.requested": "Asked for a one-time code",
    "mail.sent_again": "Had a message sent again",
    "report.downloaded": "Opened a report",
    "report.previewed": "Previewed a report",
    "report.stored": "Report stored",
    "scan.addendum_added": "Added an addendum",
    "scan.analysis_failed": "Analysis failed",
    "scan.analysis_requested": "Started an analysis",
    "scan.closed": "Closed a scan",
    "scan.held": "Put a scan on hold",
    "scan.hold_lifted": "Lifted a hold",
    "scan.prescription_corrected": "Corrected a prescription",
    "scan.priority_changed": "Changed the priority",
    "scan.read_without_classifier": "Read a scan without the classifier",
    "scan.review_corrected": "Corrected a review",
    "scan.status_changed": "Moved a scan on",
    "scan.submitted": "Uploaded a scan",
    "second_factor.authenticator_added": "Added an authenticator app",
    "second_factor.authenticator_removed": "Removed an authenticator app",
    "second_factor.recovery_codes_made": "Made recovery codes",
    "session.began": "Signed in",
    "session.ended": "Signed out",
    "session.others_ended": "Ended the other sessions",
    "session.refused": "Sign-in refused",
}


def audit_row(entry: Entry) -> AuditRow:
    event = entry.event
    return AuditRow(
        number=event.id,
        at=event.at,
        who=entry.actor
        or ("The system" if event.origin in {"system", "worker", "command line"} else "A visitor"),
        role=event.actor_role,
        action=event.action,
        words=ACTION_WORDS.get(event.action, event.action),
        subject_type={"user": "account", "reportversion": "report", "mailmessage": "message"}.get(
            event.subject_type, event.subject_type
        ),
        subject_id=event.subject_id,
        subject_url=url_for("admin.scan", scan_id=event.subject_id) if event.subject_type == "scan" else None,
        detail=tuple((name.replace("_", " "), _plain(value)) for name, value in event.detail.items()),
        origin=event.origin,
    )


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)
