"""Messages and audit events in an administrator's words."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel.speaklater import LazyString

from csss.audit.queries import Entry
from csss.i18n import _, _l, _n
from csss.notices.models import MailMessage, MailState
from csss.notices.services import may_send_again
from csss.outbox import Backlog, OutboxJob, Queue, may_try_again
from csss.scans import queries
from csss.scans.presenters import Tag, Words
from csss.web.admin.forms import MAIL_KIND_WORDS
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
    """How far a message has come, in a few words."""
    if message is None:
        return Tag(_("No mail"), "neutral", "mail")
    if message.state is MailState.QUEUED and message.last_error:
        return Tag(_("Not sent yet, tried again"), "warn", "refresh")
    words, tone, icon = _MAIL[message.state]
    return Tag(str(words), tone, icon)


def mail_sentence(message: MailMessage) -> str:
    """How far a message has come, in a sentence."""
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
    return str(_MAIL_SENTENCES[message.state])


_MAIL_SENTENCES: dict[MailState, LazyString] = {
    MailState.WAITING: _l("It is sent as soon as the e-mail address has been confirmed."),
    MailState.QUEUED: _l("It is about to be sent."),
    MailState.SENDING: _l("It is being handed to the mail server."),
    MailState.SENT: _l("The mail server accepted it."),
    MailState.DROPPED: _l("It was not sent, because the code in it would have been too old."),
}


def again_label(message: MailMessage) -> str | None:
    """What stands on the button that sends this message again; None where it may not be."""
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


def mail_row(message: MailMessage) -> MailRow:
    return MailRow(
        id=message.id,
        about=MAIL_KIND_WORDS[message.kind],
        name=message.user.name,
        address="" if message.user.erased_at is not None else message.user.email,
        created=message.created_at,
        tag=mail_tag(message),
        sentence=mail_sentence(message),
        repeated=message.maybe_repeated,
        again=again_label(message),
        asks=message.state is MailState.SENT,
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


ACTION_WORDS: Words[str] = Words(
    {
        "access.refused": _l("Was refused"),
        "account.address_confirmed": _l("Confirmed the e-mail address"),
        "account.approved": _l("Approved an account"),
        "account.confirmation_requested": _l("Asked for another confirmation link"),
        "account.created": _l("Created an account"),
        "account.deactivated": _l("Deactivated an account"),
        "account.password_changed": _l("Changed the password"),
        "account.password_refused": _l("Gave a wrong current password"),
        "account.password_reset_requested": _l("Asked for a link for a new password"),
        "account.password_reset": _l("Set a new password by a link"),
        "account.registered_again": _l("Registered with an address that has an account"),
        "account.profile_changed": _l("Changed the own record"),
        "account.reactivated": _l("Reactivated an account"),
        "account.second_factor_reset": _l("Reset somebody’s second factor"),
        "account.sessions_ended": _l("Ended somebody’s sessions"),
        "account.refused": _l("Refused an account"),
        "account.registered": _l("Registered"),
        "account.report_passphrase_removed": _l("Removed the report pass phrase"),
        "account.report_passphrase_set": _l("Set the report pass phrase"),
        "account.viewed": _l("Looked at an account"),
        "audit.exported": _l("Exported the audit log"),
        "audit.sealed_late": _l("Sealed events of an earlier release"),
        "audit.verified": _l("Checked the audit log"),
        "audit.viewed": _l("Looked at the audit log"),
        "backup.made": _l("Made a backup"),
        "backup.restored": _l("Restored a backup"),
        "approval.batch_approved": _l("Approved several reports with one code"),
        "approval.batch_prepared": _l("Chose reports to approve together"),
        "code.accepted": _l("Second factor accepted"),
        "code.refused": _l("Second factor refused"),
        "code.request_refused": _l("Asked for too many one-time codes"),
        "code.requested": _l("Asked for a one-time code"),
        "job.tried_again": _l("Had a given-up job tried again"),
        "job.set_aside": _l("Set a given-up job aside"),
        "mail.dropped": _l("Message dropped"),
        "mail.failed": _l("Message not delivered"),
        "mail.sent": _l("Message sent"),
        "mail.sent_again": _l("Had a message sent again"),
        "passkey.added": _l("Registered a passkey"),
        "passkey.refused": _l("Passkey refused"),
        "passkey.removed": _l("Removed a passkey"),
        "passkey.used": _l("Passkey accepted"),
        "patient.erased": _l("Erased a patient"),
        "patient.hold_lifted": _l("Lifted a legal hold"),
        "patient.hold_placed": _l("Placed a legal hold"),
        "prescription.warning_overridden": _l("Set a warning aside"),
        "prescription_template.kept": _l("Kept a prescription template"),
        "prescription_template.removed": _l("Removed a prescription template"),
        "report.downloaded": _l("Opened a report"),
        "report.previewed": _l("Previewed a report"),
        "report.stored": _l("Report stored"),
        "report_template.kept": _l("Kept a template of findings"),
        "report_template.removed": _l("Removed a template of findings"),
        "scan.addendum_added": _l("Added an addendum"),
        "scan.analysis_failed": _l("Analysis failed"),
        "scan.analysis_requested": _l("Started an analysis"),
        "scan.closed": _l("Closed a scan"),
        "scan.held": _l("Put a scan on hold"),
        "scan.heatmap_viewed": _l("Looked at a heat map"),
        "scan.hold_lifted": _l("Lifted a hold"),
        "scan.image_viewed": _l("Looked at a picture"),
        "scan.kind_corrected": _l("Corrected the kind of a scan"),
        "scan.prescription_corrected": _l("Corrected a prescription"),
        "scan.priority_changed": _l("Changed the priority"),
        "scan.read_without_classifier": _l("Read a scan without the classifier"),
        "scan.review_corrected": _l("Corrected a review"),
        "scan.status_changed": _l("Moved a scan on"),
        "scan.submitted": _l("Uploaded a scan"),
        "scan.viewed": _l("Looked at a scan"),
        "second_factor.authenticator_added": _l("Added an authenticator app"),
        "second_factor.authenticator_removed": _l("Removed an authenticator app"),
        "second_factor.recovery_codes_made": _l("Made recovery codes"),
        "secret_key.changed": _l("Changed the secret key"),
        "session.began": _l("Signed in"),
        "session.ended": _l("Signed out"),
        "session.others_ended": _l("Ended the other sessions"),
        "session.refused": _l("Sign-in refused"),
        "statistics.exported": _l("Exported the statistics"),
        "settings.changed": _l("Started with other settings"),
        "request.throttled": _l("Refused after too many tries"),
    }
)
_SUBJECTS: Words[str] = Words(
    {
        "approvalbatch": _l("choice of reports"),
        "mailmessage": _l("message"),
        "outboxjob": _l("job"),
        "passkey": _l("passkey"),
        "reporttemplate": _l("template"),
        "reportversion": _l("report"),
        "scan": _l("scan"),
        "user": _l("account"),
    }
)


def audit_row(entry: Entry, scans: Collection[str]) -> AuditRow:
    """`scans`: the ids of those that are still there."""
    event = entry.event
    return AuditRow(
        number=event.id,
        at=event.at,
        who=entry.actor
        or (
            _("The system") if event.origin in {"system", "worker", "web", "command line"} else _("A visitor")
        ),
        role=event.actor_role,
        action=event.action,
        words=ACTION_WORDS.get(event.action, event.action),
        subject_type=_SUBJECTS.get(event.subject_type, event.subject_type),
        subject_id=event.subject_id,
        subject_url=url_for("admin.scan", scan_id=event.subject_id) if event.subject_id in scans else None,
        detail=tuple((name.replace("_", " "), _plain(value)) for name, value in event.detail.items()),
        origin=event.origin,
    )


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)


@dataclass(frozen=True)
class JobRow:
    """One job that was given up. `elsewhere` leads to what it is about."""

    id: uuid.UUID
    what: str
    since: datetime
    given_up: datetime
    tries: str
    error: str
    again: bool
    elsewhere: tuple[str, str] | None  # words and address
    hint: str  # who else begins it again


_JOBS: Words[str] = Words(
    {
        "analyse_scan": _l("Analyse a scan"),
        "render_report": _l("Make a report"),
        "send_mail": _l("Send a message"),
    }
)
_QUEUES: Words[Queue] = Words(
    {
        Queue.INFERENCE: _l("Analyses"),
        Queue.REPORTS: _l("Reports"),
        Queue.MAIL: _l("Mail"),
        Queue.CODES: _l("Codes"),
    }
)


def job_rows(jobs: Sequence[OutboxJob]) -> list[JobRow]:
    """The page of given-up jobs, with one query for what they are about."""
    runs = [uuid.UUID(job.args[0]) for job in jobs if job.job == "analyse_scan" and job.args]
    scans = queries.scans_of_runs(runs)
    return [_job_row(job, scans) for job in jobs]


def _job_row(job: OutboxJob, scans: Mapping[uuid.UUID, uuid.UUID]) -> JobRow:
    scan_id = elsewhere = None
    if job.job == "send_mail":
        elsewhere = (_("See the mail that was not delivered"), url_for("admin.mail_log", state="failed"))
    elif job.job == "render_report" and job.args:
        scan_id = job.args[0]
    elif job.job == "analyse_scan" and job.args:
        scan_id = scans.get(uuid.UUID(job.args[0]))
    if scan_id is not None:
        elsewhere = (_("Open the scan"), url_for("admin.scan", scan_id=scan_id))
    return JobRow(
        id=job.id,
        what=_JOBS.get(job.job, job.job),
        since=job.created_at,
        given_up=job.failed_at or job.created_at,
        tries=_n("%(num)s try", "%(num)s tries", job.attempts),
        error=job.last_error,
        again=job.job == "send_mail" or may_try_again(job),
        elsewhere=elsewhere,
        hint=_("The doctor begins it again, on the page of the scan.") if job.job == "analyse_scan" else "",
    )


def queue_rows(backlog: Sequence[Backlog]) -> list[tuple[str, int, datetime | None]]:
    """Name, open jobs, and since when the oldest has waited."""
    return [(_QUEUES[each.queue], each.open, each.oldest) for each in backlog]
