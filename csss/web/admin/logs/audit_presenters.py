"""Audit events in an administrator's words."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from csss.audit.queries import Entry
from csss.i18n import _, _l
from csss.scans.presenters import Words


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
        "model.chosen": _l("Put a version of the classifier in use"),
        "model.recalibrated": _l("Fitted the classifier to this hospital"),
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
        "scan.exported_for_study": _l("Handed a scan to the readers of a study"),
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
        "study.drawn": _l("Drew the sample of a study"),
        "study.exported": _l("Exported a study"),
        "study.read_in": _l("Took over readings of a study"),
        "study.reported": _l("Made the report of a study"),
        "settings.changed": _l("Started with other settings"),
        "request.throttled": _l("Refused after too many tries"),
        "watch.alarm_opened": _l("Pictures or answers of the classifier have changed"),
        "watch.alarm_closed": _l("Closed an alarm about a change"),
        "watch.alarm_seen": _l("Saw an alarm about a change"),
    }
)
_SUBJECTS: Words[str] = Words(
    {
        "approvalbatch": _l("choice of reports"),
        "mailmessage": _l("message"),
        "model": _l("classifier"),
        "outboxjob": _l("job"),
        "passkey": _l("passkey"),
        "reporttemplate": _l("template"),
        "reportversion": _l("report"),
        "scan": _l("scan"),
        "study": _l("study"),
        "user": _l("account"),
        "watchalarm": _l("alarm"),
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
