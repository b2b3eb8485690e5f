"""A patient withdraws a scan until a doctor has opened it; who was first is decided in the database."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db, transaction
from csss.errors import StateConflict
from csss.people.models import User
from csss.scans import withdrawing
from csss.scans.models import DoctorOpening, Scan, ScanClosure
from csss.scans.states import Status
from csss.storage.files import storage
from tests.factories import Clinic
from tests.integration.pages import fresh
from tests.visitor import Visitor, words


def withdraw(patient: Visitor, scan: Scan):
    return patient.post(f"/patient/scans/{scan.id}/withdraw")


@pytest.mark.both_databases
def test_a_scan_that_nobody_has_opened_is_withdrawn_at_two_presses(
    patient: Visitor, doctor: Visitor, clinic: Clinic
) -> None:
    scan = clinic.scan(patient=patient.user, indication="Cough for two weeks")
    page = patient.page(f"/patient/scans/{scan.id}")
    assert page.select_one("details.confirm form")["action"] == f"/patient/scans/{scan.id}/withdraw"
    assert "Cough for two weeks" in words(doctor.get("/doctor/"))
    assert withdraw(patient, scan).status_code == 303
    told = words(patient.get(f"/patient/scans/{scan.id}"))
    assert "You have withdrawn this scan: nobody reads it." in told and "The doctor’s reason" not in told
    assert "Withdrawn by you" in words(patient.get("/patient/"))
    assert "Cough for two weeks" not in words(doctor.get("/doctor/"))
    read = words(doctor.get(f"/doctor/scans/{scan.id}"))
    assert "The patient withdrew it on" in read and "asked to upload again" not in read
    # It is closed, its status has not moved, and its picture stays for the hospital's retention rules.
    kept = fresh(scan.id)
    assert kept.closure is not None and kept.closure.withdrawn and kept.status is Status.PENDING_AI
    assert storage().read(kept.file_key)
    (event,) = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "scan.withdrawn"))
    assert event.actor_id == patient.user_id
    assert not clinic.mail, "nobody is asked to upload again"


@pytest.mark.both_databases
def test_once_a_doctor_has_opened_it_the_patient_is_told_when(
    patient: Visitor, doctor: Visitor, clinic: Clinic
) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, patient=patient.user)
    doctor.get("/doctor/")  # a list is no look at a scan, and neither is its small picture
    doctor.get(f"/scans/{scan.id}/image?size=thumbnail")
    assert patient.page(f"/patient/scans/{scan.id}").select_one("details.confirm form") is not None
    assert doctor.get(f"/doctor/scans/{scan.id}").status_code == 200
    assert db.session.get_one(DoctorOpening, scan.id).doctor_id == doctor.user_id
    assert patient.page(f"/patient/scans/{scan.id}").select_one("details.confirm form") is None
    refused = withdraw(patient, scan)
    assert refused.status_code == 409 and "A doctor opened your scan on" in words(refused)
    assert fresh(scan.id).closure is None


def test_only_the_first_doctor_is_kept(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan()
    doctor.get(f"/doctor/scans/{scan.id}")
    clinic.visitor(clinic.person("doctor")).get(f"/doctor/scans/{scan.id}")
    assert db.session.get_one(DoctorOpening, scan.id).doctor_id == doctor.user_id


def test_a_scan_shown_beside_another_counts_as_opened(
    patient: Visitor, doctor: Visitor, clinic: Clinic
) -> None:
    one, other = clinic.scan(patient=patient.user), clinic.scan(patient=patient.user)
    assert doctor.get(f"/doctor/scans/{one.id}?compare={other.id}").status_code == 200
    assert withdraw(patient, other).status_code == 409


def test_nobody_withdraws_what_is_not_theirs_or_twice(patient: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan()
    assert withdraw(patient, scan).status_code == 404
    own = clinic.scan(patient=patient.user)
    assert withdraw(patient, own).status_code == 303
    assert withdraw(patient, own).status_code == 409
    assert withdraw(patient, clinic.scan(Status.REPORT_READY, patient=patient.user)).status_code == 409


def test_what_was_withdrawn_can_be_sent_again_as_new(patient: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(patient=patient.user, indication="Cough")
    withdraw(patient, scan)
    page = patient.page(f"/patient/scans/{scan.id}")
    link = page.select_one(f"a[href*='again={scan.id}']")
    assert link is not None and "Send another picture" in link.get_text()
    assert patient.page(str(link["href"])).select_one("#indication").get_text().strip() == "Cough"


@pytest.mark.both_databases
def test_of_a_doctor_and_a_patient_at_once_one_is_first(app: Flask, patient: Visitor, clinic: Clinic) -> None:
    doctor_id, patient_id = clinic.person("doctor").id, patient.user_id
    for _ in range(5):
        scan_id = clinic.scan(patient=patient.user).id
        opened, taken = at_once(app, scan_id, doctor_id, patient_id)
        assert opened is not taken
        db.session.remove()
        rows = select(ScanClosure.id).where(ScanClosure.scan_id == scan_id)
        assert len(db.session.scalars(rows).all()) == taken
        db.session.rollback()


def at_once(app: Flask, scan_id: uuid.UUID, doctor_id: uuid.UUID, patient_id: uuid.UUID) -> tuple[bool, bool]:
    """Whether the doctor was the first to open it, and whether the patient has withdrawn it."""
    barrier = threading.Barrier(2)

    def by_doctor() -> bool:
        with app.app_context():
            barrier.wait()
            with transaction():
                return withdrawing.open_as_doctor(scan_id, by=db.session.get_one(User, doctor_id)) is not None

    def by_patient() -> bool:
        with app.app_context():
            barrier.wait()
            try:
                with transaction():
                    withdrawing.withdraw(scan_id, by=db.session.get_one(User, patient_id))
            except StateConflict:
                return False
            return True

    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(each) for each in (by_doctor, by_patient)]
        return both[0].result(), both[1].result()


def test_a_doctor_who_has_the_list_open_sees_it_go(doctor: Visitor, patient: Visitor, clinic: Clinic) -> None:
    """The closure announces itself to every list (csss.live.names); the row is gone at the next look."""
    from csss.live.names import change_of

    scan = clinic.scan(patient=patient.user)
    withdraw(patient, scan)
    change = change_of(fresh(scan.id).closure, new=True)
    assert change is not None and doctor.user.role in change.roles and "queue" in change.names


def test_statistics_count_it_as_no_doctors_work(admin: Visitor, patient: Visitor, clinic: Clinic) -> None:
    withdraw(patient, clinic.scan(patient=patient.user))
    rows = admin.get("/admin/statistics.csv").get_data(as_text=True).splitlines()
    closed = [row.rpartition(",")[2].strip(chr(34)) for row in rows if "closed" in row]
    assert closed and set(closed) == {"0"}
