"""What the messages say. They carry no clinical detail; the report travels only as the encrypted attachment."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_mail import Message
from sqlalchemy import func, select

from csss.auth import accounts, password_reset, second_factor
from csss.auth.models import CodePurpose, OneTimeCode, PasswordReset
from csss.database import db
from csss.i18n import _, _l, _n
from csss.notices.models import MailKind, MailMessage
from csss.people.models import Patient
from csss.reports.models import ApprovalBatchItem


@dataclass(frozen=True)
class Attachment:
    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Draft:
    """Subject, template (templates/email/<template>.txt) and what the template needs."""

    subject: str
    template: str
    values: dict[str, Any]
    attachment: Attachment | None = None


def compose(message: MailMessage, draft: Draft) -> Message:
    """The message as it goes out: plain text, with the Message-ID it has had from the beginning."""
    settings = current_app.config["CSSS"]
    name, hospital = message.user.name, settings.hospital_name
    if message.kind is MailKind.CODE:  # a number in an address or a name must not be taken for the code
        name, hospital = _without_numbers(name), _without_numbers(hospital)
    # The bare environment: a mail knows nothing of requests, sessions and navigation.
    body = current_app.jinja_env.get_template(f"email/{draft.template}.txt").render(
        name=name,
        hospital=hospital,
        base_url=settings.base_url.rstrip("/"),
        **draft.values,
    )
    headers = {"Auto-Submitted": "auto-generated"}
    if message.maybe_repeated:
        headers["X-CSSS-Repeated"] = "possibly"
    subject = _("%(subject)s – %(hospital)s", subject=draft.subject, hospital=hospital)
    composed = Message(
        subject=" ".join(
            subject.split()
        ),  # one line, whatever a setting holds: a header ends where the line ends
        recipients=[message.user.email],
        body=body,
        extra_headers=headers,
    )
    composed.msgId = message.message_id
    if draft.attachment is not None:
        composed.attach(draft.attachment.name, draft.attachment.media_type, draft.attachment.content)
    return composed


def _without_numbers(text: str) -> str:
    return re.sub(r"\d{6,}", "…", text)


def _confirm_address(message: MailMessage) -> Draft:
    token = accounts.confirmation_token(message.user)
    return Draft(
        _("Confirm your e-mail address"),
        "confirm_address",
        {"token": token, "days": accounts.CONFIRMATION_LIFE.days},
    )


def _account_approved(_message: MailMessage) -> Draft:
    return Draft(_("Your account has been approved"), "account_approved", {})


def _scan_closed(message: MailMessage) -> Draft:
    return Draft(_("Please upload your scan again"), "scan_closed", {"scan_id": message.subject_id})


def _password_changed(_message: MailMessage) -> Draft:
    return Draft(_("Your password has been changed"), "password_changed", {})


# Subject, and what has just happened. No device, no name of a passkey, no code: the mail may be read by others.
_ACCESS_CHANGED: dict[MailKind, tuple[str, str]] = {
    MailKind.PASSKEY_ADDED: (
        _l("A passkey was added"),
        _l("a passkey has just been registered for your account. Whoever holds it can sign in with it."),
    ),
    MailKind.PASSKEY_REMOVED: (
        _l("A passkey was removed"),
        _l("a passkey has just been removed from your account."),
    ),
    MailKind.APP_ADDED: (
        _l("An authenticator app was added"),
        _l("an authenticator app has just been set up for your account. Its codes are asked for at sign-in."),
    ),
    MailKind.APP_REMOVED: (
        _l("Your authenticator app was removed"),
        _l("the authenticator app of your account has just been removed."),
    ),
    MailKind.RECOVERY_CODES_MADE: (
        _l("New recovery codes were made"),
        _l("new recovery codes have just been made for your account. Earlier ones do not work any more."),
    ),
    MailKind.SECOND_FACTOR_RESET: (
        _l("Your second step at sign-in was reset"),
        _l(
            "the authenticator app, the passkeys and the recovery codes of your account do not work any more: an "
            "administrator has reset them; or a new password was set by mail, and then whatever was set up before this "
            "address was confirmed goes."
        ),
    ),
    MailKind.PASSPHRASE_SET: (
        _l("Your report pass phrase was set"),
        _l("the pass phrase of the reports that are mailed to you has just been set."),
    ),
    MailKind.PASSPHRASE_REMOVED: (
        _l("Your report pass phrase was removed"),
        _l(
            "the pass phrase of the reports that are mailed to you has just been removed. Reports are no longer attached."
        ),
    ),
}


def _access_changed(message: MailMessage) -> Draft:
    subject, happened = _ACCESS_CHANGED[message.kind]
    return Draft(str(subject), "access_changed", {"happened": str(happened)})


def _address_taken(_message: MailMessage) -> Draft:
    return Draft(_("You have an account already"), "address_taken", {})


DRAFTS: dict[MailKind, Callable[[MailMessage], Draft]] = {
    MailKind.CONFIRM_ADDRESS: _confirm_address,
    MailKind.ACCOUNT_APPROVED: _account_approved,
    MailKind.SCAN_CLOSED: _scan_closed,
    MailKind.PASSWORD_CHANGED: _password_changed,
    MailKind.ADDRESS_TAKEN: _address_taken,
    **dict.fromkeys(_ACCESS_CHANGED, _access_changed),
}
"""Messages that need nothing but their row. Codes, links that reset a password, and reports are drafted by their jobs."""


def code_draft(code: OneTimeCode, digits: str) -> Draft:
    """The mail with the code. No other six-digit number stands in it."""
    minutes = int(second_factor.code_life().total_seconds() // 60)
    purpose = _("sign in") if code.purpose is CodePurpose.SIGN_IN else _approves(code)
    return Draft(_("Your one-time code"), "code", {"digits": digits, "minutes": minutes, "purpose": purpose})


def _approves(code: OneTimeCode) -> str:
    """For one report, for how many together, or for erasing; which or whom stands only on the page."""
    if db.session.get(Patient, code.subject_id) is not None:
        return _("erase a patient")
    wanted = select(func.count()).where(ApprovalBatchItem.batch_id == code.subject_id)
    return _n("approve a report", "approve %(num)s reports", db.session.scalar(wanted) or 1)


def report_draft(attachment: Attachment | None) -> Draft:
    return Draft(_("Your report is ready"), "report_ready", {"encrypted": attachment is not None}, attachment)


def reset_draft(token: str) -> Draft:
    minutes = int(password_reset.LIFE.total_seconds() // 60)
    return Draft(_("Choose a new password"), "reset_password", {"token": token, "minutes": minutes})


def reset_of(message: MailMessage) -> PasswordReset | None:
    return db.session.get(PasswordReset, message.subject_id, with_for_update=True)


def code_of(message: MailMessage) -> OneTimeCode | None:
    return db.session.get(OneTimeCode, message.subject_id, with_for_update=True)
