"""The queue of a pharmacist."""

from collections.abc import Callable

from csss.database import transaction
from csss.scans import services
from csss.scans.states import Priority, Status
from tests.factories import Clinic
from tests.integration.pharmacist import hold, listed
from tests.visitor import Visitor, words


def test_the_queue_holds_what_waits_for_a_prescription(pharmacist: Visitor, clinic: Clinic) -> None:
    verified = clinic.person("patient", name="Asha Verified")
    held = clinic.person("patient", name="Bina Held")
    other = clinic.person("patient", name="Chitra Elsewhere")
    clinic.scan(Status.DOCTOR_VERIFIED, patient=verified)
    hold(clinic, clinic.scan(Status.PHARMACIST_COMPLETED, patient=held).id)
    clinic.scan(Status.AI_ANALYZED, patient=other)
    clinic.scan(Status.PHARMACIST_COMPLETED, patient=other)
    closed = clinic.scan(Status.DOCTOR_VERIFIED, patient=other).id
    doctor = clinic.person("doctor")
    with transaction():
        services.close(closed, reason="Wrong patient", by=doctor)

    page = pharmacist.page("/pharmacist/")
    assert sorted(listed(page)) == ["Asha Verified", "Bina Held"]
    text = " ".join(page.select_one("#queue").get_text(" ").split())
    assert "To prescribe" in text and "Correction asked for" in text and "Normal chest" in text


def test_a_row_tells_allergies_age_and_mrn(pharmacist: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    clinic.scan(Status.DOCTOR_VERIFIED, patient=patient)
    with transaction():
        patient.patient.allergies = "Penicillin <b>"
        mrn = patient.patient.mrn
    row = pharmacist.page("/pharmacist/").select_one("#queue tbody tr")
    assert "Penicillin <b>" in row.get_text() and row.select_one("b") is None
    assert mrn in row.get_text()
    assert row.select_one(".tag--bad") is not None


def test_search_sort_and_pages(pharmacist: Visitor, clinic: Clinic) -> None:
    doctor = clinic.person("doctor")
    first = clinic.scan(Status.DOCTOR_VERIFIED, patient=clinic.person("patient", name="Asha"), doctor=doctor)
    last = clinic.scan(Status.DOCTOR_VERIFIED, patient=clinic.person("patient", name="Zoya"), doctor=doctor)
    mrn, last_id = first.patient.mrn, last.id
    with transaction():
        services.set_priority(last_id, Priority.URGENT, by=doctor)
    assert listed(pharmacist.page("/pharmacist/")) == ["Zoya", "Asha"]
    assert listed(pharmacist.page("/pharmacist/?sort=waiting")) == ["Asha", "Zoya"]
    assert listed(pharmacist.page("/pharmacist/?sort=newest")) == ["Zoya", "Asha"]
    assert listed(pharmacist.page("/pharmacist/?q=zoy")) == ["Zoya"]
    assert listed(pharmacist.page(f"/pharmacist/?q={mrn[:6]}")) == ["Asha"]
    assert "No patient was found" in words(pharmacist.get("/pharmacist/?q=nobody%25"))
    # Addresses are built from what a visitor sends; nothing of it may change where a link leads.
    page = pharmacist.page("/pharmacist/?page=99&_external=1&_scheme=javascript&endpoint=admin.queue")
    assert listed(page) == ["Zoya", "Asha"]
    assert not [link for link in page.select("a[href]") if link["href"].startswith("javascript")]


def test_a_row_costs_no_query(
    pharmacist: Visitor, clinic: Clinic, queries_of: Callable[[Callable[[], object]], int]
) -> None:
    def some(number: int) -> None:
        doctor = clinic.person("doctor")
        for _ in range(number):
            clinic.scan(Status.DOCTOR_VERIFIED, patient=clinic.person("patient"), doctor=doctor)

    some(1)
    few = queries_of(lambda: pharmacist.get("/pharmacist/"))
    some(3)
    many = queries_of(lambda: pharmacist.get("/pharmacist/"))
    assert len(listed(pharmacist.page("/pharmacist/"))) == 4
    assert many == few <= 12
