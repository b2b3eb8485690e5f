"""What each action of the audit log is in a sentence: one line for each action. A new action gets its line here."""

from csss.i18n import _, _l
from csss.scans.presenters import Words

# `who` acted; `about` names the person, or the patient to whom a thing belongs.
ACTION_SENTENCES: Words[str] = Words(
    {
        "access.refused": _l("%(who)s was refused: %(about)s"),
        "account.address_confirmed": _l("%(who)s confirmed the e-mail address"),
        "account.approved": _l("%(who)s approved the account of %(about)s"),
        "account.confirmation_requested": _l("%(who)s asked for another confirmation link"),
        "account.created": _l("%(who)s made the account of %(about)s on the command line"),
        "account.deactivated": _l("%(who)s deactivated the account of %(about)s"),
        "account.invited": _l("%(who)s invited %(about)s"),
        "account.invitation_sent_again": _l("%(who)s sent the invitation of %(about)s again"),
        "account.invitation_withdrawn": _l("%(who)s withdrew the invitation of %(about)s"),
        "account.invitation_accepted": _l("%(who)s accepted an invitation and made the account"),
        "account.password_changed": _l("%(who)s changed their own password"),
        "account.password_refused": _l("%(who)s gave a wrong current password"),
        "account.password_reset_requested": _l("%(who)s asked for a link for a new password: %(about)s"),
        "account.password_reset": _l("%(who)s set a new password by a link"),
        "account.registered_again": _l(
            "%(who)s registered with the address of %(about)s, who has an account"
        ),
        "account.profile_changed": _l("%(who)s changed their own details"),
        "account.reactivated": _l("%(who)s reactivated the account of %(about)s"),
        "account.second_factor_reset": _l("%(who)s reset the second factor of %(about)s"),
        "account.sessions_ended": _l("%(who)s ended the sessions of %(about)s"),
        "account.refused": _l("%(who)s refused the account of %(about)s"),
        "account.registered": _l("%(who)s registered"),
        "account.report_passphrase_removed": _l("%(who)s removed the report pass phrase"),
        "account.report_passphrase_set": _l("%(who)s set the report pass phrase"),
        "account.viewed": _l("%(who)s looked at the account of %(about)s"),
        "audit.exported": _l("%(who)s exported the audit log"),
        "audit.sealed_late": _l("%(who)s sealed events of an earlier release"),
        "audit.verified": _l("%(who)s checked the audit log"),
        "audit.viewed": _l("%(who)s looked at the audit log"),
        "backup.made": _l("%(who)s made a backup"),
        "backup.restored": _l("%(who)s restored a backup"),
        "approval.batch_approved": _l("%(who)s approved several reports with one code"),
        "approval.batch_prepared": _l("%(who)s chose reports to approve together"),
        "code.accepted": _l("%(who)s showed the second factor"),
        "code.refused": _l("%(who)s gave a second factor that was refused"),
        "code.request_refused": _l("%(who)s asked for too many one-time codes"),
        "code.requested": _l("%(who)s asked for a one-time code"),
        "hospital.changed": _l("%(who)s changed the settings of the hospital"),
        "job.tried_again": _l("%(who)s had a given-up job tried again"),
        "job.set_aside": _l("%(who)s set a given-up job aside"),
        "mail.dropped": _l("%(who)s did not send a message to %(about)s, because it had become pointless"),
        "mail.failed": _l("%(who)s could not deliver a message to %(about)s"),
        "mail.sent": _l("%(who)s sent a message to %(about)s"),
        "mail.sent_again": _l("%(who)s had a message to %(about)s sent again"),
        "model.chosen": _l("%(who)s put a version of the classifier in use"),
        "model.recalibrated": _l("%(who)s fitted the classifier to this hospital"),
        "passkey.added": _l("%(who)s registered a passkey"),
        "passkey.refused": _l("%(who)s showed a passkey that was refused"),
        "passkey.removed": _l("%(who)s removed a passkey"),
        "passkey.used": _l("%(who)s showed a passkey"),
        "patient.corrected": _l("%(who)s corrected the details of %(about)s"),
        "patient.erased": _l("%(who)s erased %(about)s"),
        "patient.hold_lifted": _l("%(who)s lifted the legal hold on %(about)s"),
        "patient.hold_placed": _l("%(who)s placed a legal hold on %(about)s"),
        "prescription.facts_stated": _l("%(who)s stated what prescribing needs to know of %(about)s"),
        "prescription.recalled": _l("%(who)s recalled the prescription of %(about)s"),
        "prescription.warning_overridden": _l("%(who)s set a warning aside: %(about)s"),
        "prescription_template.kept": _l("%(who)s kept a prescription template"),
        "prescription_template.removed": _l("%(who)s removed a prescription template"),
        "report.downloaded": _l("%(who)s opened the report of %(about)s"),
        "report.previewed": _l("%(who)s previewed the report of %(about)s"),
        "report.stored": _l("%(who)s stored the report of %(about)s"),
        "report_template.kept": _l("%(who)s kept a template of findings"),
        "report_template.removed": _l("%(who)s removed a template of findings"),
        "scan.answer_revealed": _l(
            "%(who)s kept a first impression of a scan of %(about)s and saw the classifier’s answer"
        ),
        "scan.opened_by_doctor": _l("%(who)s opened a scan of %(about)s as the first doctor"),
        "scan.withdrawn": _l("%(who)s withdrew a scan"),
        "scan.opened_by_pharmacist": _l("%(who)s opened a signed scan of %(about)s as the first pharmacist"),
        "scan.signature_taken_back": _l("%(who)s took back the signature of a scan of %(about)s"),
        "scan.signed_again": _l("%(who)s signed a scan of %(about)s again"),
        "scan.addendum_added": _l("%(who)s added an addendum to the report of %(about)s"),
        "scan.analysis_failed": _l("%(who)s could not analyse the scan of %(about)s"),
        "scan.analysis_requested": _l("%(who)s started the analysis of the scan of %(about)s"),
        "scan.assigned": _l("%(who)s assigned a scan of %(about)s to a doctor"),
        "scan.given_back": _l("%(who)s ended the assignment of a scan of %(about)s"),
        "scan.second_reading_asked": _l("%(who)s asked for a second reading of a scan of %(about)s"),
        "scan.second_reading_ended": _l("%(who)s ended the request for a second reading of %(about)s"),
        "scan.second_reading_written": _l("%(who)s wrote the second reading of a scan of %(about)s"),
        "scan.closed": _l("%(who)s closed the scan of %(about)s"),
        "scan.critical_acknowledged": _l("%(who)s took note of the critical result of %(about)s"),
        "scan.critical_escalated": _l(
            "%(who)s told administrators and the doctor that nobody has taken note of the critical result of %(about)s"
        ),
        "scan.critical_withdrawn": _l("%(who)s withdrew or changed the critical result of %(about)s"),
        "scan.marked_critical": _l("%(who)s marked a critical result of %(about)s"),
        "scan.exported_for_study": _l("%(who)s handed the scan of %(about)s to the readers of a study"),
        "scan.held": _l("%(who)s put the scan of %(about)s on hold"),
        "scan.heatmap_viewed": _l("%(who)s looked at the heat map of %(about)s"),
        "scan.hold_lifted": _l("%(who)s lifted the hold on the scan of %(about)s"),
        "scan.image_viewed": _l("%(who)s looked at the picture of %(about)s"),
        "scan.kind_corrected": _l("%(who)s corrected the kind of the scan of %(about)s"),
        "scan.prescription_corrected": _l("%(who)s corrected the prescription of %(about)s"),
        "scan.priority_changed": _l("%(who)s changed the priority of the scan of %(about)s"),
        "scan.read_without_classifier": _l("%(who)s reads the scan of %(about)s without the classifier"),
        "scan.review_corrected": _l("%(who)s corrected the reading of %(about)s"),
        "scan.status_changed": _l("%(who)s moved the scan of %(about)s on"),
        "scan.submitted": _l("%(who)s uploaded a scan: %(about)s"),
        "scan.viewed": _l("%(who)s looked at the scan of %(about)s"),
        "second_factor.authenticator_added": _l("%(who)s added an authenticator app"),
        "second_factor.authenticator_removed": _l("%(who)s removed the authenticator app"),
        "second_factor.recovery_codes_made": _l("%(who)s made recovery codes"),
        "secret_key.changed": _l("%(who)s changed the secret key"),
        "session.began": _l("%(who)s signed in"),
        "session.ended": _l("%(who)s signed out"),
        "session.others_ended": _l("%(who)s ended the other sessions"),
        "session.refused": _l("%(who)s was refused at sign-in"),
        "statistics.exported": _l("%(who)s exported the statistics"),
        "study.drawn": _l("%(who)s drew the sample of a study"),
        "study.exported": _l("%(who)s exported a study"),
        "study.read_in": _l("%(who)s took over readings of a study"),
        "study.reported": _l("%(who)s made the report of a study"),
        "watch.alarm_closed": _l("%(who)s closed an alarm about a change: %(about)s"),
        "watch.alarm_opened": _l(
            "%(who)s noticed that pictures or answers of the classifier have changed: %(about)s"
        ),
        "watch.alarm_seen": _l("%(who)s saw an alarm about a change: %(about)s"),
        "settings.changed": _l("%(who)s started with other settings"),
        "request.throttled": _l("%(who)s was refused after too many tries"),
    }
)
# What people only looked at. The own looks of whoever reads the log are folded.
VIEWS = frozenset(
    {
        "account.viewed",
        "audit.viewed",
        "report.previewed",
        "scan.heatmap_viewed",
        "scan.image_viewed",
        "scan.viewed",
    }
)


def sentence(action: str, *, who: str, about: str) -> str:
    """The sentence for one event; an action of another release stands as it is stored."""
    if action not in ACTION_SENTENCES:
        return f"{who}: {action}"
    return ACTION_SENTENCES[action] % {"who": who, "about": about or _("nothing that has a name")}
