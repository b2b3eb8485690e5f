"""Define a prescription line as typed, and check that it is complete."""

import re
from dataclasses import dataclass, replace

from csss import report_fonts
from csss.i18n import gettext as _
from csss.lengths import at_most
from csss.prescriptions import dose_checks
from csss.prescriptions.amounts import read
from csss.prescriptions.formulary import Formulary
from csss.prescriptions.models import Route

LIMITS = {"drug": 200, "dose": 100, "frequency": 100, "duration": 100}  # maximum characters
# What may be chosen instead of writing the unit into the dose; the words are those that `amounts` reads.
DOSE_UNITS = (
    *("mg", "g", "micrograms", "IU", "mmol", "ml", "mg/kg", "micrograms/kg", "IU/kg"),
    *("tablets", "capsules", "sachets", "puffs", "nebules", "sprays", "drops", "patches", "suppositories"),
    *("ampoules", "applications", "doses"),
)
AS_NEEDED = "1"


@dataclass(frozen=True)
class Line:
    """One line of the form, as typed."""

    drug: str = ""
    dose: str = ""
    route: str = ""
    frequency: str = ""
    duration: str = ""
    override_reason: str = ""  # why it is right in spite of a warning
    dose_unit: str = ""  # of DOSE_UNITS; empty: it stands in the dose
    as_needed: str = ""  # AS_NEEDED or empty

    @property
    def as_written(self) -> "Line":
        """The line with unit and “as needed” written out: “500 mg”, “every 6 hours, as needed”."""
        dose, unit = self.dose.strip(), self.dose_unit.strip()
        often = self.frequency.strip()
        if self.as_needed:
            often = _("%(often)s, as needed", often=often) if often else _("as needed")
        if unit and dose and not _ends_with(dose, unit):
            dose = f"{dose} {unit}"
        return replace(self, dose=dose, frequency=often, dose_unit="", as_needed="")

    @property
    def blank(self) -> bool:
        """A line without drug, dose, frequency and duration counts as blank; its route is preset."""
        return not any(text.strip() for text in (self.drug, self.dose, self.frequency, self.duration))


def line_problems(line: Line, place: int, book: Formulary) -> dict[str, str]:
    """What a line lacks or gets wrong, by the field's id."""
    errors: dict[str, str] = {}
    written = line.as_written
    for name, sentence in (
        ("drug", _("Enter the medicine.")),
        ("dose", _("Enter the dose.")),
        ("frequency", _("Enter how often.")),
    ):
        if not getattr(written, name).strip():
            errors[f"{name}-{place}"] = sentence
    for name, limit in LIMITS.items():
        if len(getattr(written, name)) > limit:
            errors[f"{name}-{place}"] = at_most(limit)
        elif lacking := report_fonts.problem(getattr(written, name)):
            errors[f"{name}-{place}"] = lacking
    if problem := _unit_problem(line):
        errors[f"dose_unit-{place}"] = problem
    elif line.as_needed not in ("", AS_NEEDED):
        errors[f"as_needed-{place}"] = _("Choose when it is taken.")
    if line.route not in set(Route):
        errors[f"route-{place}"] = _("Choose how it is given.")
    elif f"dose-{place}" not in errors and (
        problem := dose_checks.problem(line.drug, written.dose, Route(line.route), book)
    ):
        errors[f"dose-{place}"] = problem
    return errors


def _ends_with(dose: str, unit: str) -> bool:
    """Whether the unit stands at the end already: "500 mg" ends with mg, and not with g."""
    return re.search(rf"(?<![^\W\d_/]){re.escape(unit)}$", dose) is not None


def _unit_problem(line: Line) -> str | None:
    unit = line.dose_unit.strip()
    if unit and unit not in DOSE_UNITS:
        return _("Choose a unit of the list.")
    if unit and not _ends_with(line.dose.strip(), unit) and read(line.dose).trouble is None:
        return _("The dose has a unit already: choose “as written in the dose”.")
    return None
