"""The form for erasing a patient. It checks the format only; the rules are in the services."""

from wtforms import Form, StringField, TextAreaField

from csss.i18n import _l
from csss.web.forms import clean


class EraseForm(Form):
    """The form for erasing a patient. The MRN has to be typed, so that nobody erases the wrong patient by mistake."""

    reason = TextAreaField(_l("Reason"), filters=[clean])
    mrn = StringField(_l("MRN of this patient"))
    code = StringField(_l("Code"))
    passkey = StringField()
