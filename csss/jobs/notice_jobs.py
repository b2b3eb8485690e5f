"""Run the mail workers' job: collect the content of each notice from the capabilities, and send it through its
channel."""

import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from csss.audit.record import record
from csss.auth import accounts, invitations, passphrases, password_reset, patient_corrections, second_factor
from csss.auth.models import CodePurpose, OneTimeCode, PasswordReset, StaffInvitation
from csss.clock import now
from csss.database import db, transaction
from csss.dates import in_hospital
from csss.i18n import in_english
from csss.jobs.database_retry import stubbornly
from csss.jobs.early_retry import wake
from csss.notices import channels, texts
from csss.notices.channels import email
from csss.notices.models import MailKind, MailMessage, MailState
from csss.people.models import Patient, PatientCorrection
from csss.people.record_models import RecordInvitation
from csss.people.roles import Role
from csss.records import addresses
from csss.records import invitations as record_invitations
from csss.reports.models import ApprovalBatchItem, ReportVersion
from csss.reports.pdf import encrypt_pdf
from csss.scans import assignments, critical_results, second_readings
from csss.scans.models import Scan
from csss.storage.files import storage
from csss.watch import words as watch_words
from csss.watch.alarms import opened_with

_CHANNEL: channels.Channel = email
_ENCLOSING = frozenset({MailKind.REPORT_READY, MailKind.RECORD_REPORT})
_FINAL = frozenset({MailState.SENT, MailState.FAILED, MailState.DROPPED})


def warm_up() -> None:
    """Make SQLAlchemy compile the first query of a sending before the fork."""
    send_mail(uuid.uuid4())
    db.session.rollback()


def between_jobs() -> None:
    """End the back-off of failed mails once the mail server answers again."""
    wake("send_mail", channels.NoLineError.__name__, _CHANNEL.answers)


def send_mail(message_id: uuid.UUID) -> None:
    """Send one queued message, unless it was sent, has become pointless, or has to wait.

    A message can be sent twice only after a crash between the mail server's acceptance and our commit; the
    repetition has the same Message-ID and is marked.
    """
    enclosed = _enclosed(message_id)
    with in_english(), transaction():
        message = db.session.get(MailMessage, message_id, with_for_update=True)
        if message is None or message.state in _FINAL:
            return
        draft = _draft(message, enclosed)
        if draft is None:
            return
        message.maybe_repeated = message.maybe_repeated or message.state is MailState.SENDING
        message.state = MailState.SENDING
        message.attempts += 1
        composed = _CHANNEL.compose(message, draft)
    _send(message_id, composed)


def _draft(message: MailMessage, enclosed: texts.Attachment | None) -> texts.Draft | None:
    """Build the content to send; None, with the state set, when nothing is to be sent now."""
    if message.kind is MailKind.REPORT_READY:
        return _report_draft(message, enclosed)
    if message.kind is MailKind.RECORD_REPORT:
        return _record_report_draft(message, enclosed)
    if message.kind in _WITH_MORE:
        return _WITH_MORE[message.kind](message)
    return texts.DRAFTS[message.kind](message)


def _confirmation_draft(message: MailMessage) -> texts.Draft:
    return texts.confirm_address(accounts.confirmation_token(message.user), accounts.CONFIRMATION_LIFE.days)


def _code_draft(message: MailMessage) -> texts.Draft | None:
    code = db.session.get(OneTimeCode, message.subject_id, with_for_update=True)
    too_old = code is None or now() - code.requested_at >= second_factor.code_life()
    if code is None or too_old or code.used_at is not None or code.cancelled_at is not None:
        _drop(message)
        return None
    minutes = int(second_factor.code_life().total_seconds() // 60)
    return texts.code(second_factor.draw_code(code), minutes, _purpose(code))


def _purpose(code: OneTimeCode) -> str:
    """The purpose in words: for signing in, for erasing, for one report, or for several together."""
    if code.purpose is CodePurpose.SIGN_IN:
        return texts.to_sign_in()
    if db.session.get(Patient, code.subject_id) is not None:
        return texts.to_erase()
    wanted = select(func.count()).where(ApprovalBatchItem.batch_id == code.subject_id)
    return texts.to_approve(db.session.scalar(wanted) or 1)


def _reset_draft(message: MailMessage) -> texts.Draft | None:
    reset = db.session.get(PasswordReset, message.subject_id, with_for_update=True)
    if reset is None or password_reset.is_pointless(reset):
        _drop(message)
        return None
    minutes = int(password_reset.LIFE.total_seconds() // 60)
    return texts.reset_password(password_reset.draw_token(reset), minutes)


def _correction_draft(message: MailMessage) -> texts.Draft | None:
    correction = db.session.get(PatientCorrection, message.subject_id)
    if correction is None:  # the patient has been erased
        _drop(message)
        return None
    if message.kind is MailKind.ADDRESS_MOVED:
        return texts.address_moved(correction.old["email"])
    return texts.details_corrected(patient_corrections.field_words(correction.new))


def _invitation_draft(message: MailMessage) -> texts.Draft | None:
    found = db.session.get(StaffInvitation, message.subject_id, with_for_update={"of": StaffInvitation})
    if found is None or invitations.is_pointless(found):
        _drop(message)
        return None
    return texts.invitation(
        to=found.email,
        invited=found.name,
        by=found.invited_by.name,
        role=Role(found.role.value).human,
        token=invitations.draw_token(found),
        days=invitations.LIFE.days,
    )


def _receipt_draft(message: MailMessage) -> texts.Draft | None:
    """Not to an address that nobody has confirmed, and not about a scan that is closed or erased already."""
    scan = db.session.get(Scan, message.subject_id)
    if message.user.email_confirmed_at is None or scan is None or scan.closure is not None:
        _drop(message)
        return None
    return texts.scan_received(scan.id)


def _record_invitation_draft(message: MailMessage) -> texts.Draft | None:
    found = db.session.get(RecordInvitation, message.subject_id, with_for_update={"of": RecordInvitation})
    if found is None or not record_invitations.is_open(found) or found.patient.user_id is not None:
        _drop(message)
        return None
    return texts.record_invitation(
        to=found.email,
        patient=found.patient.name,
        mrn=found.patient.mrn,
        code=record_invitations.draw(found),
        days=record_invitations.LIFE.days,
    )


def _record_address_draft(message: MailMessage) -> texts.Draft | None:
    patient = db.session.get(Patient, message.subject_id)
    if patient is None or addresses.patient_of(token := addresses.token_of(patient)) is None:
        _drop(message)
        return None
    return texts.confirm_record_address(
        to=patient.email, patient=patient.name, token=token, days=addresses.LIFE.days
    )


def _record_report_draft(message: MailMessage, enclosed: texts.Attachment | None) -> texts.Draft | None:
    report = db.session.get(ReportVersion, message.subject_id)
    patient = report.scan.patient if report is not None else None
    if patient is None or patient.user is not None or not patient.contact_confirmed:
        _drop(message)  # erased; or claimed meanwhile: the report is in the account
        return None
    return texts.record_report(to=patient.email, patient=patient.name, attachment=enclosed)


def _drop(message: MailMessage) -> None:
    message.state = MailState.DROPPED
    _record("mail.dropped", message)


def _report_draft(message: MailMessage, enclosed: texts.Attachment | None) -> texts.Draft | None:
    if message.user.email_confirmed_at is None:
        message.state = MailState.WAITING
        return None
    return texts.report_ready(enclosed)


# Drafts whose content comes from further rows.
def _watch_draft(message: MailMessage) -> texts.Draft:
    return texts.watch_alarm([watch_words.sentence(each) for each in opened_with(message.subject_id)])


def _critical_draft(message: MailMessage) -> texts.Draft | None:
    """Nobody is told of what somebody has taken note of in the meantime."""
    if message.kind is MailKind.CRITICAL_WITHDRAWN:
        return texts.critical_withdrawn()
    if message.kind is MailKind.CRITICAL_OVERDUE:
        result = critical_results.escalated(message.subject_id)
        if result is not None:
            return texts.critical_overdue(int((now() - result.marked_at).total_seconds() // 60))
    elif not critical_results.is_pointless(message.subject_id):
        return texts.critical_result()
    _drop(message)
    return None


def _colleague_draft(message: MailMessage) -> texts.Draft | None:
    """Nobody is told of what has been signed, passed on or withdrawn in the meantime."""
    assigned = message.kind is MailKind.SCAN_ASSIGNED
    if (assignments if assigned else second_readings).is_pointless(message.subject_id):
        _drop(message)
        return None
    return texts.scan_assigned() if assigned else texts.second_reading()


_WITH_MORE: dict[MailKind, Callable[[MailMessage], texts.Draft | None]] = {
    MailKind.CODE: _code_draft,
    MailKind.RESET_PASSWORD: _reset_draft,
    MailKind.CONFIRM_ADDRESS: _confirmation_draft,
    MailKind.DETAILS_CORRECTED: _correction_draft,
    MailKind.ADDRESS_MOVED: _correction_draft,
    MailKind.INVITATION: _invitation_draft,
    MailKind.SCAN_RECEIVED: _receipt_draft,
    MailKind.RECORD_INVITATION: _record_invitation_draft,
    MailKind.CONFIRM_RECORD_ADDRESS: _record_address_draft,
    MailKind.WATCH_ALARM: _watch_draft,
    MailKind.SCAN_ASSIGNED: _colleague_draft,
    MailKind.SECOND_READING: _colleague_draft,
    MailKind.CRITICAL_RESULT: _critical_draft,
    MailKind.CRITICAL_OVERDUE: _critical_draft,
    MailKind.CRITICAL_WITHDRAWN: _critical_draft,
}


def _enclosed(message_id: uuid.UUID) -> texts.Attachment | None:
    """The encrypted report that a message attaches; made before any database lock is held."""
    message = db.session.get(MailMessage, message_id)
    if message is None or message.kind not in _ENCLOSING or message.state in _FINAL:
        return None
    report = db.session.get(ReportVersion, message.subject_id)
    passphrase = passphrases.report_passphrase(report.scan.patient) if report is not None else None
    if report is None or passphrase is None:
        return None
    made = in_hospital(report.created_at)
    name, file_key = f"report-{made:%Y-%m-%d}-v{report.version}.pdf", report.file_key
    db.session.commit()
    encrypted = encrypt_pdf(storage().read(file_key), passphrase)
    return texts.Attachment(name, "application/pdf", encrypted)


def _send(message_id: uuid.UUID, composed: Any) -> None:
    try:
        _CHANNEL.send(composed)
    except channels.RefusedError as error:
        _keep(message_id, MailState.FAILED, str(error))
    except channels.NotTakenError as error:
        # The server surely does not have it, so the next attempt is no repetition.
        _keep(message_id, MailState.QUEUED, str(error))
        raise
    except Exception as error:
        # Connection lost or timeout: nobody knows whether the message was accepted, so the next attempt is marked.
        _keep(message_id, MailState.SENDING, str(error))
        raise
    else:
        _keep(message_id, MailState.SENT)


def _keep(message_id: uuid.UUID, state: MailState, error: str = "") -> None:
    """Store the mail server's answer, although the database may be locked or unreachable for a while."""

    def keep() -> None:
        with transaction():
            message = db.session.get_one(MailMessage, message_id, with_for_update=True)
            if _is_to_erased(message):  # the server's answer may contain the address
                message.last_error = ""
                message.state = state if state is MailState.SENT else MailState.DROPPED
            else:
                message.state, message.last_error = state, error[:2000]
            if message.state is MailState.SENT:
                message.sent_at = now()
                _record("mail.sent", message)
            elif message.state is MailState.FAILED:
                _record("mail.failed", message)

    stubbornly(keep)


def _is_to_erased(message: MailMessage) -> bool:
    """Whether the person it went to has been erased meanwhile. Of somebody without an account nothing is left then."""
    if message.kind is MailKind.CONFIRM_RECORD_ADDRESS:
        patient = db.session.get(Patient, message.subject_id)
        return patient is None or patient.is_erased
    if message.kind is MailKind.RECORD_REPORT:
        return db.session.get(ReportVersion, message.subject_id) is None
    if message.kind is MailKind.RECORD_INVITATION:
        return db.session.get(RecordInvitation, message.subject_id) is None
    return message.user.erased_at is not None


def give_up_mail(ids: tuple[uuid.UUID, ...], error: str) -> None:
    """Mark the messages as failed, so that the administrator sees them. Belongs inside transaction()."""
    message = db.session.get(MailMessage, ids[0])
    if message is not None and message.state not in _FINAL and not _is_to_erased(message):
        message.state, message.last_error = MailState.FAILED, error[:2000]
        _record("mail.failed", message)


def _record(action: str, message: MailMessage) -> None:
    """Write the recipient and the kind to the audit log, but not the text."""
    record(
        action,
        message,
        kind=message.kind.value,
        to=str(message.user_id),
        about=str(message.subject_id),
        attempts=message.attempts,
        perhaps_repeated=message.maybe_repeated,
    )
