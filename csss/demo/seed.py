"""Create demo accounts and a few synthetic scans in different stages, through the normal services."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select

from csss.audit.record import coming_from
from csss.auth import accounts, passphrases, secrets
from csss.auth.accounts import PatientDetails
from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.clock import now, pretending
from csss.config import Settings
from csss.database import db, transaction
from csss.demo import history, stories
from csss.demo.diary import Diary
from csss.demo.history import seed_history
from csss.jobs import runner
from csss.outbox import OutboxJob
from csss.people.models import AccountState, Sex, User
from csss.people.roles import Role
from csss.prescriptions import services as prescriptions
from csss.prescriptions.lines import Line
from csss.reports import services as reports
from csss.scans import analysis, first_impressions, services
from csss.scans.intake import take_in
from csss.scans.models import Scan
from csss.scans.services import ReviewText
from csss.scans.states import Agreement, Priority, ScanKind, Status
from csss.storage.files import storage

PASSWORD = "csss-demo-2026"
PASSPHRASE = "csss-demo-report"
ACCOUNTS = (
    ("patient@csss.example", "patient: uploads, follows, downloads"),
    ("doctor@csss.example", "doctor: reads and verifies"),
    ("pharmacist@csss.example", "pharmacist: prescribes"),
    ("admin@csss.example", "administrator: approves (code by mail)"),
)
PICTURES = Path(__file__).parent / "scans"
_ORDER = list(Status)


@dataclass(frozen=True)
class _Case:
    """One demo scan: when it came, its picture, its patient, and the stage that it reaches."""

    minutes_ago: int
    picture: str
    patient: str
    indication: str
    stage: Status
    findings: str = ""
    impression: str = ""
    diagnosis: str = ""
    medicines: tuple[Line, ...] = ()
    notes: str = ""
    urgent: bool = False


@dataclass(frozen=True)
class _Staff:
    doctor: User
    pharmacist: User
    admin: User


def seed() -> None:
    """Fill an empty database. Belongs inside an app context."""
    chance = random.Random(7)  # noqa: S311 - the same past at every start  # nosec B311
    diary = Diary(_settings().zone, now(), chance)
    with coming_from("demo"):
        # Everybody is there before the first scan; a minute lies between two.
        registered = iter(now() - timedelta(days=40, minutes=7 * number) for number in range(40, 0, -1))
        password = secrets.hash_password(PASSWORD)

        def person(email: str, name: str, role: Role, record: stories.Person | None = None) -> User:
            with pretending(diary.free(next(registered))):
                return _person(email, name, role, password, record)

        staff = _Staff(
            person("doctor@csss.example", "Dr. Meena Iyer", Role.DOCTOR),
            person("pharmacist@csss.example", "Arun Prakash", Role.PHARMACIST),
            person("admin@csss.example", "Lakshmi Raman", Role.ADMIN),
        )
        patients = {
            key: person(f"{address}@csss.example", record.name, Role.PATIENT, record)
            for key, address, record in _PATIENTS
        }
        others = {
            record.name: person(f"patient{number}@csss.example", record.name, Role.PATIENT, record)
            for number, record in enumerate(stories.PEOPLE, start=4)
        }
        seed_history(PICTURES, others, history.Staff(staff.doctor, staff.pharmacist, staff.admin), diary)
        for case in _cases():
            _take_to_stage(case, patients[case.patient], staff, diary)


def _person(
    email: str, name: str, role: Role, password_hash: str, record: stories.Person | None = None
) -> User:
    details = PatientDetails(record.born, record.sex, "+91 44 5550 0100") if record else None
    with transaction():
        user = accounts.register(
            email=email,
            name=name,
            password=secrets.new_link_token(),
            # Everybody knows the demo's password, so the password rules are bypassed.
            password_hash=password_hash,
            role=role,
            patient=details,
        )
        user.state, user.email_confirmed_at = AccountState.ACTIVE, now()
        if record:
            passphrases.set_report_passphrase(user, PASSPHRASE)
            known = {"address": "12 Temple Road, Chennai 600004", "allergies": record.allergies}
            accounts.update_profile(user, known)
    return user


def _take_to_stage(case: _Case, patient: User, staff: _Staff, diary: Diary) -> None:
    """Step by step, as people and workers would do it."""
    reached = _ORDER.index(case.stage)
    kind = ScanKind.CARDIAC_MRI if case.picture.startswith("Sick") else ScanKind.CHEST_XRAY
    settings: Settings = _settings()
    intake = take_in((PICTURES / case.picture).read_bytes(), limit=settings.upload_bytes)
    file_key = storage().put("scans", intake.suffix, intake.content)
    moment = diary.free(now() - timedelta(minutes=case.minutes_ago))
    with pretending(moment), transaction():
        scan = services.submit_scan(
            intake,
            file_key,
            kind=kind,
            indication=case.indication,
            priority=Priority.URGENT if case.urgent else Priority.ROUTINE,
            by=patient,
        )
    scan_id = scan.id
    if reached >= 1:
        with pretending(moment := diary.free(moment + timedelta(minutes=4, seconds=20))):
            if settings.analyse == "doctor":
                with transaction():
                    analysis.start(scan_id, by=staff.doctor)
            _run_jobs()
    if reached >= 2:
        prediction = db.session.get_one(Scan, scan_id).prediction
        agreed = prediction is not None and not prediction.uncertain
        reading = ReviewText(
            case.findings,
            case.impression,
            case.diagnosis,
            Agreement.AGREE if agreed else Agreement.PARTLY,
            read_myself=True,
        )
        with pretending(moment := diary.free(moment + timedelta(minutes=26, seconds=35))), transaction():
            first_impressions.keep_if_asked(scan_id, reading, by=staff.doctor)
            services.verify(scan_id, reading, by=staff.doctor)
    if reached >= 3:
        with pretending(moment := diary.free(moment + timedelta(minutes=17, seconds=5))), transaction():
            prescriptions.complete(
                scan_id,
                lines=case.medicines,
                none_needed=not case.medicines,
                notes=case.notes,
                by=staff.pharmacist,
            )
    if reached >= 4:
        proof = Proof(staff.admin.id, CodePurpose.APPROVAL, scan_id, "email_code")
        with pretending(moment := diary.free(moment + timedelta(minutes=21, seconds=50))), transaction():
            reports.approve(scan_id, proof=proof, by=staff.admin)
        with pretending(diary.free(moment + timedelta(minutes=1))):
            _run_jobs()


def _settings() -> Settings:
    from flask import current_app

    settings: Settings = current_app.config["CSSS"]
    return settings


def _run_jobs() -> None:
    """Run the queued jobs here and now, as the workers would."""
    open_rows = select(OutboxJob.id).where(OutboxJob.done_at.is_(None), OutboxJob.failed_at.is_(None))
    for _ in range(5):
        rows = db.session.scalars(open_rows.order_by(OutboxJob.created_at)).all()
        if not rows:
            return
        for row_id in rows:
            runner.perform(row_id)


_PATIENTS = (
    (
        "patient",
        "patient",
        stories.Person("Kavya Subramanian", Sex.FEMALE, date(1991, 4, 17), "57", "None known"),
    ),
    (
        "second",
        "patient2",
        stories.Person("Joseph Fernandes", Sex.MALE, date(1958, 11, 3), "76", "None known"),
    ),
    # Waits for a prescription: a penicillin antibiotic makes the pharmacist's page warn.
    (
        "third",
        "patient3",
        stories.Person(
            "Noor Fathima", Sex.FEMALE, date(2021, 8, 25), "17", "Penicillin: rash all over as a baby"
        ),
    ),
)


def _cases() -> Iterator[_Case]:
    """Oldest first. Every stage occurs at least once, and so does an uncertain scan."""
    yield _Case(
        5855,
        "NIH_MERGED-1.jpg",
        "patient",
        "Check-up before a journey",
        Status.REPORT_READY,
        "The heart is slightly enlarged. Both lungs are clear. No pleural effusion.",
        "Slightly enlarged heart, no sign of congestion.",
        "Mild cardiomegaly",
    )
    yield _Case(
        287,
        "COVID-1.jpg",
        "second",
        "Fever, cough and loss of smell for five days",
        Status.PHARMACIST_COMPLETED,
        "Patchy opacities in both lungs, more on the left and below. No effusion. The heart is of normal size.",
        "Changes on both sides that fit an infection of the lower airways.",
        "Viral pneumonia, COVID-19 likely",
        (
            Line("Paracetamol", "500 mg", "oral", "up to four times a day", "5 days"),
            Line("Salbutamol", "100 micrograms", "inhaled", "when short of breath", "2 weeks"),
        ),
        "Drink enough. Come back if the fever lasts longer than three days.",
    )
    yield _Case(
        164,
        "Viral_Pneumonia-1.jpg",
        "third",
        "Fever for four days, breathing fast",
        Status.DOCTOR_VERIFIED,
        "Perihilar markings are increased on both sides. No consolidation, no effusion.",
        "Bronchial pattern without a focus.",
        "Viral pneumonia",
    )
    yield _Case(52, "Lung_Opacity-2.jpg", "second", "Cough has come back", Status.AI_ANALYZED, urgent=True)
    yield _Case(131, "Sick-1.jpg", "patient", "Breathless on climbing stairs", Status.AI_ANALYZED)
    yield _Case(118, "Normal-1.jpg", "third", "Follow-up after bronchitis", Status.AI_ANALYZED)
    yield _Case(97, "NIH_MERGED-2.jpg", "second", "Cough at night", Status.AI_ANALYZED)
    yield _Case(33, "Lung_Opacity-1.jpg", "second", "Cough with fever again", Status.PENDING_AI)
    yield _Case(11, "COVID-2.jpg", "patient", "Cough and fever since Sunday", Status.PENDING_AI, urgent=True)
