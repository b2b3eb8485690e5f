"""The form for the hospital's settings. It checks the format only; the rules are in the services."""

from wtforms import BooleanField, FileField, StringField, TextAreaField

from csss.i18n import _l
from csss.web.auth.forms import check_phone, tidy
from csss.web.forms import TextForm, one_line


class HospitalForm(TextForm):
    """Texts of the hospital, and two files that are read beside the form."""

    name = StringField(_l("Name of the hospital"), filters=[one_line])
    address = TextAreaField(_l("Address"), filters=[tidy])
    telephone = StringField(_l("Telephone"), [check_phone], filters=[tidy])
    letterhead = StringField(_l("Line of the letterhead"), filters=[one_line])
    logo = FileField(_l("New logo"))
    without_logo = BooleanField(_l("Show no logo"))
    formulary = FileField(_l("New file of medicines"))
    without_formulary = BooleanField(_l("Use the list that CSSS comes with"))
