"""What a report says beside the findings comes from the records: who signed, what was known, what came before."""

from datetime import timedelta

from csss.clock import now, pretending
from csss.database import db, transaction
from csss.people.models import User
from csss.reports.build import report_context
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.pages import fresh
from tests.visitor import Visitor, soup


def context_of(scan: Scan):
    return report_context(fresh(scan.id), report_id="7d0c8a52-9b1e-4c39-8f5e-2d0f6a9b41c7", version=1)


def test_a_doctor_gives_specialty_and_number_in_the_account_and_the_report_names_them(
    doctor: Visitor, pharmacist: Visitor, clinic: Clinic
) -> None:
    form = soup(doctor.get("/account"))
    assert form.select_one("#registration_number") is not None and form.select_one("#specialty") is not None
    sent = {
        "section": "profile",
        "name": "Dr Rao",
        "specialty": "radiologist",
        "registration_number": "TNMC 84213",
    }
    assert doctor.post("/account", sent).status_code == 303
    scan = clinic.scan(Status.PHARMACIST_COMPLETED, doctor=doctor.user, pharmacist=pharmacist.user)
    read, prescribed = context_of(scan).signatures
    assert (read.name, read.specialty, read.registration) == ("Dr Rao", "radiologist", "TNMC 84213")
    assert (prescribed.specialty, prescribed.registration) == ("", "")


def test_patients_and_administrators_are_asked_for_neither(patient: Visitor, admin: Visitor) -> None:
    for person in (patient, admin):
        assert soup(person.get("/account")).select_one("#specialty") is None
        person.post("/account", {"section": "profile", "name": "Somebody", "specialty": "radiologist"})
        assert db.session.get_one(User, person.user_id).specialty == ""


def test_earlier_scans_of_the_same_kind_are_named_and_closed_or_later_ones_are_not(
    patient: Visitor, doctor: Visitor, clinic: Clinic
) -> None:
    with pretending(now() - timedelta(days=40)):
        clinic.scan(patient=patient.user)
        closed = clinic.scan(patient=patient.user)
    doctor.post(f"/doctor/scans/{closed.id}/close", {"reason": "Upside down."})
    scan = clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient.user)
    clinic.scan(patient=patient.user)
    told = context_of(scan).scan.comparison
    assert told.startswith("Available to the doctor: ") and told.count(";") == 0
    first = clinic.scan(Status.PHARMACIST_COMPLETED)
    assert context_of(first).scan.comparison == "No earlier scan of this kind in this system."


def test_allergies_technique_and_number(patient: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient.user)
    made = context_of(scan)
    assert made.patient.allergies == "" and len(made.number) == 9
    assert made.scan.technique.startswith("Sent as a picture of 256 × 240 pixels;")
    for typed, printed in (("None.", "None known"), ("Penicillin (rash)", "Penicillin (rash)")):
        with transaction():
            db.session.get_one(User, patient.user_id).patient.allergies = typed
        assert context_of(scan).patient.allergies == printed
