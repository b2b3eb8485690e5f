"""The forms that a doctor sends. The services decide whether to accept them."""

import uuid
from typing import Any

from flask_babel.speaklater import LazyString
from wtforms import BooleanField, Form, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.i18n import _, _l
from csss.people import staff
from csss.people.models import User
from csss.scans import assignments, own_reading
from csss.scans.draft_models import ReportTemplate, ReviewDraft
from csss.scans.models import FirstImpression, Review, Scan
from csss.scans.report_templates import MAX_TITLE, Block
from csss.scans.review_text import ReviewText
from csss.scans.states import Agreement, Priority, ScanKind, Sureness
from csss.web.forms import clean, one_line

_AGREEMENT_WORDS: dict[Agreement, LazyString] = {
    Agreement.AGREE: _l("I agree"),
    Agreement.PARTLY: _l("I agree in part"),
    Agreement.DISAGREE: _l("I disagree"),
}

SURENESS_WORDS: dict[Sureness, LazyString] = {
    Sureness.SURE: _l("Sure"),
    Sureness.FAIRLY: _l("Fairly sure"),
    Sureness.UNSURE: _l("Unsure"),
}


_OFF = (False, "false", "", "0", "off")


class ReviewForm(Form):
    """A doctor's reading, both the first and a corrected one."""

    findings = TextAreaField(_l("Findings"), filters=[clean])
    impression = TextAreaField(_l("Impression"), filters=[clean])
    diagnosis = StringField(_l("Diagnosis"), filters=[clean])
    agreement = RadioField(
        _l("The classifier’s reading"),
        choices=[SelectChoice(agreement.value, words) for agreement, words in _AGREEMENT_WORDS.items()],
        validate_choice=False,
    )
    read_myself = BooleanField(_l("I have read this scan myself"), false_values=_OFF)

    critical = BooleanField(_l("Critical result: somebody must act now"), false_values=_OFF)
    critical_action = StringField(_l("What must be done now, and by whom"), filters=[clean])

    sureness = RadioField(
        _l("How sure are you?"),
        choices=[SelectChoice(each.value, words) for each, words in SURENESS_WORDS.items()],
        validate_choice=False,
    )

    @classmethod
    def starting_with(cls, written: Review | ReviewDraft | FirstImpression | None) -> "ReviewForm":
        """A form that is empty, or holds the doctor's draft, or the review that a correction starts from.

        The statement of having read the scan has to be made again each time.
        """
        if written is None:
            return cls()
        agreement: Agreement | None = getattr(written, "agreement", None)  # a first impression has none
        values: dict[str, Any] = {
            "findings": written.findings,
            "impression": written.impression,
            "diagnosis": written.diagnosis,
            "agreement": agreement.value if agreement else None,
            "critical_action": getattr(written, "critical_action", ""),
        }
        values["critical"] = getattr(written, "critical", bool(values["critical_action"]))
        return cls(data=values)

    def agree(self) -> None:
        """Agree with the classifier, unless something else has been chosen: that is asked for again."""
        chosen = self.agreement.data
        self.agreement.data = Agreement.AGREE.value if chosen in {None, "", Agreement.AGREE.value} else None

    def reading(self) -> ReviewText:
        """The typed reading; the service says what is missing or wrong."""
        return ReviewText(
            findings=self.findings.data or "",
            impression=self.impression.data or "",
            diagnosis=self.diagnosis.data or "",
            agreement=self.agreement.data or None,
            read_myself=bool(self.read_myself.data),
            critical=bool(self.critical.data),
            critical_action=self.critical_action.data or "",
        )

    def offer(self, diagnosis: str) -> None:
        """Fill in the class for a doctor who agrees and has written no conclusion, to be checked and signed."""
        if self.diagnosis.errors and self.agreement.data == Agreement.AGREE and not self.diagnosis.data:
            self.diagnosis.data = diagnosis

    def asked_of(self, scan: Scan, *, first: bool = False, second: bool = False) -> "ReviewForm":
        """Remove the fields that this scan does not need; `first`: a first impression, which needs one more; `second`: a
        second reading, which is findings and a conclusion alone."""
        if second:
            for name in ("agreement", "read_myself", "critical", "critical_action", "sureness"):
                delattr(self, name)
            return self
        if first:
            self.sureness.flags.required = True
        else:
            del self.sureness
        if scan.prediction is None or not scan.prediction.available:
            del self.agreement
        elif own_reading.classifier_answered(scan):
            self.agreement.flags.required = True
        if own_reading.why(scan) not in own_reading.STATEMENT_MISSING:
            del self.read_myself
        return self


class WithoutClassifierForm(Form):
    reason = TextAreaField(_l("Reason"), id="without-reason", filters=[clean])


class AssignForm(Form):
    """To whom a scan is assigned; `to` has the doctors who can sign in, and oneself at the end."""

    to = SelectField(_l("Colleague"), id="assign-to", validate_choice=False)
    note = StringField(_l("Note"), id="assign-note", filters=[one_line])

    @property
    def chosen(self) -> uuid.UUID | None:
        """The chosen doctor; None for anything else."""
        try:
            return uuid.UUID(self.to.data or "")
        except ValueError:
            return None

    def offering(self, me: User) -> "AssignForm":
        """Offer the doctors; chosen is the one whom this doctor chose last, else the first colleague."""
        doctors = [(str(id_), name) for id_, name in staff.active_doctors() if id_ != me.id]
        doctors.append((str(me.id), _("Myself")))
        self.to.choices = doctors
        last, known = str(assignments.last_chosen(me)), {value for value, _name in doctors}
        if self.to.data not in known:
            self.to.data = last if last in known else doctors[0][0]
        return self


class CloseForm(Form):
    reason = TextAreaField(_l("Reason"), id="close-reason", filters=[clean])


class PriorityForm(Form):
    priority = RadioField(
        _l("Priority"),
        choices=[
            SelectChoice(Priority.ROUTINE.value, _l("Routine")),
            SelectChoice(Priority.URGENT.value, _l("Urgent")),
        ],
        validate_choice=False,
    )


class KindForm(Form):
    """The kind of the scan; `was` is the kind that the page showed."""

    kind = StringField(_l("Kind"), id="correct-kind")
    was = StringField(_l("Kind that was shown"), id="correct-kind")
    reason = TextAreaField(_l("Reason"), id="kind-reason", filters=[clean])


class AddendumForm(Form):
    note = TextAreaField(_l("Addendum"), filters=[clean])
    critical = BooleanField(
        _l("Critical result: somebody must act now"), id="addendum-critical", false_values=_OFF
    )
    critical_action = StringField(
        _l("What must be done now, and by whom"), id="addendum-critical-action", filters=[clean]
    )


class ReportTemplateForm(Form):
    """A block of text for common findings."""

    title = StringField(_l("Name"), filters=[one_line], render_kw={"maxlength": MAX_TITLE})
    kind = SelectField(
        _l("For"),
        choices=[
            SelectChoice("", _l("Any scan")),
            SelectChoice(ScanKind.CHEST_XRAY.value, _l("Chest X-ray")),
            SelectChoice(ScanKind.CARDIAC_MRI.value, _l("Cardiac MRI")),
        ],
        validate_choice=False,
    )
    findings = TextAreaField(_l("Text for the findings"), filters=[clean])
    impression = TextAreaField(_l("Text for the impression"), filters=[clean])

    @classmethod
    def starting_with(cls, template: ReportTemplate) -> "ReportTemplateForm":
        values = {"title": template.title, "kind": template.kind or ""}
        return cls(data={**values, "findings": template.findings, "impression": template.impression})

    def block(self) -> Block:
        """The typed block; an unknown kind means any scan."""
        kind = self.kind.data
        return Block(
            title=self.title.data or "",
            findings=self.findings.data or "",
            impression=self.impression.data or "",
            kind=ScanKind(kind) if kind in set(ScanKind) else None,
        )
