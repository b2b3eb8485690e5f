"""What waits for approval, and what has been released."""

import uuid
from collections.abc import Callable

import pytest

from csss.database import db, transaction
from csss.people.models import User
from csss.prescriptions import services as prescriptions
from csss.prescriptions.lines import Line
from csss.reports import queries as reports
from csss.scans import services
from csss.scans.services import ReviewText
from csss.scans.states import Agreement, Priority, Status
from tests.factories import Clinic
from tests.integration.administrator import listed, url
from tests.integration.pages import fresh
from tests.visitor import Visitor, words


def test_answered_holds_come_first_then_what_can_be_approved(admin: Visitor, clinic: Clinic) -> None:
    def waiting(name: str) -> uuid.UUID:
        return clinic.scan(Status.PHARMACIST_COMPLETED, patient=clinic.person("patient", name=name)).id

    waiting("Asha Plain")
    asked, answered = waiting("Bina Asked"), waiting("Chitra Answered")
    urgent = waiting("Devi")
    early = clinic.scan(Status.DOCTOR_VERIFIED, patient=clinic.person("patient", name="Esha Early")).id
    clinic.scan(Status.AI_ANALYZED)
    doctor = clinic.person("doctor")
    with transaction():
        services.set_priority(urgent, Priority.URGENT, by=doctor)
    for scan_id, to in ((asked, "pharmacist"), (answered, "pharmacist"), (early, "doctor")):
        assert admin.post(url(scan_id, "hold"), {"to": to, "note": "Dose?"}).status_code == 303
    pharmacist_id = clinic.person("pharmacist").id
    with transaction():
        pharmacist = db.session.get_one(User, pharmacist_id)
        prescriptions.correct(answered, lines=[Line()], none_needed=True, notes="", by=pharmacist)

    page = admin.page("/admin/")
    assert listed(page) == [
        "Chitra Answered",
        "Devi",
        "Asha Plain",
        "Bina Asked",
        "Esha Early",
    ]
    text = page.select_one("#queue").get_text(" ")
    assert "Corrected by the pharmacist, look again" in text and "On hold for the doctor" in text
    assert "1–5 of 5 scans" in text
    assert listed(admin.page("/admin/?q=bina")) == ["Bina Asked"]


def test_the_list_names_who_wrote_what_counts(admin: Visitor, clinic: Clinic) -> None:
    doctor, other = clinic.person("doctor", name="Dr. First"), clinic.person("doctor", name="Dr. Second")
    pharmacist = clinic.person("pharmacist", name="P. Person")
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, doctor=doctor, pharmacist=pharmacist).id
    other_id = other.id
    assert "Dr. First" in words(admin.get("/admin/")) and "P. Person" in words(admin.get("/admin/"))
    admin.post(url(scan_id, "hold"), {"to": "doctor", "note": "Which side?"})
    with transaction():
        written = ReviewText("Left lung.", "", "Pneumonia", Agreement.PARTLY)
        services.correct_review(scan_id, written, by=db.session.get_one(User, other_id))
    text = words(admin.get("/admin/"))
    assert "Dr. Second" in text and "Dr. First" not in text


def test_past_the_last_page_the_last_one_is_shown_as_what_it_is(admin: Visitor, clinic: Clinic) -> None:
    clinic.scan(Status.REPORT_READY, patient=clinic.person("patient", name="Asha Released"))
    page = admin.page("/admin/?show=released&page=9")
    assert "Asha Released" in page.select_one("#queue").get_text()
    assert page.select_one("#queue a[rel=prev]") is None


@pytest.mark.both_databases
def test_released_reports_are_listed_with_their_mail(admin: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient", name="Asha Released")
    scan_id = clinic.scan(Status.REPORT_READY, patient=patient).id
    assert "The report is being made" in words(admin.get("/admin/?show=released"))
    clinic.run_jobs()
    page = admin.page("/admin/?show=released&q=asha")
    (version,) = reports.versions(fresh(scan_id))
    row = page.select_one("#queue tbody tr")
    assert row.select_one(f"a[href='/reports/{version.id}.pdf']") is not None
    assert row.select_one(".tag--ok").get_text(strip=True) == "Sent"
    assert "No patient was found" in words(admin.get("/admin/?show=released&q=nobody"))
    assert listed(admin.page("/admin/")) == []


@pytest.mark.parametrize("address", ["/admin/", "/admin/?show=released", "/admin/users", "/admin/mail"])
def test_a_row_costs_no_query(
    admin: Visitor, clinic: Clinic, queries_of: Callable[[Callable[[], object]], int], address: str
) -> None:
    status = Status.REPORT_READY if "released" in address else Status.PHARMACIST_COMPLETED

    def some(number: int) -> None:
        staff = {role: clinic.person(role) for role in ("doctor", "pharmacist", "admin")}
        for _ in range(number):
            clinic.scan(status, patient=clinic.person("patient"), **staff)
        if "released" in address:
            clinic.run_jobs("render_report")

    some(1)
    few = queries_of(lambda: admin.get(address))
    some(3)
    assert queries_of(lambda: admin.get(address)) == few <= 12
