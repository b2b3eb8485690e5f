"""Forms about accounts. They check the format only; the rules are in the services."""

from wtforms import Form, PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.i18n import _l
from csss.people.models import AccountState
from csss.people.roles import Role
from csss.scans.presenters import Words
from csss.web.admin.filter_choices import choices_with_all
from csss.web.forms import TextForm, clean


class LegalHoldForm(Form):
    """Why a patient’s data has to be kept, or need not be kept any more."""

    reason = TextAreaField(_l("Reason"), filters=[clean])


class PasswordAgain(TextForm):
    """The administrator's own password, for a step that lets somebody sign in (`csss.web.account.password_again`)."""

    current_password = PasswordField(_l("Your current password"))


STATE_WORDS: Words[AccountState] = Words(
    {
        AccountState.WAITING: _l("Waiting for approval"),
        AccountState.ACTIVE: _l("Active"),
        AccountState.REFUSED: _l("Refused"),
        AccountState.DEACTIVATED: _l("Deactivated"),
    }
)


def _role_choices() -> list[SelectChoice]:
    return choices_with_all({role: role.human for role in Role})()


class AccountFilter(Form):
    q = StringField(_l("Name or e-mail address"))
    role = SelectField(_l("Role"), choices=_role_choices)
    state = SelectField(_l("State"), choices=choices_with_all(STATE_WORDS))
