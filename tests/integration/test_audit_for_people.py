"""The audit log says in plain sentences who did what, by name; machine fields stand behind "Details"."""

from sqlalchemy import select

from csss.audit import chain
from csss.audit.models import AuditEvent
from csss.audit.record import About, record
from csss.audit.verify import verify
from csss.database import db, transaction
from csss.people.models import User
from csss.scans.states import Status
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor, words


def sentences(admin: Visitor, query: str = "") -> list[str]:
    """What is read before anything is unfolded."""
    page = admin.page(f"/admin/audit?{query}")
    for each in page.select("details"):
        each.extract()
    return [words(cell) for cell in page.select("#audit tbody td.main")]


def test_people_and_patients_are_named(clinic: Clinic) -> None:
    admin = clinic.visitor(clinic.person("admin", name="Ada Min"))
    patient = clinic.person("patient", name="Asha Rao")
    mrn = patient.patient.mrn  # type: ignore[union-attr]
    doctor = clinic.person("doctor", name="Dr. Sen", active=False)
    clinic.scan(Status.AI_ANALYZED, patient=patient, doctor=clinic.person("doctor", name="Dr. Iyer"))
    admin.post(f"/admin/users/{doctor.id}/approve", {"current_password": PASSWORD})
    shown = sentences(admin)
    assert any(each.startswith("Ada Min approved the account of Dr. Sen") for each in shown)
    start = f"Dr. Iyer started the analysis of the scan of Asha Rao (MRN {mrn}), Chest X-ray of "
    assert any(each.startswith(start) for each in shown)


def test_an_erased_or_unknown_subject_is_a_number(clinic: Clinic) -> None:
    admin = clinic.visitor(clinic.person("admin", name="Ada Min"))
    with transaction():
        record("scan.held", About("scan", "0d9ddc72-6c3b-4a54-9f3d-1f8ce4a3f3b0"), by=admin.user)
    assert "Ada Min put the scan of scan 0d9ddc72 on hold" in sentences(admin)


def test_the_own_views_are_folded_until_something_is_searched(clinic: Clinic) -> None:
    admin = clinic.visitor(clinic.person("admin", name="Ada Min"))
    people = [clinic.person(role).id for role in ("doctor", "pharmacist", "patient")]
    for each in people:
        admin.get(f"/admin/users/{each}")
    page = admin.page("/admin/audit")
    fold = next(each for each in page.select(".audit-fold") if "You looked at" in words(each))
    assert "Ada Min looked at the account of" in words(fold)
    assert len(sentences(admin, "action=account.viewed")) == 3


def test_others_see_those_views_as_they_are(clinic: Clinic) -> None:
    admin = clinic.visitor(clinic.person("admin", name="Ada Min"))
    admin.get(f"/admin/users/{clinic.person('doctor', name='Dr. Sen').id}")
    other = clinic.visitor(clinic.person("admin", name="Olga Other"))
    assert any(each.startswith("Ada Min looked at the account of Dr. Sen") for each in sentences(other))


def test_a_correction_shows_old_and_new_values_that_the_log_does_not_keep(clinic: Clinic) -> None:
    admin = clinic.visitor(clinic.person("admin", name="Ada Min"))
    patient = clinic.person("patient", name="Asha Rau")
    page = admin.page(f"/admin/users/{patient.id}/details")
    seen = page.select_one("input[name=seen]")
    fields = {
        "name": "Asha Rao",
        "email": patient.email,
        "date_of_birth": "1980-02-29",
        "sex": "female",
        "reason": "Misread.",
        "seen": str(seen["value"] if seen else ""),
        "current_password": PASSWORD,
    }
    assert admin.post(f"/admin/users/{patient.id}/details", fields).status_code == 303
    shown = sentences(admin, "action=patient.corrected")
    assert "Name: Asha Rau became Asha Rao" in shown[0]
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "patient.corrected")).one()
    assert "Asha" not in str(event.detail)
    assert "Misread." not in str(event.detail)
    assert verify([chain.current_key()]).intact
    assert db.session.get_one(User, patient.id).name == "Asha Rao"


def test_a_page_has_at_most_twenty_five_rows(clinic: Clinic) -> None:
    admin = clinic.visitor(clinic.person("admin"))
    with transaction():
        for number in range(40):
            record("session.began", admin.user, by=admin.user, method=str(number))
    assert len(sentences(admin, "action=session.")) == 25
