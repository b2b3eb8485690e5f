"""What an administrator types to erase a patient. Shape only; the rules stand in the services."""

from wtforms import Form, StringField, TextAreaField

from csss.i18n import _l
from csss.web.forms import clean


class EraseForm(Form):
    """Erasing a patient. The MRN is typed, so that nobody erases the one on the next line."""

    reason = TextAreaField(_l("Reason"), filters=[clean])
    mrn = StringField(_l("MRN of this patient"))
    code = StringField(_l("Code"))
    passkey = StringField()
