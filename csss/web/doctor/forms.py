"""What a doctor sends. Whether it may be accepted is decided by the services."""

from typing import Any

from wtforms import BooleanField, Form, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import AnyOf

from csss.scans.models import Review, Scan
from csss.scans.presenters import PRIORITY_NAMES
from csss.scans.services import Reading, needs_own_reading
from csss.scans.states import Agreement, Priority
from csss.web.forms import clean

_AGREEMENT_WORDS: dict[Agreement, str] = {
    Agreement.AGREE: "I agree",
    Agreement.PARTLY: "I agree in part",
    Agreement.DISAGREE: "I disagree",
}


class FilterForm(Form):
    """How the worklist is searched and sorted; `status` is kept beside."""

    q = StringField("Name or MRN", filters=[clean])
    sort = SelectField(
        "Order",
        choices=[
            SelectChoice("priority", "Urgent first"),
            SelectChoice("waiting", "Longest waiting"),
            SelectChoice("newest", "Newest"),
        ],
    )


class ReviewForm(Form):
    """A doctor's reading, the first and a corrected one alike."""

    findings = TextAreaField("Findings", filters=[clean])
    impression = TextAreaField("Impression", filters=[clean])
    diagnosis = StringField("Diagnosis", filters=[clean])
    agreement = RadioField(
        "The classifier’s reading",
        choices=[SelectChoice(agreement.value, words) for agreement, words in _AGREEMENT_WORDS.items()],
        validate_choice=False,
    )
    read_myself = BooleanField("I have read this scan myself", false_values=(False, "false", "", "0", "off"))

    @classmethod
    def starting_with(cls, review: Review | None) -> "ReviewForm":
        """Empty, or with the review that a correction starts from. Whoever corrects states anew to have read."""
        if review is None:
            return cls()
        values: dict[str, Any] = {
            "findings": review.findings,
            "impression": review.impression,
            "diagnosis": review.diagnosis,
            "agreement": review.agreement.value if review.agreement else None,
        }
        return cls(data=values)

    def reading(self) -> Reading:
        """What was typed; the service says what is missing or not right."""
        return Reading(
            findings=self.findings.data or "",
            impression=self.impression.data or "",
            diagnosis=self.diagnosis.data or "",
            agreement=self.agreement.data or None,
            read_myself=bool(self.read_myself.data),
        )

    def asked_of(self, scan: Scan) -> "ReviewForm":
        """Without the fields that this scan does not ask for."""
        if scan.prediction is None or not scan.prediction.available:
            del self.agreement
        if not needs_own_reading(scan):
            del self.read_myself
        return self


class WithoutClassifierForm(Form):
    reason = TextAreaField("Reason", id="without-reason", filters=[clean])


class CloseForm(Form):
    reason = TextAreaField("Reason", id="close-reason", filters=[clean])


class PriorityForm(Form):
    priority = RadioField(
        "Priority",
        choices=[SelectChoice(priority.value, words) for priority, words in PRIORITY_NAMES.items()],
        validate_choice=False,
        validators=[AnyOf([priority.value for priority in Priority], message="Choose routine or urgent.")],
    )


class AddendumForm(Form):
    note = TextAreaField("Addendum", filters=[clean])
