"""Forms for prescriptions and templates: lines with repeated plain names (drug, dose, …), and fields for the whole
form.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from flask import abort
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from wtforms import BooleanField, Form, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.i18n import gettext as _
from csss.i18n import lazy_gettext as _l
from csss.prescriptions import drafts
from csss.prescriptions.fact_models import PrescriptionDraft
from csss.prescriptions.lines import AS_NEEDED, DOSE_UNITS, LIMITS, Line
from csss.prescriptions.models import Prescription, PrescriptionTemplate, Route
from csss.prescriptions.safety import SafetyWarning
from csss.prescriptions.services import MAX_ITEMS, MAX_REASON, asks, line_of
from csss.prescriptions.templates import MAX_NAME, lines_of
from csss.web.forms import clean, one_line
from csss.web.stated_fields import StatedFields

# A form sends at most MAX_ITEMS lines and some blank ones; more would only keep the server busy.
MAX_LINES = 2 * MAX_ITEMS
_FALSE = (False, "false", "", "0", "off", "no")
_COLUMNS = (*LIMITS, "route", "dose_unit", "as_needed", "override_reason")


class QueueFilterForm(Form):
    """How the queue is searched and sorted."""

    q = StringField(_l("Patient’s name or MRN"))
    sort = SelectField(
        _l("Order"),
        choices=[
            SelectChoice("priority", _l("Urgent first")),
            SelectChoice("waiting", _l("Longest waiting first")),
            SelectChoice("newest", _l("Newest first")),
        ],
    )


def _routes() -> list[SelectChoice]:
    return [
        SelectChoice(
            route.value,
            _("%(route)s (say how in the notes)", route=route.human) if route is Route.OTHER else route.human,
        )
        for route in Route
    ]


def _units() -> list[SelectChoice]:
    return [SelectChoice("", _("as written in the dose")), *(SelectChoice(unit, unit) for unit in DOSE_UNITS)]


def _text(label: Any, name: str, completed_by: str = "") -> StringField:
    attributes = {"maxlength": LIMITS[name], "autocomplete": "off"}
    if completed_by:
        attributes["list"] = completed_by
    return StringField(label, filters=[clean], render_kw=attributes)


class LineForm(Form):
    """One medicine. Every line has the same field names; only the ids carry the line's place."""

    drug = _text(_l("Medicine"), "drug", "formulary")
    dose = _text(_l("Dose"), "dose")
    dose_unit = SelectField(_l("Unit"), choices=_units)
    route = SelectField(_l("Route"), choices=_routes)
    as_needed = SelectField(
        _l("Taken"),
        choices=[SelectChoice("", _l("regularly")), SelectChoice(AS_NEEDED, _l("only as needed"))],
    )
    frequency = _text(_l("Frequency"), "frequency", "frequencies")
    duration = _text(_l("Duration"), "duration", "durations")
    override_reason = StringField(
        _l("Why it is right anyway"),
        filters=[clean],
        render_kw={"maxlength": MAX_REASON, "autocomplete": "off"},
    )

    number = 0
    warned: Sequence[SafetyWarning] = ()

    @property
    def asked(self) -> list[SafetyWarning]:
        """The warnings that need a reason."""
        return [each for each in self.warned if each.severity.asks]

    @property
    def notes(self) -> list[SafetyWarning]:
        """What is only said."""
        return [each for each in self.warned if not each.severity.asks]

    def place(self, number: int) -> "LineForm":
        """Give the fields the ids that error messages refer to: `drug-0` is the drug of the first line."""
        self.number = number
        for field in self:
            field.id = f"{field.name}-{number}"
            field.label.field_id = field.id
        return self

    @property
    def line(self) -> Line:
        return Line(**{name: self[name].data or "" for name in _COLUMNS})


class LinesForm(Form):
    """A form with lines; `rows` are its lines, blank ones too."""

    rows: list[LineForm]
    added: int | None = None  # the place of the line that was just added, which gets the cursor

    @classmethod
    def typed(cls, sent: "MultiDict[str, str]") -> Self:
        """Read the sent lines. A line may lack a field: shorter lists are filled up with empty texts."""
        form = cls(sent)
        columns = {name: sent.getlist(name) for name in _COLUMNS}
        count = max(map(len, columns.values()))
        if count > MAX_LINES:
            abort(
                422,
                _(
                    "At most %(most)s medicines can be taken; this has %(count)s lines.",
                    most=MAX_ITEMS,
                    count=count,
                ),
            )
        form.set_rows(
            [
                {name: values[number] if number < len(values) else "" for name, values in columns.items()}
                for number in range(count)
            ]
        )
        return form

    @classmethod
    def typed_before(cls, sent: "MultiDict[str, str] | None") -> Self | None:
        """The form that was sent after the session had ended; None when there is none, or when it has more lines than
        allowed.
        """
        with suppress(HTTPException):
            return cls.typed(sent) if sent is not None else None
        return None

    def set_rows(self, lines: Sequence[Mapping[str, str]]) -> None:
        self.rows = [LineForm(MultiDict(line)).place(number) for number, line in enumerate(lines or [{}])]

    @property
    def lines(self) -> list[Line]:
        return [row.line for row in self.rows]

    @property
    def filled(self) -> list[Line]:
        """The lines that are not empty."""
        return [line for line in self.lines if not line.blank]

    def change_lines(self, sent: "MultiDict[str, str]") -> bool:
        """Add or remove a line, keeping everything typed. Without JavaScript, “add” and “remove” send the form."""
        lines = [_as_typed(line) for line in self.lines]
        if "add_line" in sent:
            lines.append({})
            self.added = len(lines) - 1
        elif (number := sent.get("remove_line", type=int)) is not None:
            lines = [line for place, line in enumerate(lines) if place != number]
        else:
            return False
        self.set_rows(lines)
        return True

    def refuse(self, errors: Mapping[str, str]) -> list[str]:
        """Put the service's sentences beside their fields; return those that belong to no field."""
        left = dict(errors)
        for field in self._all_fields():
            field.errors = [left.pop(field.id)] if field.id in left else []
        return list(left.values())

    @property
    def summary(self) -> list[tuple[str, str]]:
        """(field id, sentence) for the list above the form; a line's sentence names the line."""
        told = [
            (field.id, _("Medicine %(number)s: %(sentence)s", number=number, sentence=sentence))
            for number, row in enumerate(self.rows, start=1)
            for field in row
            for sentence in field.errors
        ]
        for field in self:
            told += [(field.id, sentence) for sentence in field.errors]
        return told

    def _all_fields(self) -> Iterator[Any]:
        yield from self
        for row in self.rows:
            yield from row


class PrescriptionForm(LinesForm, StatedFields):
    """The whole prescription, with what is known of the patient."""

    none_needed = BooleanField(_l("No medicine is needed"), false_values=_FALSE)
    notes = TextAreaField(_l("Notes"), filters=[clean])

    @classmethod
    def starting_with(cls, written: Prescription | None) -> "PrescriptionForm":
        """A blank form, or the last version for a correction."""
        kept = {"none_needed": written.none_needed, "notes": written.notes} if written else {}
        form = cls(None, data=kept)
        form.set_rows([_as_typed(line_of(item)) for item in (written.items if written else [])])
        return form

    @classmethod
    def of_draft(cls, draft: PrescriptionDraft) -> "PrescriptionForm":
        """What was typed and not signed."""
        form = cls(None, data={"none_needed": draft.none_needed, "notes": draft.notes})
        form.set_rows([_as_typed(line) for line in drafts.lines_of(draft)])
        return form

    def fill_in(self, template: PrescriptionTemplate) -> None:
        """Append a template's lines to those that are not empty, and its notes to the notes."""
        kept = [_as_typed(line) for line in self.filled]
        self.added = len(kept)
        self.set_rows([*kept, *map(_as_typed, lines_of(template))])
        notes = (self.notes.data or "").strip()
        if template.notes and template.notes not in notes:
            self.notes.data = f"{notes}\n{template.notes}".strip()

    def warn(
        self, warnings: Mapping[int, Sequence[SafetyWarning]], sent: "MultiDict[str, str] | None" = None
    ) -> None:
        """Show the warnings at each line.

        If fewer reasons than lines were sent, they belong to the lines with warnings, in their order.
        """
        reasons = sent.getlist("override_reason") if sent is not None else []
        if reasons and len(reasons) < len(self.rows):
            asking = sorted(place for place, told in warnings.items() if asks(told))
            for row in self.rows:
                row.override_reason.data = ""
            for place, reason in zip(asking, reasons, strict=False):
                self.rows[place].override_reason.data = clean(reason)
        for place, told in warnings.items():
            self.rows[place].warned = told


class PrescriptionTemplateForm(LinesForm):
    """The form for a template, for oneself or for the whole hospital."""

    name = StringField(
        _l("Name"), filters=[one_line], render_kw={"maxlength": MAX_NAME, "autocomplete": "off"}
    )
    owner = RadioField(
        _l("Who uses it"),
        choices=[
            SelectChoice("me", _l("Only me")),
            SelectChoice("hospital", _l("Every pharmacist of the hospital")),
        ],
        default="me",
    )
    notes = TextAreaField(_l("Notes"), filters=[clean])

    @classmethod
    def starting_with(cls, template: PrescriptionTemplate | None) -> "PrescriptionTemplateForm":
        if template is None:
            form = cls(None)
            form.set_rows([])
            return form
        owner = "me" if template.owner_id else "hospital"
        form = cls(None, data={"name": template.name, "notes": template.notes, "owner": owner})
        form.set_rows([_as_typed(line) for line in lines_of(template)])
        return form


def _as_typed(line: Line) -> dict[str, str]:
    return {name: getattr(line, name) for name in _COLUMNS}
