"""The doctor's pages: their addresses, what stands on them, and scans to read."""

import uuid

from csss.database import transaction
from csss.people.models import User
from csss.reports import services as reports
from csss.scans import analysis, services
from csss.scans.models import Scan
from csss.scans.review_text import ReviewText
from csss.scans.states import Agreement, HoldFor, Status
from tests.factories import Clinic
from tests.visitor import Visitor

LOOKED = {
    "findings": "Clear lungs, no effusion.",
    "impression": "No active disease.",
    "diagnosis": "Normal chest",
    "agreement": "agree",
}


def url(scan: Scan | uuid.UUID, step: str = "") -> str:
    scan_id = scan.id if isinstance(scan, Scan) else scan
    return f"/doctor/scans/{scan_id}{'/' + step if step else ''}"


def fail(clinic: Clinic, scan_id: uuid.UUID, why: str = "The picture cannot be decoded.") -> None:
    doctor = clinic.person("doctor")
    with transaction():
        run_id = analysis.start(scan_id, by=doctor).id
    with transaction():
        analysis.keep_failure(run_id, why)


def hold(clinic: Clinic, scan_id: uuid.UUID, to: HoldFor = HoldFor.DOCTOR, note: str = "Which side?") -> None:
    admin = clinic.person("admin")
    with transaction():
        reports.hold(scan_id, to=to, note=note, by=admin)


def listed(visitor: Visitor, query: str = "") -> list[str]:
    return [
        row["id"].removeprefix("scan-")
        for row in visitor.page(f"/doctor/{query}").select("#worklist tbody tr")
    ]


def taken_to(clinic: Clinic, status: Status, diagnosis: str, patient: User) -> Scan:
    """A scan that has come so far, of whose reading this is the diagnosis."""
    reached = list(Status).index(status)
    scan = clinic.scan(min(status, Status.AI_ANALYZED, key=list(Status).index), patient=patient)
    if reached >= 2:
        doctor = clinic.person("doctor")
        with transaction():
            written = ReviewText("Clear lungs.", "No active disease.", diagnosis, Agreement.AGREE)
            services.verify(scan.id, written, by=doctor)
    if reached >= 3:
        clinic.complete(scan.id, clinic.person("pharmacist"))
    if reached >= 4:
        clinic.approve(scan.id, clinic.person("admin"))
    return scan
