"""The form that corrects a patient's details. It checks the format only; the rules are in the service."""

from wtforms import PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.auth.patient_corrections import Details
from csss.i18n import _l
from csss.scans.presenters import SEX_NAMES
from csss.web.auth.forms import tidy
from csss.web.forms import TextForm, one_line


class DetailsForm(TextForm):
    """Name, e-mail address, birth date, sex, the reason, and the administrator's own password."""

    name = StringField(_l("Full name"), filters=[one_line])
    email = StringField(_l("E-mail address"), filters=[tidy])
    date_of_birth = StringField(_l("Date of birth"), filters=[tidy])
    sex = SelectField(
        _l("Sex"),
        choices=lambda: [SelectChoice(sex.value, words) for sex, words in SEX_NAMES.items()],
        validate_choice=False,
    )
    reason = TextAreaField(_l("Reason"), filters=[tidy])
    current_password = PasswordField(_l("Your current password"))

    @property
    def typed(self) -> Details:
        """The details as they were typed."""
        return Details(
            self.name.data or "", self.email.data or "", self.date_of_birth.data or "", self.sex.data or ""
        )
