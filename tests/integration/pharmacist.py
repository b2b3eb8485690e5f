"""The pharmacist's pages: their addresses, what stands on them, and scans to prescribe for."""

import uuid
from typing import Any

from bs4 import BeautifulSoup

from csss.database import transaction
from csss.reports import services as reports
from csss.scans.models import Scan
from csss.scans.states import HoldFor, Status
from tests.factories import Clinic

AMOXICILLIN = {
    "drug": "Amoxicillin",
    "dose": "500 mg",
    "route": "oral",
    "frequency": "three times a day",
    "duration": "5 days",
}


def url(scan: Scan | uuid.UUID, step: str = "") -> str:
    scan_id = scan.id if isinstance(scan, Scan) else scan
    return f"/pharmacist/scans/{scan_id}{'/' + step if step else ''}"


def hold(clinic: Clinic, scan_id: uuid.UUID, to: HoldFor = HoldFor.PHARMACIST, note: str = "Dose?") -> None:
    admin = clinic.person("admin")
    with transaction():
        reports.hold(scan_id, to=to, note=note, by=admin)


def listed(page: BeautifulSoup) -> list[str]:
    return [link.get_text() for link in page.select("#queue tbody td.main a")]


def value(page: BeautifulSoup, field: str) -> Any:
    return page.select_one(f"#{field}").get("value", "")


def allergic(clinic: Clinic, text: str, status: Status = Status.DOCTOR_VERIFIED) -> uuid.UUID:
    """The id of a scan of a patient who has written this about allergies."""
    patient = clinic.person("patient")
    scan_id = clinic.scan(status, patient=patient).id
    with transaction():
        patient.patient.allergies = text
    return scan_id
