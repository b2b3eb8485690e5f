"""A patient to whom everything has happened that can, how that patient is erased, and what is left of the person."""

import io
import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pikepdf import Pdf
from sqlalchemy import select

from csss import create_app
from csss.auth import second_factor, sessions
from csss.auth.models import CodePurpose
from csss.clock import now
from csss.database import Base, db, transaction
from csss.erasing import leftovers, services
from csss.erasing.models import ErasedFile
from csss.notices.models import MailMessage
from csss.people.models import Patient, PatientCorrection, User
from csss.people.record_models import PatientNumber, RecordInvitation
from csss.prescriptions import stated_facts
from csss.prescriptions.stated_facts import Stated
from csss.reports import batches
from csss.reports import services as reports
from csss.scans import (
    analysis,
    assignments,
    claims,
    critical_results,
    previews,
    review_drafts,
    second_readings,
)
from csss.scans import services as scans
from csss.scans.models import DoctorOpening, FirstImpression, PharmacistOpening, Scan
from csss.scans.services import ReviewText
from csss.scans.states import HoldFor, ScanKind, Status, Sureness
from csss.scans.uploads import services as uploads
from csss.storage import unfinished_uploads
from csss.storage.files import storage
from tests.conftest import settings_for
from tests.factories import Clinic
from tests.visitor import Visitor

CANARY = "kestrel"  # stands in everything that is said by or about the patient
HASH = "$2b$04$aaaaaaaaaaaaaaaaaaaaaexGx5Ns1X2bYqfIbvXKzvNfMSzkaTR5e"


@dataclass
class Life:
    """A patient to whom everything has happened that can, and a neighbour whose scan must not be touched."""

    clinic: Clinic
    patient: uuid.UUID
    mrn: str
    admin: uuid.UUID
    neighbour: uuid.UUID
    scans: list[uuid.UUID]
    in_flight: uuid.UUID
    upload: uuid.UUID


# By the name of the database: the folder that holds the life, and what is known of it.
LIVED: dict[str, tuple[Path, Life]] = {}


def live_in(folder: Path, **more: object) -> None:
    app = create_app(settings_for(folder, **more))
    with app.app_context():
        LIVED[db.engine.dialect.name] = (folder, live(Clinic(app)))
        leftovers.checkpoint(patience=1.0)
        db.session.remove()
        db.engine.dispose()


def live(clinic: Clinic) -> Life:
    doctor, pharmacist, admin = (clinic.person(role) for role in ("doctor", "pharmacist", "admin"))
    second = clinic.person("doctor")
    staff = {"doctor": doctor, "pharmacist": pharmacist, "admin": admin}
    patient = clinic.person("patient", name=f"Ada {CANARY.title()}", email=f"{CANARY}@csss.example")
    clinic.set_passphrase(patient, f"{CANARY} opens my reports")
    with transaction():
        record = db.session.get_one(User, patient.id).patient
        assert record is not None
        record.address = record.allergies = record.emergency_contact_name = f"{CANARY} lane"
        record.phone = record.emergency_contact_phone = f"+1 {CANARY}"
        record.blood_group = "AB-"
    mrn = record.mrn
    of: dict[str, Any] = {"patient": patient, "indication": f"{CANARY} cough", "findings": f"{CANARY} lungs"}
    neighbour = clinic.scan(Status.REPORT_READY, **staff).id
    released = clinic.scan(Status.REPORT_READY, **of, **staff).id
    held = clinic.scan(Status.PHARMACIST_COMPLETED, **of, **staff).id
    drafted = clinic.scan(Status.AI_ANALYZED, **of, doctor=doctor).id
    closed, moved, in_flight = (clinic.scan(**of).id for _ in range(3))
    written = ReviewText(f"{CANARY} draft", "", "", None, read_myself=False)
    pdf = io.BytesIO()
    Pdf.new().save(pdf)
    with transaction():
        reports.add_addendum(
            released,
            note=f"{CANARY} note",
            critical=True,
            critical_action=f"{CANARY}: call at once.",
            by=doctor,
        )
        marked = critical_results.standing(released)
        assert marked is not None
        critical_results.acknowledge(released, marked.id, by=admin)
        for version in (1, 2):
            reports.keep_version(
                db.session.get_one(Scan, released),
                version,
                file_key=storage().put("reports", "pdf", pdf.getvalue()),
                sha256="",
                size=1,
            )
        reports.hold(held, to=HoldFor.DOCTOR, note=f"{CANARY}, which side?", by=admin)
        review_drafts.save(drafted, written, by=doctor)
        db.session.add(
            FirstImpression(
                id=uuid.uuid4(),
                scan_id=drafted,
                doctor_id=doctor.id,
                findings=f"{CANARY} haze",
                diagnosis="Bronchitis",
                sureness=Sureness.UNSURE,
            )
        )
        db.session.add(PharmacistOpening(scan_id=released, pharmacist_id=admin.id, review_version=1))
        db.session.add(DoctorOpening(scan_id=released, doctor_id=doctor.id))
        stated_facts.state(drafted, Stated(weight="70", medicines=f"{CANARY} drops"), by=patient)
        db.session.add(
            PatientCorrection(
                patient_id=patient.patient.id,
                old={"name": f"{CANARY} Rong"},
                new={"name": f"{CANARY} Right"},
                reason=f"{CANARY} passport",
                corrected_by_id=admin.id,
            )
        )
        assignments.assign(drafted, to=doctor.id, note=f"{CANARY}: for you", by=doctor)
        second_readings.ask(drafted, ReviewText(f"{CANARY} haze", "", "Pneumonia"), by=doctor)
        second_readings.write(drafted, ReviewText(f"{CANARY} fog", "", "Bronchitis"), by=second)
        review_drafts.save(drafted, written, by=doctor)
        db.session.add(PatientNumber(patient_id=record.id, issuer=f"{CANARY} clinic", number=f"{CANARY}-1"))
        db.session.add(
            RecordInvitation(patient_id=record.id, email=f"{CANARY}@csss.example", invited_by_id=admin.id)
        )
        claims.take(drafted, by=doctor)
        scans.correct_kind(
            drafted, was=ScanKind.CHEST_XRAY, became=ScanKind.CARDIAC_MRI, reason=f"{CANARY} heart", by=doctor
        )
        scans.close(closed, reason=f"{CANARY} moved", by=doctor)
        batches.prepare([held, neighbour], by=admin)
        second_factor.request_code(patient, CodePurpose.SIGN_IN, uuid.uuid4())
        second_factor.new_recovery_codes(patient)
        upload, _ = uploads.begin(length=40, digest="", limit=10_000, by=patient)
        upload_id = upload.id
    ids = {"patient": patient.id, "doctor": doctor.id, "admin": admin.id}
    clinic.run_jobs("send_mail")
    patient, doctor = (db.session.get_one(User, ids[name]) for name in ("patient", "doctor"))
    with unfinished_uploads.UploadWriter(upload_id, 0) as file:
        file.write(CANARY.encode())
    with transaction():
        analysis.start(in_flight, by=doctor)
        scans.close(moved, reason=f"{CANARY}, again", by=doctor)  # a mail that is still owed
        message = db.session.scalars(select(MailMessage).where(MailMessage.user_id == patient.id)).first()
        assert message is not None
        message.last_error = f"550 <{CANARY}@csss.example> unknown"
    previews.small(db.session.get_one(Scan, released).file_key, previews.THUMBNAIL)
    with transaction():
        sessions.begin(patient, address="203.0.113.77", device=f"{CANARY} phone", complete=True)
    theirs = list(db.session.scalars(select(Scan.id).join(Patient).where(Patient.user_id == patient.id)))
    theirs.remove(released)
    db.session.commit()
    return Life(
        clinic, ids["patient"], mrn, ids["admin"], neighbour, [released, *theirs], in_flight, upload_id
    )


def erase(life: Life, reason: str = "Asked for by letter") -> None:
    with transaction():
        services.erase_as_deployer(life.mrn, reason=reason, password_hash=HASH)


def dump() -> dict[str, list[str]]:
    """Every row of every table as text, read from the database and not from the session."""
    with db.engine.connect() as connection:
        return {
            name: [
                repr(tuple(row)).lower()
                for row in connection.exec_driver_sql(f"SELECT * FROM {name} ORDER BY 1")
            ]
            for name in Base.metadata.tables
        }


def holders(rows: dict[str, list[str]], *texts: str) -> set[str]:
    return {name for name, found in rows.items() for row in found if any(text in row for text in texts)}


def erasure_row(patient: uuid.UUID) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "patient_id": patient,
        "at": now(),
        "reason": "x",
        "origin": "test",
        "counts": {},
        "opened": 1,
    }


def make_due(span: timedelta) -> None:
    with transaction():
        db.session.execute(sa.update(ErasedFile).values(due_at=ErasedFile.due_at))
        for row in db.session.scalars(select(ErasedFile)):
            row.due_at -= span + timedelta(seconds=1)


def erase_address(life: Life) -> str:
    record = db.session.scalars(select(Patient.id).where(Patient.user_id == life.patient)).one()
    return f"/admin/patients/{record}/erase"


def fresh_code(life: Life, visitor: Visitor) -> str:
    assert visitor.post(f"{erase_address(life)}/code", {"reason": "Asked for"}).status_code == 200
    life.clinic.run_jobs("send_mail")
    body = life.clinic.mail[-1].get_body()
    assert body is not None
    text = body.get_content()
    assert "to erase a patient" in text and CANARY not in text
    return re.findall(r"\d{6}", text)[0]
