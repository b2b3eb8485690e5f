"""The texts of messages. They contain no clinical detail; a report travels only as the encrypted attachment."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from csss.i18n import _, _l, _n
from csss.notices.models import MailKind, MailMessage


@dataclass(frozen=True)
class Attachment:
    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Draft:
    """Subject, template (templates/email/<template>.txt) and the template's values."""

    subject: str
    template: str
    values: dict[str, Any]
    attachment: Attachment | None = None
    to: str | None = None  # instead of the address of the message's person


def confirm_address(token: str, days: int) -> Draft:
    return Draft(_("Confirm your e-mail address"), "confirm_address", {"token": token, "days": days})


def _account_approved(_message: MailMessage) -> Draft:
    return Draft(_("Your account has been approved"), "account_approved", {})


def scan_received(scan_id: uuid.UUID) -> Draft:
    """Names nobody and nothing: who reads it learns only that something has arrived."""
    return Draft(_("We have received your upload"), "scan_received", {"scan_id": scan_id})


def _scan_closed(message: MailMessage) -> Draft:
    return Draft(_("Please upload your scan again"), "scan_closed", {"scan_id": message.subject_id})


def _password_changed(_message: MailMessage) -> Draft:
    return Draft(_("Your password has been changed"), "password_changed", {})


# Subject, and what has just happened. No device, passkey name or code: others may read the mail.
_ACCESS_CHANGED: dict[MailKind, tuple[str, str]] = {
    MailKind.PASSKEY_ADDED: (
        _l("A passkey was added"),
        _l("a passkey has just been registered for your account. Anybody who has it can sign in with it."),
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
            "the authenticator app, the passkeys and the recovery codes of your account do not work any "
            "more: either an administrator has reset them, or a new password was set by mail. A new "
            "password also removes what was set up before this address was confirmed."
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
    MailKind.ACCOUNT_APPROVED: _account_approved,
    MailKind.SCAN_CLOSED: _scan_closed,
    MailKind.PASSWORD_CHANGED: _password_changed,
    MailKind.ADDRESS_TAKEN: _address_taken,
    **dict.fromkeys(_ACCESS_CHANGED, _access_changed),
}
"""Messages whose row is their only input. For the others, `csss.jobs.notice_jobs` collects the content."""


def details_corrected(fields: str) -> Draft:
    """`fields` are the names of what was corrected, without the values: others may read the mail."""
    return Draft(_("Your details have been corrected"), "details_corrected", {"fields": fields})


def address_moved(old_address: str) -> Draft:
    """To the old address, which is not told the new one."""
    return Draft(_("Your e-mail address has been changed"), "address_moved", {}, to=old_address)


def invitation(*, to: str, invited: str, by: str, role: str, token: str, days: int) -> Draft:
    """To somebody who has no account yet."""
    values = {"invited": invited, "by": by, "role": role, "token": token, "days": days}
    return Draft(_("You are invited to CSSS"), "invitation", values, to=to)


def record_invitation(*, to: str, patient: str, mrn: str, code: str, days: int) -> Draft:
    """To a patient without an account. Whoever reads it has to know the birth date, too."""
    values = {"patient": patient, "mrn": mrn, "code": code, "days": days}
    return Draft(_("Open your record at CSSS"), "record_invitation", values, to=to)


def confirm_record_address(*, to: str, patient: str, token: str, days: int) -> Draft:
    """To a patient without an account."""
    values = {"patient": patient, "token": token, "days": days}
    return Draft(_("Confirm your e-mail address"), "confirm_record_address", values, to=to)


def record_report(*, to: str, patient: str, attachment: Attachment | None) -> Draft:
    """To a patient without an account, whose address is confirmed."""
    values = {"patient": patient, "encrypted": attachment is not None}
    return Draft(_("Your report is ready"), "record_report", values, attachment, to=to)


def code(digits: str, minutes: int, purpose: str) -> Draft:
    """The mail with the code. It contains no other six-digit number. `purpose` is one of the three below."""
    return Draft(_("Your one-time code"), "code", {"digits": digits, "minutes": minutes, "purpose": purpose})


def to_sign_in() -> str:
    return _("sign in")


def to_erase() -> str:
    """The patient's name is shown only on the page."""
    return _("erase a patient")


def to_approve(reports: int) -> str:
    """The reports are named only on the page."""
    return _n("approve a report", "approve %(num)s reports", reports)


def report_ready(attachment: Attachment | None) -> Draft:
    return Draft(_("Your report is ready"), "report_ready", {"encrypted": attachment is not None}, attachment)


def watch_alarm(sentences: Sequence[str]) -> Draft:
    """To administrators: what has changed, in figures of many scans."""
    subject = _("The pictures or answers of the classifier have changed")
    return Draft(subject, "watch_alarm", {"sentences": list(sentences)})


def critical_result() -> Draft:
    """To those who can act: neither whose result it is nor what was found."""
    return Draft(_("A critical result waits for you"), "critical_result", {})


def critical_overdue(minutes: int) -> Draft:
    return Draft(_("Nobody has taken note of a critical result"), "critical_overdue", {"minutes": minutes})


def critical_withdrawn() -> Draft:
    return Draft(_("A critical result has been withdrawn"), "critical_withdrawn", {})


def scan_assigned() -> Draft:
    """To the doctor: neither whose scan it is nor why."""
    return Draft(_("A scan has been assigned to you"), "scan_assigned", {})


def second_reading() -> Draft:
    return Draft(_("The second reading is there"), "second_reading", {})


def reset_password(token: str, minutes: int) -> Draft:
    return Draft(_("Choose a new password"), "reset_password", {"token": token, "minutes": minutes})
