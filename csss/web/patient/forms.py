"""What a patient sends."""

from flask_wtf.file import FileField
from wtforms import Form, RadioField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import AnyOf

from csss.scans.presenters import KIND_NAMES
from csss.scans.states import ScanKind
from csss.web.forms import clean


class UploadForm(Form):
    """The picture is checked by `scans.intake`, the indication's length by the service."""

    file = FileField("Picture of the scan")
    kind = RadioField(
        "What does the picture show?",
        choices=[SelectChoice(kind.value, words) for kind, words in KIND_NAMES.items()],
        validate_choice=False,
        validators=[AnyOf([kind.value for kind in ScanKind], message="Choose what the picture shows.")],
    )
    indication = TextAreaField("Why was the scan made?", filters=[clean])
