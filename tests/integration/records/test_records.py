"""A record without an account goes the same way as any other: found, read, released, handed over, kept, erased."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from csss.audit.models import AuditEvent
from csss.clock import now
from csss.database import db, transaction
from csss.erasing import retention
from csss.erasing import services as erasing
from csss.errors import Invalid, StateConflict
from csss.notices.models import MailKind, MailMessage
from csss.people.models import Patient, RecordName, User
from csss.records import addresses, services
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import PASSPHRASE, Clinic
from tests.integration.records.desk import BORN, again, loose, make, proof_for, scan_of
from tests.visitor import Visitor, words


@pytest.mark.both_databases
def test_it_goes_through_all_four_roles_and_is_handed_over(clinic: Clinic, admin_user: User) -> None:
    record = make(admin_user)
    scan = scan_of(clinic, record, Status.PHARMACIST_COMPLETED)
    doctor, pharmacist, admin = (loose(clinic.person(each)) for each in ("doctor", "pharmacist", "admin"))
    assert "Rani Record" in words(clinic.visitor(doctor).page(f"/doctor/scans/{scan.id}"))
    assert "Rani Record" in words(clinic.visitor(pharmacist).page(f"/pharmacist/scans/{scan.id}"))
    desk = clinic.visitor(admin)
    for search in ("rani", record.mrn[:4]):
        assert "Rani Record" in words(desk.page(f"/admin/?q={search}"))
    clinic.approve(scan.id, admin)
    clinic.run_jobs()
    page = desk.page(f"/admin/scans/{scan.id}")
    assert "print the report and hand it over" in words(page)
    assert [each["href"] for each in page.select('#released a[href^="/reports/"]')]
    assert "Rani Record" in words(desk.page("/admin/?show=released"))
    assert "To be handed over" in words(desk.page("/admin/?show=released"))
    assert (
        db.session.scalars(sa.select(MailMessage).where(MailMessage.kind == MailKind.REPORT_READY)).all()
        == []
    )


def test_the_worklist_sorts_and_finds_it(clinic: Clinic, admin_user: User) -> None:
    for name in ("Zoë Last", "Änne First"):
        scan_of(clinic, make(admin_user, name=name), Status.AI_ANALYZED)
    page = words(clinic.visitor(clinic.person("doctor")).page("/doctor/?sort=patient"))
    assert page.index("Änne First") < page.index("Zoë Last")
    assert "Zoë Last" in words(clinic.visitor(clinic.person("doctor")).page("/doctor/?q=zoe"))


def test_closing_its_scan_mails_nobody(clinic: Clinic, admin_user: User) -> None:
    scan = scan_of(clinic, make(admin_user))
    doctor = clinic.visitor(clinic.person("doctor"))
    answer = doctor.post(f"/doctor/scans/{scan.id}/close", {"reason": "Blurred"})
    assert answer.status_code == 303
    assert "nobody was told by mail" in words(doctor.page(f"/doctor/scans/{scan.id}"))
    assert (
        db.session.scalars(sa.select(MailMessage).where(MailMessage.kind == MailKind.SCAN_CLOSED)).all() == []
    )


# Its address


def mailed_link(clinic: Clinic) -> str:
    clinic.run_jobs()
    (link,) = [each for each in clinic.mail[-1].get_content().split() if "/confirm-record/" in each]
    return link[link.index("/confirm-record/") :]


@pytest.mark.both_databases
def test_a_report_is_mailed_to_a_confirmed_address_and_opens_with_the_pass_phrase(
    app: Flask, clinic: Clinic, admin_user: User
) -> None:
    record = make(admin_user, email="rani@csss.example")
    link, visitor = mailed_link(clinic), Visitor(app)
    assert visitor.get(link).status_code == 200 and again(record).email_confirmed_at is None
    assert visitor.post(link, {"date_of_birth": "1970-05-07"}).status_code == 422
    answer = visitor.post(link, {"date_of_birth": BORN, "report_passphrase": PASSPHRASE})
    assert answer.status_code == 303 and again(record).email_confirmed_at is not None
    scan_of(clinic, record, Status.REPORT_READY)
    clinic.run_jobs()
    mail = clinic.mail[-1]
    assert mail["To"] == "rani@csss.example" and "report is ready" in mail["Subject"]
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]


def test_what_was_released_before_the_address_was_confirmed_is_mailed_then(
    app: Flask, clinic: Clinic, admin_user: User
) -> None:
    record = make(admin_user, email="rani@csss.example")
    link = mailed_link(clinic)
    scan_of(clinic, record, Status.REPORT_READY)
    clinic.run_jobs()
    before = len(clinic.mail)
    Visitor(app).post(link, {"date_of_birth": BORN})
    clinic.run_jobs()
    told = [each for each in clinic.mail[before:] if each["To"] == "rani@csss.example"]
    assert len(told) == 1 and "Normal" not in told[0].get_content() and not list(told[0].iter_attachments())


def test_a_link_to_an_address_that_was_corrected_confirms_nothing(
    app: Flask, clinic: Clinic, admin_user: User
) -> None:
    record = make(admin_user, email="wrong@csss.example")
    link = mailed_link(clinic)
    with transaction():
        again(record).email = "right@csss.example"
    assert Visitor(app).post(link, {"date_of_birth": BORN}).status_code == 404
    assert Visitor(app).get("/confirm-record/nonsense").status_code == 404
    assert addresses.patient_of("nonsense") is None


# At the desk


def test_a_new_record_is_made_once_somebody_has_looked_at_similar_ones(
    clinic: Clinic, admin_user: User
) -> None:
    visitor = clinic.visitor(admin_user)
    fields = {"name": "Rani Record", "date_of_birth": BORN, "sex": "female"}
    assert visitor.post("/admin/patients/new", fields).status_code == 303
    again_fields = fields | {"name": "RECORD, R."}
    answer = visitor.post("/admin/patients/new", again_fields)
    assert answer.status_code == 422 and "Somebody like this has a record" in answer.text
    assert visitor.post("/admin/patients/new", again_fields | {"another": "y"}).status_code == 303
    assert visitor.post("/admin/patients/new", fields | {"name": "Olga Other"}).status_code == 303


@pytest.mark.both_databases
def test_no_two_records_have_one_mrn(admin_user: User) -> None:
    first = make(admin_user, mrn="H-4711", mrn_issuer="City hospital")
    assert first.mrn == "H-4711" and first.mrn_issuer == "City hospital"
    for spelled in ("H4711", "h-4711".upper(), "H 4711"):
        with pytest.raises(Invalid) as refused:
            make(admin_user, name="Olga Other", mrn=spelled)
        assert set(refused.value.errors) == {"mrn"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("date_of_birth", "2999-01-01"),
        ("date_of_birth", "yesterday"),
        ("sex", "cat"),
        ("email", "nobody"),
        ("mrn", "x" * 21),
        ("phone", "1" * 41),
    ],
)
def test_a_wrong_entry_is_named_beside_its_field(admin_user: User, field: str, value: str) -> None:
    values = {"name": "Rani Record", field: value}
    with pytest.raises(Invalid) as refused:
        make(admin_user, **values)
    assert set(refused.value.errors) == {field}


def edit(visitor: Visitor, record: Patient, **changed: str) -> int:
    page = visitor.page(f"/admin/patients/{record.id}").select_one("#edit-patient")
    assert page is not None
    fields = {each["name"]: each.get("value", "") for each in page.select("input")}
    fields |= {each["name"]: each.text.strip("\n") for each in page.select("textarea")}
    fields["sex"] = "female"
    return int(visitor.post(f"/admin/patients/{record.id}", fields | changed).status_code)


def test_who_a_patient_is_changes_only_with_a_reason_that_is_kept(clinic: Clinic, admin_user: User) -> None:
    record, visitor = make(admin_user), clinic.visitor(admin_user)
    assert edit(visitor, record, name="Rani Rekord") == 422
    assert edit(visitor, record, name="Rani Rekord", reason="Passport seen") == 303
    assert again(record).name == "Rani Rekord"
    assert "Passport seen" in words(visitor.page(f"/admin/patients/{record.id}"))
    assert edit(visitor, record, phone="+91 44 5550 0100") == 303  # how to reach somebody needs none
    assert again(record).phone == "+91 44 5550 0100"
    assert edit(visitor, record) == 422  # nothing has changed


def test_a_new_address_asks_for_the_administrators_own_password(clinic: Clinic, admin_user: User) -> None:
    record, visitor = make(admin_user), clinic.visitor(admin_user)
    changed = {"email": "thief@csss.example", "reason": "New address"}
    assert edit(visitor, record, **changed) == 422
    assert again(record).email == ""
    assert edit(visitor, record, **changed, current_password="correct horse battery") == 303
    clinic.run_jobs()
    assert clinic.mail[-1]["To"] == "thief@csss.example" and again(record).email_confirmed_at is None


def test_a_form_that_is_older_than_the_record_saves_nothing(clinic: Clinic, admin_user: User) -> None:
    record, visitor = make(admin_user), clinic.visitor(admin_user)
    assert edit(visitor, record, name="Rani Two", reason="Passport", seen="old") == 409
    assert again(record).name == "Rani Record"


def test_a_further_number_finds_the_patient(clinic: Clinic, admin_user: User) -> None:
    record, visitor = make(admin_user), clinic.visitor(admin_user)
    address = f"/admin/patients/{record.id}/numbers"
    assert visitor.post(address, {"number": "X-99", "issuer": ""}).status_code == 422
    assert visitor.post(address, {"number": "X-99", "issuer": "Village clinic"}).status_code == 303
    assert visitor.post(address, {"number": "X-99", "issuer": "Village clinic"}).status_code == 422
    assert "Rani Record" in words(visitor.page("/admin/patients?q=X-99"))


# Keeping and erasing


@pytest.mark.both_databases
def test_it_is_erased_like_anybody_else(clinic: Clinic, admin_user: User) -> None:
    record = make(admin_user, email="rani@csss.example", phone="+91 44 5550 0100", allergies="Penicillin")
    scan = scan_of(clinic, record, Status.REPORT_READY)
    clinic.run_jobs()
    with transaction():
        erasing.erase(
            record.id,
            reason="Asked for",
            mrn=record.mrn,
            proof=proof_for(admin_user, record),
            password_hash="x",
            by=admin_user,
        )
    left = again(record)
    assert (left.name, left.email, left.phone, left.allergies) == ("Erased patient", "", "", "")
    assert db.session.get(Scan, scan.id) is None
    assert db.session.scalars(sa.select(RecordName).where(RecordName.patient_id == record.id)).all() == []
    page = words(clinic.visitor(admin_user).page(f"/admin/patients/{record.id}"))
    assert "This patient has been erased" in page and "Rani" not in page
    assert "Rani" not in words(clinic.visitor(admin_user).page("/admin/audit"))
    with pytest.raises(StateConflict), transaction():
        erasing.place_hold(record.id, reason="Late", by=admin_user)


def test_a_legal_hold_keeps_it(clinic: Clinic, admin_user: User) -> None:
    record, visitor = make(admin_user), clinic.visitor(admin_user)
    assert visitor.post(f"/admin/patients/{record.id}/legal-hold", {"reason": "Lawsuit"}).status_code == 303
    with pytest.raises(StateConflict), transaction():
        erasing.erase_as_deployer(record.mrn, reason="Asked for", password_hash="x")
    assert visitor.post(f"/admin/patients/{record.id}/lift-legal-hold", {"reason": "Over"}).status_code == 303


def test_its_time_to_be_kept_ends_too(clinic: Clinic, admin_user: User) -> None:
    from dataclasses import replace

    record = make(admin_user)
    clinic.app.config["CSSS"] = replace(clinic.app.config["CSSS"], retention_days=30)
    with transaction():
        again(record).created_at = now() - timedelta(days=31)
    assert [each.patient.id for each in retention.due().rows] == [record.id]
    assert record.mrn in words(clinic.visitor(admin_user).page("/admin/erasing"))


def test_everything_done_with_it_is_in_the_audit_log_in_words(clinic: Clinic, admin_user: User) -> None:
    record = make(admin_user)
    visitor = clinic.visitor(admin_user)
    visitor.page(f"/admin/patients/{record.id}")
    page = words(visitor.page(f"/admin/audit?subject={record.mrn}"))
    assert f"made the record of Rani Record (MRN {record.mrn})" in page
    assert "looked at the record of Rani Record" in page or "You looked at" in page
    assert db.session.scalars(
        sa.select(AuditEvent.subject_type).where(AuditEvent.action == "patient.made")
    ).all()


def test_the_list_has_both_kinds(clinic: Clinic, admin_user: User) -> None:
    make(admin_user)
    clinic.person("patient", name="Paul Patient")
    page = words(clinic.visitor(admin_user).page("/admin/patients"))
    assert "Rani Record" in page and "Paul Patient" in page and "No account" in page
    assert services.found("paul").total == 1
