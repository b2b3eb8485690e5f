"""The scans of a study with what the database knows of them: for the sample, the export and the report."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import select

from csss.database import db
from csss.people.models import Patient
from csss.scans.models import Prediction, Review, Scan
from csss.scans.states import Agreement

AGE_BANDS = ((0, 17), (18, 39), (40, 64), (65, 79), (80, 200))
UNKNOWN_AGE = "unknown"
_AT_ONCE = 500


@dataclass(frozen=True)
class Case:
    """One scan of a study. `agreement` is what the doctor said of the classifier's answer in the first reading."""

    number: str
    scan_id: uuid.UUID
    kind: str
    age_band: str
    sex: str
    file_key: str
    label: str
    uncertain: bool
    probabilities: dict[str, float] = field(repr=False)
    threshold: float | None
    agreement: Agreement | None
    reviewed: bool

    @property
    def confidence(self) -> float:
        return max(self.probabilities.values())


def age_band(born: date, on: date) -> str:
    """The age in years on a day, as one of a few bands: exact ages tell people apart."""
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    for first, last in AGE_BANDS:
        if first <= years <= last:
            return f"{first} and over" if first == AGE_BANDS[-1][0] else f"{first} to {last}"
    return UNKNOWN_AGE


def cases(scans: dict[str, uuid.UUID]) -> list[Case]:
    """In the order of their numbers. A scan that is not there any more is left out."""
    number_of = {scan: number for number, scan in scans.items()}
    found = []
    for part in _parts(sorted(number_of)):
        first = {review.scan_id: review for review in _first_reviews(part)}
        query = (
            select(Scan, Patient.date_of_birth, Patient.sex, Prediction)
            .join(Patient, Patient.id == Scan.patient_id)
            .join(Prediction, Prediction.scan_id == Scan.id)
            .where(Scan.id.in_(part), Prediction.available)
        )
        for scan, born, sex, prediction in db.session.execute(query):
            review = first.get(scan.id)
            found.append(
                Case(
                    number=number_of[scan.id],
                    scan_id=scan.id,
                    kind=scan.kind.value,
                    age_band=age_band(born, scan.uploaded_at.date()),
                    sex=sex.value,
                    file_key=scan.file_key,
                    label=prediction.top_label or prediction.label,
                    uncertain=prediction.uncertain,
                    probabilities=prediction.probabilities,
                    threshold=prediction.threshold_used,
                    agreement=review.agreement if review else None,
                    reviewed=review is not None,
                )
            )
    return sorted(found, key=lambda each: each.number)


def _first_reviews(scans: list[uuid.UUID]) -> Iterable[Review]:
    return db.session.scalars(select(Review).where(Review.scan_id.in_(scans), Review.version == 1))


def _parts(asked: list[uuid.UUID]) -> Iterator[list[uuid.UUID]]:
    for begin in range(0, len(asked), _AT_ONCE):
        yield asked[begin : begin + _AT_ONCE]
