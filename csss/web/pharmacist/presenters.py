"""A scan as the pharmacist sees it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from csss import clock
from csss.prescriptions import queries
from csss.scans import policies
from csss.scans.models import Scan, ScanHold
from csss.scans.presenters import Tag, status_for_staff
from csss.scans.states import HoldFor, Priority, Status
from csss.web.scan_view import age_at

CORRECTED = Tag("Corrected, with the administrator", "info", "check")


@dataclass(frozen=True)
class QueueRow:
    """One line of the queue."""

    scan_id: uuid.UUID
    name: str
    mrn: str
    age: int
    allergies: str
    diagnosis: str
    waiting_since: datetime
    urgent: bool
    tag: Tag


def queue_rows(scans: Sequence[Scan]) -> list[QueueRow]:
    diagnoses = queries.diagnoses(scans)
    return [
        QueueRow(
            scan_id=scan.id,
            name=scan.patient.user.name,
            mrn=scan.patient.mrn,
            age=age_at(scan.patient.date_of_birth, clock.now()),
            allergies=scan.patient.allergies,
            diagnosis=diagnoses.get(scan.id, ""),
            waiting_since=scan.uploaded_at,
            urgent=scan.priority is Priority.URGENT,
            tag=tag(scan),
        )
        for scan in scans
    ]


def asked_for(scan: Scan) -> ScanHold | None:
    """The administrator's open question to the pharmacist."""
    hold = scan.open_hold
    return hold if hold is not None and hold.to is HoldFor.PHARMACIST else None


def tag(scan: Scan) -> Tag:
    """The status in the pharmacist's words."""
    hold = asked_for(scan)
    if hold is not None:
        return CORRECTED if hold.answered_at else Tag("Correction asked for", "warn", "edit")
    if policies.may(policies.check_can_complete, scan):
        return Tag("To prescribe", "info", "pill")
    return status_for_staff(scan)


def waits_because(scan: Scan) -> str | None:
    """Why nothing can be prescribed now, when the scan does not wait for the pharmacist; None when it is done."""
    hold = scan.open_hold
    if scan.closure is not None:
        return "The scan has been closed by a doctor. Nothing is prescribed for it."
    if hold is not None and scan.status is Status.DOCTOR_VERIFIED:
        return (
            f"An administrator has asked the {hold.to} for a correction. "
            "The prescription can be written once that is settled."
        )
    return _WAITS.get(scan.status)


_WAITS: dict[Status, str] = {
    Status.PENDING_AI: "A doctor has to read and verify this scan first.",
    Status.AI_ANALYZED: "A doctor has to read and verify this scan first.",
}
