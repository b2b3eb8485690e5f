"""What is known of a patient, and what a warning is."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from csss.i18n import gettext as _
from csss.i18n import lazy_gettext as _l
from csss.prescriptions.formulary import Source

ADULT = 18 * 12  # months
FERTILE = (12 * 12, 55 * 12)  # from, below: whose pregnancy is asked about, in months
# Months and usual weight in kg, rounded from general growth charts; between two rows a straight line.
_GROWTH = (
    *((0, 3.5), (3, 6), (6, 8), (12, 10), (24, 12.5), (36, 14.5), (48, 16.5), (60, 18.5), (72, 20.5)),
    *((84, 23), (96, 25.5), (108, 28.5), (120, 32), (132, 36), (144, 40), (156, 45), (168, 50), (180, 54)),
    *((192, 57), (216, 60)),
)


class Pregnancy(StrEnum):
    """What a patient says of pregnancy and breast-feeding."""

    NO = "no"
    POSSIBLE = "possible"
    PREGNANT = "pregnant"
    BREAST_FEEDING = "breast_feeding"
    BOTH = "both"

    @property
    def pregnant(self) -> bool:
        return self in (Pregnancy.POSSIBLE, Pregnancy.PREGNANT, Pregnancy.BOTH)

    @property
    def breast_feeding(self) -> bool:
        return self in (Pregnancy.BREAST_FEEDING, Pregnancy.BOTH)


class Kidney(StrEnum):
    NONE_KNOWN = "none_known"
    DISEASE = "disease"


class Severity(StrEnum):
    """How serious a warning is, worst first."""

    SERIOUS = "serious"
    CAUTION = "caution"
    NOTE = "note"

    @property
    def asks(self) -> bool:
        """Whether the line needs a reason; a note is only shown."""
        return self is not Severity.NOTE

    @property
    def human(self) -> str:
        return str(_SEVERITIES[self])


_SEVERITIES = {Severity.SERIOUS: _l("Serious"), Severity.CAUTION: _l("Caution"), Severity.NOTE: _l("Note")}


class Code(StrEnum):
    """What a warning is about. The audit log keeps it."""

    ALLERGY = "allergy"
    ALLERGY_CLASS = "allergy_class"
    DUPLICATE = "duplicate"
    DUPLICATE_CLASS = "duplicate_class"
    DAY_HIGH = "day_high"
    DAY_LOW = "day_low"
    DOSE_HIGH = "dose_high"
    DOSE_LOW = "dose_low"
    FREQUENCY = "frequency"
    INTERACTION = "interaction"
    PREGNANCY = "pregnancy"
    BREAST_FEEDING = "breast_feeding"
    KIDNEY = "kidney"
    AGE = "age"
    NO_RANGE = "no_range"
    UNKNOWN_MEDICINE = "unknown_medicine"


@dataclass(frozen=True)
class SafetyWarning:
    """Why a line needs a second look, in a sentence; `source` says who says so."""

    code: Code
    severity: Severity
    sentence: str
    source: str = ""

    @property
    def written(self) -> str:
        """In one line, as it is kept with the prescription."""
        told = f"{self.severity.human}: {self.sentence}"
        return _("%(told)s (Source: %(source)s)", told=told, source=self.source) if self.source else told


@dataclass(frozen=True)
class Taken:
    """A medicine that the patient may be taking. `since` is the day of its prescription in words; empty when the
    patient says so."""

    drug: str
    since: str = ""


@dataclass(frozen=True)
class PatientFacts:
    """What is known of a patient; None: not known. `months` is the age, `egfr` in ml/min/1.73 m²."""

    months: int | None = None
    female: bool | None = None
    weight_kg: Fraction | None = None
    pregnancy: Pregnancy | None = None
    kidney: Kidney | None = None
    egfr: int | None = None
    allergies: str = ""
    taking: tuple[Taken, ...] = ()

    @property
    def child(self) -> bool:
        return self.months is not None and self.months < ADULT

    @property
    def usual_weight(self) -> Fraction | None:
        """The usual weight of a child of this age in kg; None for an adult."""
        if self.months is None or not self.child:
            return None
        for (early, light), (late, heavy) in pairwise(_GROWTH):
            if early <= self.months <= late:
                share = Fraction(self.months - early, late - early)
                return Fraction(light) + share * (Fraction(heavy) - Fraction(light))
        return None

    @property
    def may_be_pregnant(self) -> bool:
        """Whether a pregnancy is possible and nobody has said anything of it."""
        fertile = self.months is not None and FERTILE[0] <= self.months < FERTILE[1]
        return self.pregnancy is None and self.female is True and fertile


def of_formulary(source: Source | None) -> str:
    """The formulary as a source, with who says so and when."""
    if source is None:
        return _("formulary")
    return _("formulary: %(name)s, %(day)s", name=source.name, day=source.day.isoformat())
