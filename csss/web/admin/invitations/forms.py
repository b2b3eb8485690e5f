"""The form that invites somebody. It checks the format only; the rules are in the service."""

from wtforms import PasswordField, RadioField, StringField
from wtforms.fields.choices import SelectChoice

from csss.auth.models import InvitedRole
from csss.i18n import _l
from csss.people.roles import Role
from csss.web.auth.forms import tidy
from csss.web.forms import TextForm, one_line


class InviteForm(TextForm):
    """Name, e-mail address and role of the invited person, and the administrator's own password."""

    name = StringField(_l("Full name"), filters=[one_line])
    email = StringField(_l("E-mail address"), filters=[tidy])
    role = RadioField(
        _l("Role"),
        choices=lambda: [SelectChoice(role.value, Role(role.value).human) for role in InvitedRole],
        validate_choice=False,
    )
    current_password = PasswordField(_l("Your current password"))
