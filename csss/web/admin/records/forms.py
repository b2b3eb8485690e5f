"""The forms of the front desk. They check the format only; the rules are in the services."""

from wtforms import BooleanField, Form, PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.auth.patient_corrections import Details
from csss.i18n import _l
from csss.records.services import Contact, Typed
from csss.scans.presenters import SEX_NAMES
from csss.web.auth.forms import tidy
from csss.web.forms import TextForm, one_line


def _sexes() -> list[SelectChoice]:
    return [SelectChoice(sex.value, words) for sex, words in SEX_NAMES.items()]


class PatientFilter(Form):
    q = StringField(_l("Name, MRN or another number"))


class NewPatientForm(TextForm):
    """A new record. `another` is offered once there are similar records."""

    name = StringField(_l("Full name"), filters=[one_line])
    date_of_birth = StringField(_l("Date of birth"), filters=[tidy])
    sex = SelectField(_l("Sex"), choices=_sexes, validate_choice=False, default="unknown")
    mrn = StringField(_l("MRN"), filters=[one_line])
    mrn_issuer = StringField(_l("Who has given the MRN"), filters=[one_line])
    email = StringField(_l("E-mail address"), filters=[tidy])
    phone = StringField(_l("Phone"), filters=[one_line])
    address = TextAreaField(_l("Address"), filters=[tidy])
    allergies = TextAreaField(_l("Allergies"), filters=[tidy])
    another = BooleanField(_l("I have looked at these records: this is somebody else"))

    @property
    def typed(self) -> Typed:
        return Typed(
            name=self.name.data or "",
            date_of_birth=self.date_of_birth.data or "",
            sex=self.sex.data or "",
            mrn=self.mrn.data or "",
            mrn_issuer=self.mrn_issuer.data or "",
            email=self.email.data or "",
            phone=self.phone.data or "",
            address=self.address.data or "",
            allergies=self.allergies.data or "",
        )


class EditPatientForm(TextForm):
    """The details of a record without an account, with the reason for what identifies the patient."""

    name = StringField(_l("Full name"), filters=[one_line])
    date_of_birth = StringField(_l("Date of birth"), filters=[tidy])
    sex = SelectField(_l("Sex"), choices=_sexes, validate_choice=False)
    email = StringField(_l("E-mail address"), filters=[tidy])
    phone = StringField(_l("Phone"), filters=[one_line])
    address = TextAreaField(_l("Address"), filters=[tidy])
    allergies = TextAreaField(_l("Allergies"), filters=[tidy])
    reason = TextAreaField(
        _l("Reason"), filters=[tidy], id="edit-reason"
    )  # a legal hold on the page has one, too
    current_password = PasswordField(_l("Your current password"))

    @property
    def details(self) -> Details:
        return Details(
            self.name.data or "", self.email.data or "", self.date_of_birth.data or "", self.sex.data or ""
        )

    @property
    def contact(self) -> Contact:
        return Contact(self.phone.data or "", self.address.data or "", self.allergies.data or "")


class NumberForm(TextForm):
    number = StringField(_l("Number"), filters=[one_line])
    issuer = StringField(_l("Who has given it"), filters=[one_line])


class InvitePatientForm(TextForm):
    """One form with two buttons: print a slip, or mail to this address."""

    email = StringField(_l("E-mail address"), filters=[tidy], id="invite-email")
    current_password = PasswordField(_l("Your current password"), id="invite-password")


class OtherRecordForm(Form):
    other = StringField(_l("MRN of the other record"))


class MergeForm(TextForm):
    """The reason, and one tick for each difference."""

    reason = TextAreaField(_l("Reason"), filters=[tidy])
    name = BooleanField(_l("The names differ, and it is one person all the same"))
    date_of_birth = BooleanField(_l("The birth dates differ, and it is one person all the same"))
    sex = BooleanField(_l("The sexes differ, and it is one person all the same"))
    accounts = BooleanField(_l("Both have an account: the one of the other record is closed"))

    def confirmed(self) -> set[str]:
        ticks = (self.name, self.date_of_birth, self.sex, self.accounts)
        return {each.short_name for each in ticks if each.data}


class SeparateForm(TextForm):
    reason = TextAreaField(_l("Why they are two people"), filters=[tidy], id="separate-reason")
