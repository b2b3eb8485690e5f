"""A scan as the pharmacist sees it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import current_app

from csss import clock
from csss.prescriptions import queries
from csss.reports.context import age_on
from csss.scans.models import Scan, ScanHold
from csss.scans.presenters import Tag, status_for_staff
from csss.scans.states import HoldFor, Priority

ANSWERED = Tag("Corrected, back with the administrator", "ok", "check")


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
            age=age(scan.patient.date_of_birth),
            allergies=scan.patient.allergies,
            diagnosis=diagnoses.get(scan.id, ""),
            waiting_since=scan.uploaded_at,
            urgent=scan.priority is Priority.URGENT,
            tag=_tag(scan),
        )
        for scan in scans
    ]


def asked_for(scan: Scan) -> ScanHold | None:
    """The administrator's open question to the pharmacist."""
    hold = scan.open_hold
    return hold if hold is not None and hold.to is HoldFor.PHARMACIST else None


def _tag(scan: Scan) -> Tag:
    hold = asked_for(scan)
    if hold is not None:
        return ANSWERED if hold.answered_at else Tag("Correction asked for", "warn", "edit")
    if scan.open_hold is not None:
        return status_for_staff(scan)
    return Tag("To prescribe", "info", "pill")


def age(born: date) -> int:
    """Completed years today, in the hospital's time zone; 0 for a date that lies ahead there."""
    today = clock.now().astimezone(current_app.config["CSSS"].zone).date()
    return age_on(born, max(born, today))
