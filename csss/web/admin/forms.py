"""What an administrator types. Shape only; the rules stand in the services."""

from wtforms import DateField, Form, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.auth.models import AccountState
from csss.auth.roles import Role
from csss.mail.models import MailKind, MailState
from csss.scans.states import HoldFor
from csss.web.forms import clean

HOLD_WORDS: dict[HoldFor, str] = {
    HoldFor.DOCTOR: "The doctor: findings, impression or diagnosis",
    HoldFor.PHARMACIST: "The pharmacist: the prescription",
}


class QueueFilter(Form):
    q = StringField("Patient’s name or MRN")


class ApproveForm(Form):
    """A code of any of the three kinds."""

    code = StringField("Code")


class HoldForm(Form):
    """A question to the doctor or the pharmacist."""

    to = RadioField("Who has to correct something?", choices=[], validate_choice=False)
    note = TextAreaField("What has to be corrected?", filters=[clean])

    def offer(self, roles: list[HoldFor]) -> "HoldForm":
        """Only those can be asked who have written something."""
        self.to.choices = [SelectChoice(role.value, HOLD_WORDS[role]) for role in roles]
        if len(roles) == 1 and not self.to.data:
            self.to.data = roles[0].value
        return self


STATE_WORDS: dict[AccountState, str] = {
    AccountState.WAITING: "Waiting for approval",
    AccountState.ACTIVE: "Active",
    AccountState.REFUSED: "Refused",
    AccountState.DEACTIVATED: "Deactivated",
}
MAIL_KIND_WORDS: dict[MailKind, str] = {
    MailKind.CODE: "One-time code",
    MailKind.CONFIRM_ADDRESS: "Address to confirm",
    MailKind.ACCOUNT_APPROVED: "Account approved",
    MailKind.REPORT_READY: "Report",
    MailKind.SCAN_CLOSED: "Scan closed",
}
MAIL_STATE_WORDS: dict[MailState, str] = {
    MailState.WAITING: "Waiting for the address",
    MailState.QUEUED: "To be sent",
    MailState.SENDING: "Being sent",
    MailState.SENT: "Sent",
    MailState.FAILED: "Not delivered",
    MailState.DROPPED: "Dropped",
}
ALL = SelectChoice("", "All")


class AccountFilter(Form):
    q = StringField("Name or e-mail address")
    role = SelectField("Role", choices=[ALL, *(SelectChoice(role.value, role.human) for role in Role)])
    state = SelectField(
        "State", choices=[ALL, *(SelectChoice(state.value, words) for state, words in STATE_WORDS.items())]
    )


class MailFilter(Form):
    q = StringField("Name or e-mail address")
    kind = SelectField(
        "About", choices=[ALL, *(SelectChoice(kind.value, words) for kind, words in MAIL_KIND_WORDS.items())]
    )
    state = SelectField(
        "State",
        choices=[ALL, *(SelectChoice(state.value, words) for state, words in MAIL_STATE_WORDS.items())],
    )


ACTION_GROUPS: dict[str, str] = {
    "scan.": "Scans",
    "report.": "Reports",
    "account.": "Accounts",
    "session.": "Signing in and out",
    "code.": "One-time codes",
    "second_factor.": "Second factors",
    "mail.": "Mail",
}


class AuditFilter(Form):
    person = StringField("Person")
    action = SelectField(
        "What", choices=[ALL, *(SelectChoice(prefix, words) for prefix, words in ACTION_GROUPS.items())]
    )
    subject = StringField("Number of the scan, account or report")
    day_from = DateField("From", name="from")
    day_to = DateField("To", name="to")

    def offer_action(self) -> None:
        """A single action comes from a link in the list; it is then one of the choices, so that it is seen."""
        asked = self.action.data
        if asked and asked not in ACTION_GROUPS:
            self.action.choices = [*(self.action.choices or []), SelectChoice(asked, f"Only “{asked}”")]
