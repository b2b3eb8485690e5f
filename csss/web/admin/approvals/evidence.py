"""What an administrator approves, in short: it stands beside the button, and at each report of a batch."""

from dataclasses import dataclass

from flask import url_for

from csss.prescriptions import allergies
from csss.prescriptions.allergies import AllergiesAsked
from csss.prescriptions.models import Prescription
from csss.prescriptions.presenters import PrescriptionView, prescription_view
from csss.scans.models import Scan
from csss.scans.presenters import kind_and_sent
from csss.web.filters import day, when
from csss.web.scan_view import age_and_sex


@dataclass(frozen=True)
class Evidence:
    """The report in short; `diagnosis` and `prescription` are None as long as nobody has written them."""

    age_and_sex: str
    born: str
    mrn: str
    kind: str
    indication: str
    diagnosis: str | None  # otherwise the impression, otherwise the findings
    signed: str  # by whom and when
    corrected: bool
    prescription: PrescriptionView | None
    completed: str
    allergies: str
    allergies_state: AllergiesAsked
    image_url: str


def evidence(scan: Scan, prescription: Prescription | None) -> Evidence:
    review, record = scan.review, scan.patient
    written = prescription_view(prescription) if prescription is not None else None
    return Evidence(
        age_and_sex=age_and_sex(scan),
        born=day(record.date_of_birth),
        mrn=record.mrn,
        kind=kind_and_sent(scan),
        indication=scan.indication,
        diagnosis=(review.diagnosis or review.impression or review.findings).strip() if review else None,
        signed=f"{review.doctor.name}, {when(review.created_at)}" if review else "",
        corrected=review is not None and review.version > 1,
        prescription=written,
        completed=f"{written.author}, {when(written.written_at)}" if written else "",
        allergies=record.allergies,
        allergies_state=allergies.state(record.allergies),
        image_url=url_for("files.image", scan_id=scan.id),
    )
