"""The pharmacist's step. Functions belong inside transaction()."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from csss.audit.record import record
from csss.auth.models import User
from csss.database import db
from csss.errors import Invalid
from csss.prescriptions.models import Prescription, PrescriptionItem, Route
from csss.scans import policies, workflow
from csss.scans.models import Scan
from csss.scans.services import answer_hold
from csss.scans.states import HoldFor, Status

MAX_ITEMS = 50
MAX_NOTES = 20_000
LIMITS = {"drug": 200, "dose": 100, "frequency": 100, "duration": 100}


@dataclass(frozen=True)
class Line:
    """One line of the form, as typed."""

    drug: str = ""
    dose: str = ""
    route: str = ""
    frequency: str = ""
    duration: str = ""

    @property
    def blank(self) -> bool:
        """A line without drug, dose, frequency and duration is no line; its route is preset."""
        return not any(text.strip() for text in (self.drug, self.dose, self.frequency, self.duration))


def complete(
    scan_id: uuid.UUID, *, lines: Sequence[Line], none_needed: bool, notes: str, by: User
) -> Prescription:
    """Add the prescription and move the scan on. Raises StateConflict, Invalid.

    Invalid names a line's field by its place: `drug-0` is the drug of the first line.
    """
    scan = workflow.lock(scan_id)
    policies.check_can_complete(scan)
    prescription = _prescription(scan, lines, none_needed, notes, by)
    workflow.move(scan, Status.PHARMACIST_COMPLETED, by=by)
    return prescription


def correct(
    scan_id: uuid.UUID, *, lines: Sequence[Line], none_needed: bool, notes: str, by: User
) -> Prescription:
    """A further version, asked for by an administrator. The status does not move."""
    scan = workflow.lock(scan_id)
    policies.check_can_correct(scan, HoldFor.PHARMACIST)
    prescription = _prescription(scan, lines, none_needed, notes, by)
    answer_hold(scan)
    record("scan.prescription_corrected", scan, by=by, version=prescription.version)
    return prescription


def versions(scan: Scan) -> Sequence[Prescription]:
    """All versions, oldest first; the last one counts."""
    return db.session.scalars(
        select(Prescription).where(Prescription.scan_id == scan.id).order_by(Prescription.version)
    ).all()


def _prescription(scan: Scan, lines: Sequence[Line], none_needed: bool, notes: str, by: User) -> Prescription:
    filled = [(place, line) for place, line in enumerate(lines) if not line.blank]
    errors = _problems(filled, none_needed, notes)
    if errors:
        raise Invalid(**errors)
    prescription = Prescription(
        id=uuid.uuid4(),
        scan_id=scan.id,
        version=len(versions(scan)) + 1,
        pharmacist_id=by.id,
        none_needed=none_needed,
        notes=notes.strip(),
        items=[
            PrescriptionItem(
                position=position,
                drug=line.drug.strip(),
                dose=line.dose.strip(),
                route=Route(line.route),
                frequency=line.frequency.strip(),
                duration=line.duration.strip(),
            )
            for position, (_, line) in enumerate(filled, start=1)
        ],
    )
    db.session.add(prescription)
    return prescription


def _problems(filled: Sequence[tuple[int, Line]], none_needed: bool, notes: str) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not filled and not none_needed:
        errors["none_needed"] = "Enter at least one medicine, or tick that none is needed."
    if filled and none_needed:
        errors["none_needed"] = "Medicines are entered and “none needed” is ticked: keep one of the two."
    if len(filled) > MAX_ITEMS:
        errors["none_needed"] = f"At most {MAX_ITEMS} medicines can be taken."
    for place, line in filled:
        for name, sentence in (
            ("drug", "Enter the medicine."),
            ("dose", "Enter the dose."),
            ("frequency", "Enter how often."),
        ):
            if not getattr(line, name).strip():
                errors[f"{name}-{place}"] = sentence
        for name, limit in LIMITS.items():
            if len(getattr(line, name)) > limit:
                errors[f"{name}-{place}"] = f"At most {limit} characters can be taken."
        if line.route not in set(Route):
            errors[f"route-{place}"] = "Choose how it is given."
    if len(notes) > MAX_NOTES:
        errors["notes"] = f"At most {MAX_NOTES:,} characters can be taken; this has {len(notes):,}."
    return errors
