"""The prescription as it is typed: lines of repeated plain names (drug, dose, …), and what belongs to all of them."""

from collections.abc import Mapping, Sequence

from flask import abort
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Form, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.prescriptions.models import Prescription, Route
from csss.prescriptions.services import LIMITS, MAX_ITEMS, Line
from csss.web.forms import clean

ROUTES = [
    SelectChoice(
        route.value, f"{route.human} (say how in the notes)" if route is Route.OTHER else route.human
    )
    for route in Route
]
# A form sends at most MAX_ITEMS lines and some blank ones; more would only keep the server busy.
MAX_LINES = 2 * MAX_ITEMS
_FALSE = (False, "false", "", "0", "off", "no")


class FilterForm(Form):
    """How the queue is searched and sorted."""

    q = StringField("Patient’s name or MRN")
    sort = SelectField(
        "Order",
        choices=[
            SelectChoice("priority", "Urgent first"),
            SelectChoice("waiting", "Longest waiting first"),
            SelectChoice("newest", "Newest first"),
        ],
    )


def _text(label: str, name: str) -> StringField:
    return StringField(label, filters=[clean], render_kw={"maxlength": LIMITS[name], "autocomplete": "off"})


class LineForm(Form):
    """One medicine. Every line has the same field names; only the ids carry the line's place."""

    drug = _text("Medicine", "drug")
    dose = _text("Dose", "dose")
    route = SelectField("Route", choices=ROUTES)
    frequency = _text("Frequency", "frequency")
    duration = _text("Duration", "duration")

    def place(self, number: int) -> "LineForm":
        """Give the fields the ids that errors are told by: `drug-0` is the drug of the first line."""
        for field in self:
            field.id = f"{field.name}-{number}"
            field.label.field_id = field.id
        return self


class PrescriptionForm(Form):
    """The whole prescription; `rows` are its lines, blank ones too."""

    none_needed = BooleanField("No medicine is needed", false_values=_FALSE)
    notes = TextAreaField("Notes", filters=[clean])

    rows: list[LineForm]

    @classmethod
    def typed(cls, sent: "MultiDict[str, str]") -> "PrescriptionForm":
        """What was sent. A line may miss a field: the shorter lists are filled up with blanks."""
        form = cls(sent)
        columns = {name: sent.getlist(name) for name in LIMITS | {"route": 0}}
        count = max(map(len, columns.values()))
        if count > MAX_LINES:
            abort(422, f"At most {MAX_ITEMS} medicines can be taken; this has {count} lines.")
        form._set_rows(
            [
                {name: values[number] if number < len(values) else "" for name, values in columns.items()}
                for number in range(count)
            ]
        )
        return form

    @classmethod
    def starting_with(cls, written: Prescription | None) -> "PrescriptionForm":
        """A blank form, or the last version for a correction."""
        kept = {"none_needed": written.none_needed, "notes": written.notes} if written else {}
        form = cls(None, data=kept)
        form._set_rows(
            [
                {
                    "drug": item.drug,
                    "dose": item.dose,
                    "route": item.route.value,
                    "frequency": item.frequency,
                    "duration": item.duration,
                }
                for item in (written.items if written else [])
            ]
        )
        return form

    def _set_rows(self, lines: Sequence[Mapping[str, str]]) -> None:
        self.rows = [LineForm(MultiDict(line)).place(number) for number, line in enumerate(lines or [{}])]

    @property
    def lines(self) -> list[Line]:
        return [Line(**{name: field.data or "" for name, field in row._fields.items()}) for row in self.rows]

    @property
    def filled(self) -> list[Line]:
        """The lines that say something."""
        return [line for line in self.lines if not line.blank]

    def change_lines(self, sent: "MultiDict[str, str]") -> bool:
        """Without script “add” and “remove” send the form: one line more or less, everything typed kept."""
        lines = [{name: getattr(line, name) for name in (*LIMITS, "route")} for line in self.lines]
        if "add_line" in sent:
            lines.append({})
        elif (number := sent.get("remove_line", type=int)) is not None:
            lines = [line for place, line in enumerate(lines) if place != number]
        else:
            return False
        self._set_rows(lines)
        return True

    def refuse(self, errors: Mapping[str, str]) -> None:
        """Put the service's sentences beside the fields they are about."""
        for field in [self.none_needed, self.notes, *(field for row in self.rows for field in row)]:
            field.errors = [errors[field.id]] if field.id in errors else []

    @property
    def summary(self) -> list[tuple[str, str]]:
        """(field id, sentence) for the list above the form; a line's sentence names the line."""
        told = [
            (field.id, f"Medicine {number}: {sentence}")
            for number, row in enumerate(self.rows, start=1)
            for field in row
            for sentence in field.errors
        ]
        for field in (self.none_needed, self.notes):
            told += [(field.id, sentence) for sentence in field.errors]
        return told
