"""Define a prescription line as typed, and check that it is complete."""

from dataclasses import dataclass

from csss import report_fonts
from csss.i18n import gettext as _
from csss.lengths import at_most
from csss.prescriptions import dose_checks
from csss.prescriptions.formulary import Formulary
from csss.prescriptions.models import Route

LIMITS = {"drug": 200, "dose": 100, "frequency": 100, "duration": 100}  # maximum characters


@dataclass(frozen=True)
class Line:
    """One line of the form, as typed."""

    drug: str = ""
    dose: str = ""
    route: str = ""
    frequency: str = ""
    duration: str = ""
    override_reason: str = ""  # why it is right in spite of a warning

    @property
    def blank(self) -> bool:
        """A line without drug, dose, frequency and duration counts as blank; its route is preset."""
        return not any(text.strip() for text in (self.drug, self.dose, self.frequency, self.duration))


def line_problems(line: Line, place: int, book: Formulary) -> dict[str, str]:
    """What a line lacks or gets wrong, by the field's id."""
    errors: dict[str, str] = {}
    for name, sentence in (
        ("drug", _("Enter the medicine.")),
        ("dose", _("Enter the dose.")),
        ("frequency", _("Enter how often.")),
    ):
        if not getattr(line, name).strip():
            errors[f"{name}-{place}"] = sentence
    for name, limit in LIMITS.items():
        if len(getattr(line, name)) > limit:
            errors[f"{name}-{place}"] = at_most(limit)
        elif lacking := report_fonts.problem(getattr(line, name)):
            errors[f"{name}-{place}"] = lacking
    if line.route not in set(Route):
        errors[f"route-{place}"] = _("Choose how it is given.")
    elif f"dose-{place}" not in errors and (
        problem := dose_checks.problem(line.drug, line.dose, Route(line.route), book)
    ):
        errors[f"dose-{place}"] = problem
    return errors
