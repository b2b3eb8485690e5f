"""The forms of the account page, one for each section."""

import json
from typing import Any

from werkzeug.datastructures import MultiDict
from wtforms import PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

from csss.auth.accounts import OF_THE_ACCOUNT
from csss.auth.passkeys.models import NAME_MAX
from csss.i18n import _l
from csss.people.models import User
from csss.people.roles import Role
from csss.web.auth.forms import check_phone, filled, tidy
from csss.web.forms import TextForm, one_line

BLOOD_GROUPS = ("A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-")
LONGEST_TEXT = 2000


def _at_most(length: int) -> Length:
    return Length(max=length, message=_l("At most %(length)s characters fit here.", length=length))


class ProfileForm(TextForm):
    """What everybody may change."""

    name = StringField(_l("Full name"), [filled(_l("Enter the name.")), _at_most(120)], filters=[one_line])


class SignerForm(ProfileForm):
    """What people whose names stand under a report may change besides."""

    registration_number = StringField(_l("Registration number"), [_at_most(60)], filters=[one_line])
    specialty = StringField(_l("Specialty"), [_at_most(80)], filters=[one_line])


class PatientForm(ProfileForm):
    """What patients may change besides."""

    phone = StringField(_l("Phone"), [check_phone], filters=[tidy])
    address = TextAreaField(_l("Address"), [_at_most(LONGEST_TEXT)], filters=[tidy])
    blood_group = SelectField(
        _l("Blood group"),
        choices=[
            SelectChoice("", _l("Not known")),
            *(SelectChoice(group, group.replace("-", "−")) for group in BLOOD_GROUPS),
        ],
    )
    allergies = TextAreaField(_l("Allergies"), [_at_most(LONGEST_TEXT)], filters=[tidy])
    emergency_contact_name = StringField(_l("Emergency contact: name"), [_at_most(120)], filters=[one_line])
    emergency_contact_phone = StringField(_l("Emergency contact: phone"), [check_phone], filters=[tidy])


class PassphraseForm(TextForm):
    report_passphrase = PasswordField(
        _l("Report pass phrase"), [filled(_l("Enter the pass phrase."))], filters=[tidy]
    )
    current_password = PasswordField(_l("Current password"), id="passphrase-password")


class RemovePassphraseForm(TextForm):
    current_password = PasswordField(_l("Current password"), id="remove-passphrase-password")


class RecoveryCodesForm(TextForm):
    current_password = PasswordField(_l("Current password"), id="recovery-password")


class PasswordForm(TextForm):
    current_password = PasswordField(_l("Current password"))
    new_password = PasswordField(_l("New password"))


class RemoveAppForm(TextForm):
    """A current code proves that the owner removes the app, not somebody else at an unlocked screen."""

    code = StringField(
        _l("Code from the app, or a recovery code"),
        [InputRequired()],
        id="remove-code",
        filters=[tidy],
    )


class SetUpAppForm(TextForm):
    code = StringField(
        _l("Six-digit code from the app"), [filled(_l("Enter the six digits."))], filters=[tidy]
    )
    current_password = PasswordField(_l("Current password"))


class NewPasskeyForm(TextForm):
    """The password is asked for again: somebody at an unlocked screen must not be able to add a passkey."""

    name = StringField(
        _l("Name of this passkey"),
        [filled(_l("Give the passkey a name, such as “My phone”.")), _at_most(NAME_MAX)],
        filters=[one_line],
    )
    current_password = PasswordField(_l("Current password"))


class RemovePasskeyForm(TextForm):
    current_password = PasswordField(_l("Current password"))


def profile_form(user: User, sent: MultiDict[str, str] | None = None) -> tuple[ProfileForm, dict[str, Any]]:
    """The form filled from the person's record and from `sent`. Fields that were not sent keep their values, as do those
    that are sent as the page had shown them (`shown`): a page that was open for a day takes back no allergy that a
    pharmacist, and no spelling that an administrator has written meanwhile.
    """
    kind = _kind_for(user)
    kept = _kept(user, kind)
    sent_names = [name for name in kept if sent is not None and name in sent]
    if sent is None or not sent_names:
        return kind(formdata=None, data=kept), {}
    shown = _shown(sent)
    changed = {name: sent[name] for name in sent_names if tidy(sent[name]) != shown.get(name)}
    form = kind(formdata=MultiDict({**kept, **changed}))
    return form, {name: form[name].data or "" for name in sent_names}


def profile_shown(user: User) -> str:
    """What the form shows when it is opened, for its field `shown`."""
    return json.dumps(_kept(user, _kind_for(user)))


def _kind_for(user: User) -> type[ProfileForm]:
    if user.patient is not None:
        return PatientForm
    return SignerForm if user.role in {Role.DOCTOR, Role.PHARMACIST} else ProfileForm


def _kept(user: User, kind: type[ProfileForm]) -> dict[str, Any]:
    return {name: getattr(user if name in OF_THE_ACCOUNT else user.patient, name) for name in _names(kind)}


def _shown(sent: MultiDict[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(sent.get("shown", ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _names(kind: type[ProfileForm]) -> list[str]:
    return [name for name, field in kind(formdata=None)._fields.items() if name != "csrf_token"]
