"""A clinic with patients that have no account, for the tests beside it."""

from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import update

from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.clock import now
from csss.database import db, transaction
from csss.people.models import Patient, User
from csss.people.record_models import RecordInvitation, RecordMerge
from csss.records import invitations, merging, services
from csss.scans import services as scan_services
from csss.scans.models import Scan
from csss.scans.states import ScanKind, Status
from csss.storage.files import storage
from tests.factories import ORDER, PASSWORD, Clinic, picture, reading, taken
from tests.visitor import Visitor

Row = TypeVar("Row")
BORN = "1970-05-06"
LATER = timedelta(days=31)  # a slip is too old by then


def make(by: User, *, name: str = "Rani Record", another: bool = True, **more: Any) -> Patient:
    """A record without an account."""
    values = {"date_of_birth": BORN, "sex": "female", **more}
    with transaction():
        patient = services.make(services.Typed(name=name, **values), another=another, by=by)
    return loose(patient)


def scan_of(clinic: Clinic, patient: Patient, status: Status = Status.PENDING_AI) -> Scan:
    """A scan of a record that somebody else has brought, taken to `status` by people of the clinic."""
    intake = taken(picture())
    key = storage().put("scans", intake.suffix, intake.content)
    doctor, reached = clinic.person("doctor"), ORDER.index(status)
    with transaction():
        scan = scan_services.submit_for(
            patient.id, intake, key, kind=ScanKind.CHEST_XRAY, indication="Cough", by=doctor
        )
    scan_id = scan.id
    if reached >= 1:
        clinic.analyse(scan_id, doctor, reading())
    if reached >= 2:
        clinic.verify(scan_id, doctor)
    if reached >= 3:
        clinic.complete(scan_id, clinic.person("pharmacist"))
    if reached >= 4:
        clinic.approve(scan_id, clinic.person("admin"))
    return loose(db.session.get_one(Scan, scan_id))


def slip(patient: Patient, by: User) -> str:
    """A fresh code for this record."""
    with transaction():
        return invitations.print_one(patient.id, by=by)[1]


def claim(visitor: Visitor, patient: Patient, code: str, /, **instead: str) -> Any:
    """Send the form of a claim; right unless something else is given."""
    fields = {
        "mrn": patient.mrn,
        "date_of_birth": patient.date_of_birth.isoformat(),
        "code": code,
        "email": "rani@csss.example",
        "password": PASSWORD,
    }
    return visitor.post("/claim", fields | instead)


def merge(kept: Patient, merged: Patient, by: User, **instead: Any) -> RecordMerge:
    """Merge with everything confirmed, unless something else is given."""
    values: dict[str, Any] = {
        "reason": "Registered twice",
        "confirmed": merging.to_confirm(kept, merged),
        "seen": merging.seen_of(kept, merged),
        "by": by,
        **instead,
    }
    with transaction():
        made = merging.merge(kept.id, merged.id, **values)
    return loose(made)


def again(patient: Patient) -> Patient:
    """The record as the database has it now."""
    found = db.session.get_one(Patient, patient.id)
    db.session.refresh(found)
    return found


def loose(row: Row) -> Row:
    """The row as it is now, apart from the session: a request of a visitor ends that of the test."""
    db.session.refresh(row)
    if isinstance(row, User) and row.patient is not None:
        db.session.refresh(row.patient)
    db.session.expunge(row)
    return row


def age(invitation_of: Patient, by: timedelta) -> None:
    """Let this much time pass for the codes of a record."""
    with transaction():
        db.session.execute(
            update(RecordInvitation)
            .where(RecordInvitation.patient_id == invitation_of.id)
            .values(expires_at=now() + invitations.LIFE - by)
        )


def proof_for(admin: User, patient: Patient) -> Proof:
    return Proof(admin.id, CodePurpose.APPROVAL, patient.id, "authenticator")
