"""An administrator corrects a patient's name, birth date, sex and e-mail address, with a reason."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from csss.audit import chain
from csss.audit.models import AuditEvent
from csss.audit.verify import verify
from csss.auth import password_reset
from csss.auth.models import PasswordReset
from csss.database import db, transaction
from csss.people.models import PatientCorrection, Sex, User
from csss.reports import queries
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.storage.files import storage
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor, soup, words

RIGHT = {"name": "Patricia Right", "date_of_birth": "1979-03-01", "sex": "male"}


def form_of(admin: Visitor, patient: User) -> dict[str, str]:
    """The fields as the page shows them, with a reason and the password."""
    page = admin.page(f"/admin/users/{patient.id}/details").select_one("#details-form form")
    assert page is not None
    fields = {str(each["name"]): str(each.get("value", "")) for each in page("input")}
    chosen = page.select_one("select option[selected]")
    assert chosen is not None
    fields.pop("csrf_token")
    return fields | {
        "sex": str(chosen["value"]),
        "reason": "Identity card seen.",
        "current_password": PASSWORD,
    }


@pytest.fixture
def admin(clinic: Clinic) -> Visitor:
    return clinic.visitor(clinic.person("admin", name="Ada Min"))


@pytest.fixture
def patient(clinic: Clinic) -> User:
    return clinic.person("patient", name="Patrisia Rong", email="old@csss.example")


@pytest.fixture
def correct(admin: Visitor, patient: User) -> Callable[..., Any]:
    def send(**typed: str) -> Any:
        fields = form_of(admin, patient) | typed
        return admin.post(f"/admin/users/{patient.id}/details", fields)

    return send


def test_the_corrected_details_are_stored_and_shown_with_the_old_ones_and_the_reason(
    correct: Callable[..., Any], admin: Visitor, patient: User
) -> None:
    assert correct(**RIGHT).status_code == 303
    user = db.session.get_one(User, patient.id)
    assert user.patient is not None
    assert (user.name, user.patient.date_of_birth, user.patient.sex) == (
        "Patricia Right",
        date(1979, 3, 1),
        Sex.MALE,
    )
    shown = words(admin.page(f"/admin/users/{patient.id}"))
    for each in (
        "Identity card seen.",
        "Patrisia Rong became Patricia Right",
        "29 Feb 1980 became 1 Mar 1979",
        "Female became Male",
    ):
        assert each in shown


def test_the_search_follows_the_new_name(correct: Callable[..., Any], admin: Visitor, patient: User) -> None:
    correct(**RIGHT)
    assert "Patricia Right" in words(admin.get("/admin/users?q=right"))
    assert "No account was found" in words(admin.get("/admin/users?q=rong"))


def test_the_audit_log_names_the_fields_and_no_value(correct: Callable[..., Any], patient: User) -> None:
    correct(**RIGHT)
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "patient.corrected")).one()
    kept = db.session.scalars(select(PatientCorrection)).one()
    assert event.subject_id == str(patient.id)
    assert event.detail == {"correction": str(kept.id), "fields": ["name", "date_of_birth", "sex"]}
    assert kept.old == {"name": "Patrisia Rong", "date_of_birth": "1980-02-29", "sex": "female"}
    assert verify([chain.current_key()]).intact


def test_a_new_address_is_confirmed_and_both_addresses_are_told(
    correct: Callable[..., Any], clinic: Clinic, patient: User
) -> None:
    with transaction():
        password_reset.request_reset("old@csss.example")
    correct(email="New@csss.example")
    user = db.session.get_one(User, patient.id)
    assert (user.email, user.email_confirmed_at) == ("new@csss.example", None)
    assert db.session.scalars(select(PasswordReset)).one().cancelled_at is not None
    clinic.run_jobs("send_mail")
    told = {(mail["To"], mail["Subject"].partition(" – ")[0]): mail.get_content() for mail in clinic.mail}
    assert ("old@csss.example", "Your e-mail address has been changed") in told
    assert ("new@csss.example", "Confirm your e-mail address") in told
    assert (
        "e-mail address"
        in " ".join(told["new@csss.example", "Your details have been corrected"].split()).lower()
    )
    assert "new@csss.example" not in told["old@csss.example", "Your e-mail address has been changed"]


def test_a_released_report_does_not_change(
    correct: Callable[..., Any], clinic: Clinic, admin: Visitor, patient: User
) -> None:
    scan_id = clinic.scan(Status.REPORT_READY, patient=patient).id
    clinic.run_jobs("render_report")
    before = storage().read(queries.versions(db.session.get_one(Scan, scan_id))[0].file_key)
    assert "Reports that have been released do not change" in words(
        admin.page(f"/admin/users/{patient.id}/details")
    )
    correct(**RIGHT)
    clinic.run_jobs("render_report")
    versions = queries.versions(db.session.get_one(Scan, scan_id))
    assert [each.version for each in versions] == [1]
    assert storage().read(versions[0].file_key) == before


def test_a_stale_form_is_told_what_has_happened(
    correct: Callable[..., Any], clinic: Clinic, admin: Visitor, patient: User
) -> None:
    stale = form_of(admin, patient)
    correct(name="Patricia Right", reason="Letter of the patient.")
    answer = admin.post(f"/admin/users/{patient.id}/details", stale | {"sex": "other"})
    assert answer.status_code == 409
    assert "Ada Min has corrected these details while your form was open (Name" in words(answer)
    assert "Letter of the patient." in words(answer)
    assert db.session.get_one(User, patient.id).patient.sex is Sex.FEMALE  # type: ignore[union-attr]
    field = soup(answer).select_one("#name")
    assert field is not None and field["value"] == "Patricia Right"


def test_a_name_that_the_patient_has_changed_meanwhile_is_not_overwritten(
    admin: Visitor, clinic: Clinic, patient: User
) -> None:
    stale = form_of(admin, patient)
    clinic.visitor(patient).post("/account", {"section": "profile", "name": "Pat"})
    answer = admin.post(f"/admin/users/{patient.id}/details", stale | {"sex": "other"})
    assert answer.status_code == 409
    assert "These details have changed while your form was open: Name." in words(answer)


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", " ", "Enter the name."),
        ("name", "x" * 121, "At most 120 characters"),
        ("email", "nobody", "This is not an e-mail address."),
        ("email", "taken@csss.example", "Another account has this address: Tara Taken."),
        ("date_of_birth", "29.2.1980", "Enter a date as year-month-day"),
        ("date_of_birth", "2990-01-01", "The date of birth is in the future."),
        ("date_of_birth", "1580-01-01", "Check the year of birth."),
        ("sex", "none", "Choose one"),
        ("reason", " ", "Give the reason; it is kept."),
        ("reason", "x" * 501, "At most 500 characters"),
        ("current_password", "", "Enter your current password."),
        ("current_password", "not mine", "This is not your current password."),
    ],
)
def test_bad_input_is_refused_beside_its_field(
    correct: Callable[..., Any], clinic: Clinic, patient: User, field: str, typed: str, sentence: str
) -> None:
    clinic.person("patient", name="Tara Taken", email="taken@csss.example")
    answer = correct(**{field: typed})
    assert answer.status_code == 422
    beside = soup(answer).select_one(f"#{field}-error")
    assert beside is not None and sentence in words(beside)
    assert db.session.scalars(select(PatientCorrection)).first() is None


def test_a_form_without_a_change_is_refused(correct: Callable[..., Any]) -> None:
    answer = correct()
    assert answer.status_code == 422
    assert "You have changed nothing." in words(answer)


def test_staff_have_no_such_page(admin: Visitor, clinic: Clinic) -> None:
    assert admin.get(f"/admin/users/{clinic.person('doctor').id}/details").status_code == 404


def test_nobody_approves_details_that_they_have_not_seen(
    admin: Visitor, clinic: Clinic, patient: User
) -> None:
    address = f"/admin/users/{patient.id}/details"
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient).id
    typed = form_of(admin, patient) | RIGHT
    colleague = clinic.visitor(clinic.person("admin"))
    seen = colleague.page(f"/admin/scans/{scan_id}").select_one("[name=seen]")["value"]  # type: ignore[index]
    chosen = colleague.post("/admin/approvals", {"scan": str(scan_id)}).location
    assert admin.post(address, typed).status_code == 303
    answer = colleague.post(f"/admin/scans/{scan_id}/approve", {"seen": str(seen), "code": "123456"})
    assert answer.status_code == 409 and "details have been changed" in words(answer)
    assert "Patricia Right" in words(answer)
    assert "The patient’s details have been corrected since you chose it." in words(colleague.get(chosen))
    answer = colleague.post(f"{chosen}/approve", {"code": "123456"})
    assert answer.status_code == 409 and "None of these reports can be approved any more" in words(answer)


def test_whoever_was_signed_in_with_the_old_address_is_signed_out(
    admin: Visitor, clinic: Clinic, patient: User
) -> None:
    address = f"/admin/users/{patient.id}/details"
    there = clinic.visitor(patient)
    assert admin.post(address, form_of(admin, there.user) | {"sex": "male"}).status_code == 303
    assert there.get("/patient/").status_code == 200
    assert admin.post(address, form_of(admin, there.user) | {"email": "new@csss.example"}).status_code == 303
    assert there.get("/patient/").status_code == 302


def test_another_spelling_of_the_same_date_is_no_change(correct: Callable[..., Any]) -> None:
    answer = correct(date_of_birth="19800229")
    assert answer.status_code == 422 and "You have changed nothing." in words(answer)
