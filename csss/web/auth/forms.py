"""The forms for signing in and registering. Their rules are in csss.auth."""

import re
from datetime import date
from typing import Any

from wtforms import DateField, HiddenField, PasswordField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, StopValidation

from csss.auth import accounts
from csss.clock import now
from csss.errors import Invalid
from csss.i18n import _, _l
from csss.people.models import Sex
from csss.people.roles import Role
from csss.scans.presenters import SEX_NAMES
from csss.web.forms import TextForm, clean, one_line

OLDEST_YEAR = 1900
_PHONE = re.compile(r"[+(0-9][0-9 ()/.-]{4,38}[0-9]")


def tidy(text: str | None) -> str | None:
    """The text as it may be stored, without spaces around it."""
    return clean(text).strip() if text else text


def filled(sentence: str) -> InputRequired:
    """A validator for a field that needs more than spaces. `sentence` is shown when it is empty."""

    class Filled(InputRequired):
        def __call__(self, form: Any, field: Any) -> None:
            if not field.data:
                field.errors[:] = []
                raise StopValidation(sentence)

    return Filled(sentence)


def check_phone(form: Any, field: Any) -> None:
    """Check a phone number: digits with the characters that people put between them; it may be empty."""
    if field.data and not _PHONE.fullmatch(field.data):
        raise StopValidation(_("A phone number has 6 to 40 digits, for example +91 44 5550 0100."))


class DayField(DateField):
    """A date field; for an unreadable date it shows our own sentence."""

    data: date | None

    def process_formdata(self, valuelist: list[str]) -> None:
        if not any(text.strip() for text in valuelist):
            self.data = None
            return
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(_("Enter a date as year-month-day, for example 1980-02-29.")) from None


class LoginForm(TextForm):
    email = StringField(_l("E-mail address"), filters=[tidy])
    password = PasswordField(_l("Password"))
    next = HiddenField(filters=[tidy])


class ForgotForm(TextForm):
    email = StringField(_l("E-mail address"), [filled(_l("Enter the e-mail address."))], filters=[tidy])


class NewPasswordForm(TextForm):
    new_password = PasswordField(_l("New password"))


class CodeForm(TextForm):
    """The six digits, from the mail or the authenticator app."""

    code = StringField(_l("Six-digit code"), [filled(_l("Enter the six-digit code."))], filters=[tidy])


class RecoveryForm(TextForm):
    """The same field in a form of its own, since a recovery code looks different and is longer."""

    code = StringField(
        _l("Recovery code"), [filled(_l("Enter a recovery code."))], id="recovery-code", filters=[tidy]
    )


class RegisterForm(TextForm):
    """The form for a new account. Fields that only patients have are checked only for patients."""

    role = RadioField(
        _l("I am registering as"),
        choices=[
            SelectChoice(Role.PATIENT.value, _l("Patient")),
            SelectChoice(Role.DOCTOR.value, _l("Doctor")),
            SelectChoice(Role.PHARMACIST.value, _l("Pharmacist")),
            SelectChoice(Role.ADMIN.value, _l("Administrator")),
        ],
        default=Role.PATIENT,
        validate_choice=False,
    )
    name = StringField(
        _l("Full name"),
        [
            filled(_l("Enter the name.")),
            Length(max=120, message=_l("The name can have at most 120 characters.")),
        ],
        filters=[one_line],
    )
    email = StringField(_l("E-mail address"), [filled(_l("Enter the e-mail address."))], filters=[tidy])
    password = PasswordField(_l("Password"))
    date_of_birth = DayField(_l("Date of birth"))
    sex = SelectField(
        _l("Sex"),
        choices=lambda: [
            SelectChoice("", _l("Choose…")),
            *(SelectChoice(sex.value, words) for sex, words in SEX_NAMES.items()),
        ],
        validate_choice=False,
    )
    phone = StringField(_l("Phone"), filters=[tidy])

    @property
    def chosen_role(self) -> Role | None:
        return Role(self.role.data) if self.role.data in set(Role) else None

    def validate_role(self, field: Any) -> None:
        if self.chosen_role is None:
            raise StopValidation(_("Choose one of the four."))

    def validate_email(self, field: Any) -> None:
        if field.data:
            try:
                accounts.normal_email(field.data)
            except Invalid as refusal:  # not `try_step`: no step, a validator
                raise StopValidation(refusal.errors["email"]) from None

    def validate_password(self, field: Any) -> None:
        email, name = self.email.data or "", self.name.data or ""
        if problem := accounts.password_problem(field.data or "", email=email, name=name):
            raise StopValidation(problem)

    def validate_phone(self, field: Any) -> None:
        if self.chosen_role is Role.PATIENT:
            check_phone(self, field)

    def validate_sex(self, field: Any) -> None:
        if self.chosen_role is Role.PATIENT and field.data not in set(Sex):
            raise StopValidation(_("Choose one; “Not stated” is an answer too."))

    def validate_date_of_birth(self, field: Any) -> None:
        if self.chosen_role is not Role.PATIENT:
            field.errors = []  # staff are not asked for it, so its value does not matter
            raise StopValidation
        if field.errors:
            return
        if field.data is None:
            raise StopValidation(_("Enter the date of birth."))
        if not OLDEST_YEAR <= field.data.year <= now().year + 1:
            raise StopValidation(_("Check the year of birth."))
