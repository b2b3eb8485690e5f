"""Scans, holds and messages in an administrator's words."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from csss import clock
from csss.audit.queries import Entry
from csss.auth.models import AccountState, User
from csss.mail.models import MailKind, MailMessage, MailState
from csss.reports import approvals
from csss.reports.approvals import Release, SentCode
from csss.scans import policies
from csss.scans.models import Scan, ScanHold
from csss.scans.presenters import KIND_NAMES, Tag, status_for_staff
from csss.scans.states import HoldFor, Priority
from csss.web.admin.forms import MAIL_KIND_WORDS, STATE_WORDS
from csss.web.filters import when


@dataclass(frozen=True)
class WaitingRow:
    """One line of what waits for approval."""

    scan_id: uuid.UUID
    name: str
    mrn: str
    kind: str
    doctor: str | None
    pharmacist: str | None
    since: datetime
    urgent: bool
    tag: Tag


def waiting_rows(scans: Sequence[Scan]) -> list[WaitingRow]:
    signed = approvals.signers(scans)
    return [
        WaitingRow(
            scan_id=scan.id,
            name=scan.patient.user.name,
            mrn=scan.patient.mrn,
            kind=KIND_NAMES[scan.kind],
            doctor=signed[scan.id].doctor,
            pharmacist=signed[scan.id].pharmacist,
            since=scan.status_since,
            urgent=scan.priority is Priority.URGENT,
            tag=_tag(scan),
        )
        for scan in scans
    ]


def _tag(scan: Scan) -> Tag:
    hold = scan.open_hold
    if hold is not None and hold.answered_at is not None:
        return Tag(f"Corrected by the {hold.to}, look again", "warn", "edit")
    return status_for_staff(scan)


@dataclass(frozen=True)
class ReleasedRow:
    """One line of what has been released."""

    scan_id: uuid.UUID
    name: str
    mrn: str
    kind: str
    approved_at: datetime
    approved_by: str
    report_id: uuid.UUID | None
    version: int | None
    delivery: Tag


def released_rows(releases: Sequence[Release]) -> list[ReleasedRow]:
    return [
        ReleasedRow(
            scan_id=each.scan.id,
            name=each.scan.patient.user.name,
            mrn=each.scan.patient.mrn,
            kind=KIND_NAMES[each.scan.kind],
            approved_at=each.approval.approved_at,
            approved_by=each.approval.admin.name,
            report_id=each.version.id if each.version else None,
            version=each.version.version if each.version else None,
            delivery=mail_tag(each.message) if each.version else REPORT_IN_THE_MAKING,
        )
        for each in releases
    ]


REPORT_IN_THE_MAKING = Tag("The report is being made", "wait", "hourglass")
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
class HoldView:
    """One question of an administrator, and what became of it."""

    to: str
    note: str
    asked: str
    outcome: str
    open: bool


def hold_view(hold: ScanHold) -> HoldView:
    outcome = []
    if hold.answered_at is not None:
        outcome.append(f"Corrected on {when(hold.answered_at)}.")
    if hold.lifted_at is not None:
        outcome.append(f"Lifted on {when(hold.lifted_at)}.")
    if not outcome:
        outcome.append("Not answered yet.")
    return HoldView(
        to=f"To the {hold.to}",
        note=hold.note,
        asked=f"{hold.placed_by.name}, {when(hold.placed_at)}",
        outcome=" ".join(outcome),
        open=hold.lifted_at is None,
    )


@dataclass(frozen=True)
class CodeView:
    """How far the mailed code has come. `moving` asks the page to look again soon."""

    kind: str
    text: str
    moving: bool


def code_view(sent: SentCode | None, address: str, minutes: int) -> CodeView | None:
    """None when there is no code that could still be used or could still arrive."""
    if sent is None or sent.code.used_at is not None or sent.code.cancelled_at is not None:
        return None
    expires = sent.code.expires_at
    if expires is not None and clock.now() >= expires:
        return CodeView("warn", "The code that was sent has expired. Ask for a new one.", moving=False)
    state = sent.message.state if sent.message else MailState.QUEUED
    if state is MailState.SENT and expires is not None:
        until = when(expires).rpartition(", ")[2]
        text = f"A code was sent to {address}. It works until {until}, once, and for this scan only."
        return CodeView("ok", text, moving=False)
    if state in {MailState.FAILED, MailState.DROPPED}:
        return CodeView(
            "bad",
            f"The code could not be sent to {address}. "
            "Use your authenticator app or a recovery code, or ask for a new code.",
            moving=False,
        )
    late = sent.message is not None and bool(sent.message.last_error)
    text = f"A code is on its way to {address}. It will work for {minutes} minutes."
    if late:
        text = (
            f"The mail server has not taken the code for {address} yet; it is tried again. "
            "Your authenticator app or a recovery code works at once."
        )
    return CodeView("warn" if late else "info", text, moving=True)


def askable(scan: Scan) -> list[HoldFor]:
    """Who can be asked for a correction now."""
    return [role for role in HoldFor if policies.may(policies.check_can_hold, scan, role)]


@dataclass(frozen=True)
class AccountRow:
    """One account; `steps` are (label, endpoint, kind of button) of what may be done with it now."""

    id: uuid.UUID
    name: str
    email: str
    confirmed: bool
    role: str
    registered: datetime
    tag: Tag
    steps: tuple[tuple[str, str, str], ...]


_ACCOUNT_TAGS: dict[AccountState, tuple[str, str]] = {
    AccountState.WAITING: ("warn", "hourglass"),
    AccountState.ACTIVE: ("ok", "check"),
    AccountState.REFUSED: ("bad", "ban"),
    AccountState.DEACTIVATED: ("neutral", "pause"),
}
_ACCOUNT_STEPS: dict[AccountState, tuple[tuple[str, str, str], ...]] = {
    AccountState.WAITING: (
        ("Approve", "admin.approve_user", "primary"),
        ("Refuse", "admin.refuse_user", "danger"),
    ),
    AccountState.ACTIVE: (("Deactivate", "admin.deactivate_user", "danger"),),
    AccountState.REFUSED: (("Approve", "admin.approve_user", "plain"),),
    AccountState.DEACTIVATED: (("Reactivate", "admin.reactivate_user", "plain"),),
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
