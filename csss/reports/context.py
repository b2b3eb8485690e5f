"""Define the content of a report as plain values: the only input of the renderer.

Nothing here knows the database, Flask or WeasyPrint. The caller (a job, the administrator's preview, a test) fills
a `ReportContext`; the same context always gives the same document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from csss.ages import Age
from csss.inference.classes import WITHOUT_FINDING

Agreement = Literal["agree", "partly", "disagree"]
RiskLevel = Literal["Low", "High", "Indeterminate"]

UNCERTAIN = "Uncertain"
DISCLAIMER = (
    "This report was generated with AI assistance and has been reviewed and approved by a qualified medical "
    "professional before release."
)
# Where the classifier was silent, nobody was assisted by it.
DISCLAIMER_SILENT = (
    "This report has been reviewed and approved by a qualified medical professional before release."
)

# Month names are listed here because strftime depends on the locale of the process.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def risk_level(label_name: str, confidence: float, threshold: float, uncertain: bool) -> RiskLevel:
    """The risk level of a prediction.

    Uncertain, or a class that names no finding (`inference.classes`) → Indeterminate; Normal at or above the
    threshold τ → Low; any other label at or above τ → High. A confidence below τ is uncertain by definition,
    whatever the flag says. `confidence` and `threshold` are between 0 and 1.
    """
    if _is_uncertain(confidence, threshold, uncertain) or label_name in WITHOUT_FINDING:
        return "Indeterminate"
    return "Low" if label_name == "Normal" else "High"


def _is_uncertain(confidence: float, threshold: float, uncertain: bool) -> bool:
    return uncertain or not confidence >= threshold  # "not >=" makes NaN count as uncertain


def day(value: date) -> str:
    """Format a date as people write it: 3 May 2026."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


@dataclass(frozen=True, kw_only=True)
class Hospital:
    name: str
    address: tuple[str, ...] = ()
    phone: str | None = None
    email: str | None = None
    letterhead: str | None = None  # one line under the name
    logo: bytes | None = field(default=None, repr=False)  # JPEG


@dataclass(frozen=True, kw_only=True)
class PrintedPatient:
    """Patient details on the report; `age` is the age on the day of the scan."""

    name: str
    mrn: str
    date_of_birth: date | None
    age: Age | None
    sex: str
    phone: str | None = None
    email: str | None = None
    address: str | None = None
    allergies: str = ""  # as the patient wrote them


@dataclass(frozen=True, kw_only=True)
class ScanImage:
    """`image` is the stored scan (JPEG or PNG bytes); `width` and `height` are its size in pixels.

    `sent_as` is the kind that the patient had chosen, if a doctor has corrected it. `technique` is how the picture came
    to be, as far as it is known; `comparison` names the earlier scans that the doctor could open.
    """

    kind: str
    indication: str
    uploaded_at: datetime
    image: bytes
    width: int
    height: int
    sent_as: str | None = None
    technique: str = ""
    comparison: str = ""


@dataclass(frozen=True, kw_only=True)
class Probability:
    """`name` is the model's class name, `human` its display name, `value` is between 0 and 1."""

    name: str
    human: str
    value: float


@dataclass(frozen=True, kw_only=True)
class PrintedFinding:
    """A finding to look for; `value` and `threshold` are between 0 and 1."""

    human: str
    value: float
    threshold: float


@dataclass(frozen=True, kw_only=True)
class PredictionSummary:
    """The classifier's answer. `heatmap` is the overlay for the scan (PNG bytes).

    `findings` are those at or above their thresholds, None where the classifier names none at all; `no_finding` is that
    there is none, if this is likely.

    `about_kind` says what a corrected kind of scan means for it, `explanation` what the class means.
    """

    label: str
    human_label: str
    confidence: float
    probabilities: tuple[Probability, ...]
    threshold: float
    model_version: str
    uncertain: bool = False
    uncertain_reason: str | None = None
    about_kind: str | None = None
    explanation: str | None = None
    heatmap: bytes | None = None
    findings: tuple[PrintedFinding, ...] | None = None
    no_finding: PrintedFinding | None = None
    available: Literal[True] = True

    @property
    def risk_level(self) -> RiskLevel:
        return risk_level(self.label, self.confidence, self.threshold, self.uncertain)

    @property
    def is_uncertain(self) -> bool:
        """Whether the label does not count; a label that counts may still be of Indeterminate risk."""
        return _is_uncertain(self.confidence, self.threshold, self.uncertain)

    @property
    def shown_label(self) -> str:
        """The label to display."""
        return UNCERTAIN if self.is_uncertain else self.human_label


@dataclass(frozen=True, kw_only=True)
class NoPrediction:
    """The scan was read without the classifier, which counts as uncertain."""

    reason: str
    available: Literal[False] = False
    heatmap: None = None
    risk_level: RiskLevel = "Indeterminate"


@dataclass(frozen=True, kw_only=True)
class PrintedReview:
    """One version of the doctor's reading. `author` is a name."""

    version: int
    author: str
    written_at: datetime
    findings: str
    impression: str
    diagnosis: str
    agreement: Agreement | None = None


@dataclass(frozen=True, kw_only=True)
class PrintedCritical:
    """A critical result: what had to be done, and who has taken note of it; `taken_by` is None while nobody has."""

    action: str
    marked_at: datetime
    taken_by: str | None = None
    role: str = ""
    taken_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PrintedMedicine:
    drug: str
    dose: str
    route: str
    frequency: str
    duration: str


@dataclass(frozen=True, kw_only=True)
class PrescriptionText:
    """One version of the prescription. `none_needed` is the pharmacist's explicit statement."""

    version: int
    author: str
    written_at: datetime
    items: tuple[PrintedMedicine, ...] = ()
    none_needed: bool = False
    notes: str = ""


@dataclass(frozen=True, kw_only=True)
class PrintedAddendum:
    note: str
    author: str
    role: str
    written_at: datetime


@dataclass(frozen=True, kw_only=True)
class Signature:
    """`action` is what the person did, in the past tense: "Verified the findings".

    `specialty` and `registration` (the number in a professional register) are empty where they are not known.
    """

    name: str
    role: str
    action: str
    signed_at: datetime
    specialty: str = ""
    registration: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """One version of one report.

    `review` and `prescription` are the current versions; earlier ones are listed too, because a correction never
    removes what it corrects. `prediction` is None where the classifier is silent: the report says nothing of it.
    Times are aware datetimes, shown in `timezone` (an IANA name). `draft` marks a report that has not been released.
    """

    report_id: str
    version: int
    number: str = ""  # short, for people who read it out on the telephone; the same for all versions
    created_at: datetime
    hospital: Hospital
    patient: PrintedPatient
    scan: ScanImage
    prediction: PredictionSummary | NoPrediction | None
    review: PrintedReview
    prescription: PrescriptionText
    signatures: tuple[Signature, ...]
    earlier_reviews: tuple[PrintedReview, ...] = ()
    earlier_prescriptions: tuple[PrescriptionText, ...] = ()
    addenda: tuple[PrintedAddendum, ...] = ()
    critical: PrintedCritical | None = None
    timezone: str = "UTC"
    language: str = "en-GB"  # BCP 47; language of the fixed texts, for screen readers
    draft: bool = False
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", ZoneInfo(self.timezone))

    def when(self, value: datetime) -> str:
        """Format a time in the report's time zone: 3 May 2026, 14:05 IST. Raises ValueError for a naive datetime."""
        local = self.local(value)
        return f"{day(local)}, {local:%H:%M} {_zone_name(local)}"

    def local(self, value: datetime) -> datetime:
        """`value` in the report's time zone. Raises ValueError for a naive datetime."""
        if value.tzinfo is None:
            raise ValueError("A report needs datetimes with a time zone.")
        return value.astimezone(self._zone)


def _zone_name(value: datetime) -> str:
    """The zone's abbreviation (IST), or its UTC offset where it has none (UTC-03:00)."""
    name = value.tzname() or ""
    if name.isalpha():
        return name
    shift = value.utcoffset() or timedelta()
    minutes = abs(shift) // timedelta(minutes=1)
    return f"UTC{'-' if shift < timedelta() else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
