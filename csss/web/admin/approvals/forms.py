"""Forms for approving. They check the format only; the rules are in the services."""

from wtforms import Form, RadioField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.i18n import _l
from csss.scans.presenters import Words
from csss.scans.states import HoldFor
from csss.web.forms import clean

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
        """Offer only those people who have written something."""
        self.to.choices = [SelectChoice(role.value, HOLD_WORDS[role]) for role in roles]
        if len(roles) == 1 and not self.to.data:
            self.to.data = roles[0].value
        return self
