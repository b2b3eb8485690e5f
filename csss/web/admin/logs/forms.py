"""The filters above the mail log and the audit log."""

from wtforms import DateField, Form, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from csss.i18n import _, _l
from csss.notices.models import MailKind, MailState
from csss.scans.presenters import Words
from csss.web.admin.filter_choices import choices_with_all

MAIL_KIND_WORDS: Words[MailKind] = Words(
    {
        MailKind.CODE: _l("One-time code"),
        MailKind.CONFIRM_ADDRESS: _l("Address to confirm"),
        MailKind.ACCOUNT_APPROVED: _l("Account approved"),
        MailKind.REPORT_READY: _l("Report"),
        MailKind.SCAN_RECEIVED: _l("Receipt of a scan"),
        MailKind.SCAN_CLOSED: _l("Scan closed"),
        MailKind.RESET_PASSWORD: _l("Link for a new password"),
        MailKind.PASSWORD_CHANGED: _l("Password changed"),
        MailKind.PASSKEY_ADDED: _l("Passkey added"),
        MailKind.PASSKEY_REMOVED: _l("Passkey removed"),
        MailKind.APP_ADDED: _l("Authenticator app added"),
        MailKind.APP_REMOVED: _l("Authenticator app removed"),
        MailKind.RECOVERY_CODES_MADE: _l("Recovery codes made"),
        MailKind.SECOND_FACTOR_RESET: _l("Second factor reset"),
        MailKind.PASSPHRASE_SET: _l("Report pass phrase set"),
        MailKind.PASSPHRASE_REMOVED: _l("Report pass phrase removed"),
        MailKind.DETAILS_CORRECTED: _l("Details corrected"),
        MailKind.ADDRESS_MOVED: _l("Address changed"),
        MailKind.INVITATION: _l("Invitation"),
        MailKind.RECORD_INVITATION: _l("Code to open a record"),
        MailKind.CONFIRM_RECORD_ADDRESS: _l("Address of a record to confirm"),
        MailKind.RECORD_REPORT: _l("Report, without an account"),
        MailKind.ADDRESS_TAKEN: _l("Registered twice"),
        MailKind.CRITICAL_RESULT: _l("Critical result"),
        MailKind.CRITICAL_OVERDUE: _l("Critical result that waits"),
        MailKind.CRITICAL_WITHDRAWN: _l("Critical result withdrawn"),
        MailKind.SCAN_ASSIGNED: _l("Scan assigned"),
        MailKind.SECOND_READING: _l("Second reading"),
        MailKind.WATCH_ALARM: _l("Change of pictures or answers"),
    }
)
MAIL_STATE_WORDS: Words[MailState] = Words(
    {
        MailState.WAITING: _l("Waiting for the address"),
        MailState.QUEUED: _l("To be sent"),
        MailState.SENDING: _l("Being sent"),
        MailState.SENT: _l("Sent"),
        MailState.FAILED: _l("Not delivered"),
        MailState.DROPPED: _l("Dropped"),
    }
)


class MailFilter(Form):
    q = StringField(_l("Name or e-mail address"))
    kind = SelectField(_l("About"), choices=choices_with_all(MAIL_KIND_WORDS))
    state = SelectField(_l("State"), choices=choices_with_all(MAIL_STATE_WORDS))


ACTION_GROUPS: Words[str] = Words(
    {
        "scan.": _l("Scans"),
        "approval.": _l("Approving several reports"),
        "report.": _l("Reports"),
        "report_template.": _l("Templates of findings"),
        "prescription.": _l("Prescriptions: warnings, facts, recalls"),
        "prescription_template.": _l("Prescription templates"),
        "account.": _l("Accounts"),
        "patient.": _l("Patients’ records, legal holds and erasing"),
        "session.": _l("Signing in and out"),
        "code.": _l("One-time codes"),
        "second_factor.": _l("Second factors"),
        "secret_key.": _l("The secret key"),
        "access.": _l("Refusals"),
        "request.": _l("Too many tries"),
        "passkey.": _l("Passkeys"),
        "mail.": _l("Mail"),
        "job.": _l("Jobs"),
        "settings.": _l("Settings"),
        "hospital.": _l("The hospital’s name, logo and formulary"),
        "backup.": _l("Backups"),
        "statistics.": _l("Statistics"),
        "study.": _l("Validation studies"),
        "model.": _l("Versions of the classifier"),
        "watch.": _l("The watch on the classifier"),
        "audit.": _l("The audit log itself"),
    }
)


class AuditFilter(Form):
    person = StringField(_l("Person"))
    action = SelectField(_l("What"), choices=choices_with_all(ACTION_GROUPS))
    subject = StringField(_l("MRN or number"))
    day_from = DateField(_l("From"), name="from")
    day_to = DateField(_l("To"), name="to")

    def offer_action(self) -> None:
        """Add a single action to the choices, so that it is visible; it comes from a link in the list."""
        asked = self.action.data
        if asked and asked not in ACTION_GROUPS:
            self.action.choices = [
                *(self.action.choices or []),
                SelectChoice(asked, _("Only “%(action)s”", action=asked)),
            ]
