"""The form that a patient sends."""

from flask_wtf.file import FileField
from wtforms import Form, RadioField, StringField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import AnyOf

from csss.i18n import _l
from csss.scans.presenters import KIND_NAMES
from csss.scans.states import ScanKind
from csss.web.forms import clean


class UploadForm(Form):
    """The picture is checked by `scans.intake`, the indication's length by the service."""

    file = FileField(_l("Picture of the scan"))
    upload = (
        StringField()
    )  # instead of the file: the id of an upload that came in pieces (csss.scans.uploads)
    sure = (
        StringField()
    )  # what the patient was asked about this picture, answered with yes (csss.scans.doubts)
    kind = RadioField(
        _l("What does the picture show?"),
        choices=lambda: [SelectChoice(kind.value, words) for kind, words in KIND_NAMES.items()],
        validate_choice=False,
        validators=[AnyOf([kind.value for kind in ScanKind], message=_l("Choose what the picture shows."))],
    )
    indication = TextAreaField(_l("Why was the scan made?"), filters=[clean])
