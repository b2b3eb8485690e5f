"""What an administrator types. Shape only; the rules stand in the services."""

from collections.abc import Callable, Mapping
from typing import Any

from wtforms import DateField, Form, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.i18n import _, _l
from csss.notices.models import MailKind, MailState
from csss.people.models import AccountState
from csss.people.roles import Role
from csss.scans.presenters import Words
from csss.scans.states import HoldFor
from csss.web.forms import TextForm, clean

HOLD_WORDS: Words[HoldFor] = Words(
    {
        HoldFor.DOCTOR: _l("The doctor: findings, impression or diagnosis"),
        HoldFor.PHARMACIST: _l("The pharmacist: the prescription"),
    }
)


class QueueFilter(Form):
    q = StringField(_l("Patient’s name or MRN"))


class ApproveForm(Form):
    """A code of any of the three kinds, or a passkey's answer."""

    code = StringField(_l("Code"))
    passkey = StringField()


class HoldForm(Form):
    """A question to the doctor or the pharmacist."""

    to = RadioField(_l("Who has to correct something?"), choices=[], validate_choice=False)
    note = TextAreaField(_l("What has to be corrected?"), filters=[clean])

    def offer(self, roles: list[HoldFor]) -> "HoldForm":
        """Only those can be asked who have written something."""
        self.to.choices = [SelectChoice(role.value, HOLD_WORDS[role]) for role in roles]
        if len(roles) == 1 and not self.to.data:
            self.to.data = roles[0].value
        return self


class LegalHoldForm(Form):
    """Why a patient’s data has to be kept, or need not be kept any more."""

    reason = TextAreaField(_l("Reason"), filters=[clean])


class PasswordAgain(TextForm):
    """The administrator's own password, for a step that lets somebody in (`csss.web.account.password_again`)."""

    current_password = PasswordField(_l("Your current password"))


class EraseForm(Form):
    """Erasing a patient. The MRN is typed, so that nobody erases the one on the next line."""

    reason = TextAreaField(_l("Reason"), filters=[clean])
    mrn = StringField(_l("MRN of this patient"))
    code = StringField(_l("Code"))
    passkey = StringField()


STATE_WORDS: Words[AccountState] = Words(
    {
        AccountState.WAITING: _l("Waiting for approval"),
        AccountState.ACTIVE: _l("Active"),
        AccountState.REFUSED: _l("Refused"),
        AccountState.DEACTIVATED: _l("Deactivated"),
    }
)
MAIL_KIND_WORDS: Words[MailKind] = Words(
    {
        MailKind.CODE: _l("One-time code"),
        MailKind.CONFIRM_ADDRESS: _l("Address to confirm"),
        MailKind.ACCOUNT_APPROVED: _l("Account approved"),
        MailKind.REPORT_READY: _l("Report"),
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
        MailKind.ADDRESS_TAKEN: _l("Registered twice"),
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


def _choices(words: Mapping[Any, str]) -> Callable[[], list[SelectChoice]]:
    """Every member with its words, after “All”; made anew for each reader."""

    def choices() -> list[SelectChoice]:
        return [
            SelectChoice("", _("All")),
            *(SelectChoice(str(value), name) for value, name in words.items()),
        ]

    return choices


def _role_choices() -> list[SelectChoice]:
    return _choices({role: role.human for role in Role})()


class AccountFilter(Form):
    q = StringField(_l("Name or e-mail address"))
    role = SelectField(_l("Role"), choices=_role_choices)
    state = SelectField(_l("State"), choices=_choices(STATE_WORDS))


class MailFilter(Form):
    q = StringField(_l("Name or e-mail address"))
    kind = SelectField(_l("About"), choices=_choices(MAIL_KIND_WORDS))
    state = SelectField(_l("State"), choices=_choices(MAIL_STATE_WORDS))


ACTION_GROUPS: Words[str] = Words(
    {
        "scan.": _l("Scans"),
        "approval.": _l("Approving several reports"),
        "report.": _l("Reports"),
        "report_template.": _l("Templates of findings"),
        "prescription.": _l("Warnings about prescriptions"),
        "prescription_template.": _l("Prescription templates"),
        "account.": _l("Accounts"),
        "patient.": _l("Legal holds and erasing"),
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
        "backup.": _l("Backups"),
        "statistics.": _l("Statistics"),
        "audit.": _l("The audit log itself"),
    }
)


class AuditFilter(Form):
    person = StringField(_l("Person"))
    action = SelectField(_l("What"), choices=_choices(ACTION_GROUPS))
    subject = StringField(_l("MRN or number"))
    day_from = DateField(_l("From"), name="from")
    day_to = DateField(_l("To"), name="to")

    def offer_action(self) -> None:
        """A single action comes from a link in the list; it is then one of the choices, so that it is seen."""
        asked = self.action.data
        if asked and asked not in ACTION_GROUPS:
            self.action.choices = [
                *(self.action.choices or []),
                SelectChoice(asked, _("Only “%(action)s”", action=asked)),
            ]
