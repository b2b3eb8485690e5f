"""A doctor takes a signature back until the pharmacist has opened the scan."""

import threading
import uuid

import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db, transaction
from csss.people.models import AccountState, User
from csss.scans import taking_back
from csss.scans.models import PharmacistOpening, ScanHold
from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.doctor import LOOKED, listed, url
from tests.integration.pages import fresh
from tests.integration.test_workflow_races import after, at_once, slow_commit
from tests.visitor import Visitor, words


@pytest.fixture
def signed(clinic: Clinic) -> tuple[uuid.UUID, Visitor]:
    """A scan that waits for a pharmacist, and the doctor who has signed it."""
    person = clinic.person("doctor")
    person_id = person.id
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, doctor=person).id
    return scan_id, clinic.visitor(db.session.get_one(User, person_id))


Signed = tuple[uuid.UUID, Visitor]


def waiting(pharmacist: Visitor) -> list[str]:
    rows = pharmacist.page("/pharmacist/").select("tbody tr")
    return [str(row["id"]).removeprefix("scan-") for row in rows]


def test_a_signature_is_taken_back_and_given_again(
    signed: Signed, pharmacist: Visitor, clinic: Clinic
) -> None:
    scan_id, doctor = signed
    assert waiting(pharmacist) == [str(scan_id)]
    assert "Take the signature back" in words(doctor.get(url(scan_id)))
    assert doctor.post(url(scan_id, "take-back")).status_code == 303

    scan = fresh(scan_id)
    assert scan.status is Status.DOCTOR_VERIFIED and len(scan.reviews) == 1
    assert waiting(pharmacist) == [] and listed(doctor) == [str(scan_id)]
    assert "Signature taken back" in words(doctor.get("/doctor/"))
    page = doctor.page(url(scan_id))
    assert page.select_one("[name=findings]").get_text().strip() == "Clear lungs."
    assert "Sign again" in page.select_one("#review-form").get_text()

    answer = doctor.post(url(scan_id, "correct"), {**LOOKED, "findings": "A nodule on the left."})
    assert answer.status_code == 303
    scan = fresh(scan_id)
    assert [review.findings for review in scan.reviews] == ["Clear lungs.", "A nodule on the left."]
    assert scan.open_hold is None and scan.status is Status.DOCTOR_VERIFIED
    assert waiting(pharmacist) == [str(scan_id)] and listed(doctor) == []
    history = words(doctor.get(url(scan_id)))
    assert "Signature taken back" in history and "Reading corrected (version 2)" in history
    actions = db.session.scalars(select(AuditEvent.action)).all()
    assert {"scan.signature_taken_back", "scan.signed_again"} <= set(actions)


def test_it_can_be_taken_back_again_as_long_as_nobody_has_opened_it(signed: Signed) -> None:
    scan_id, doctor = signed
    for version in (2, 3):
        assert doctor.post(url(scan_id, "take-back")).status_code == 303
        assert doctor.post(url(scan_id, "correct"), LOOKED).status_code == 303
        assert len(fresh(scan_id).reviews) == version


def test_the_pharmacist_was_first(signed: Signed, pharmacist: Visitor) -> None:
    scan_id, doctor = signed
    assert pharmacist.get(f"/pharmacist/scans/{scan_id}").status_code == 200
    opening = db.session.scalars(select(PharmacistOpening)).one()
    assert (opening.scan_id, opening.review_version) == (scan_id, 1)
    assert "Take the signature back" not in words(doctor.get(url(scan_id)))
    answer = doctor.post(url(scan_id, "take-back"))
    assert answer.status_code == 409
    assert "Pharmacist" in words(answer) and "opened the scan on" in words(answer)
    assert "An administrator can put the scan on hold" in words(answer)
    assert fresh(scan_id).open_hold is None
    pharmacist.get(f"/pharmacist/scans/{scan_id}")  # the first opening stays the one that counts
    assert len(db.session.scalars(select(PharmacistOpening)).all()) == 1


def test_looking_before_the_signature_or_while_it_is_taken_back_is_no_opening(
    signed: Signed, pharmacist: Visitor, clinic: Clinic
) -> None:
    scan_id, doctor = signed
    early = clinic.scan(Status.AI_ANALYZED).id
    assert doctor.post(url(scan_id, "take-back")).status_code == 303
    for each in (early, scan_id):
        assert pharmacist.get(f"/pharmacist/scans/{each}").status_code == 200
    assert db.session.scalars(select(PharmacistOpening)).all() == []
    page = words(pharmacist.get(f"/pharmacist/scans/{scan_id}"))
    assert "The doctor has taken the signature back" in page
    sent = pharmacist.post(f"/pharmacist/scans/{scan_id}/complete", {"none_needed": "y"})
    assert sent.status_code == 409 and "taken the signature back" in words(sent)


def test_only_who_has_signed_takes_it_back_and_signs_again(
    signed: Signed, doctor: Visitor, clinic: Clinic
) -> None:
    scan_id, signer = signed
    refused = doctor.post(url(scan_id, "take-back"))
    assert refused.status_code == 409 and "Only Doctor" in words(refused)
    assert signer.post(url(scan_id, "take-back")).status_code == 303
    refused = doctor.post(url(scan_id, "correct"), LOOKED)
    assert refused.status_code == 409 and "is held for Doctor" in words(refused)
    assert "is held for Doctor" in words(doctor.get(url(scan_id)))


def test_a_colleague_signs_when_the_account_has_been_shut(
    signed: Signed, doctor: Visitor, clinic: Clinic
) -> None:
    scan_id, signer = signed
    assert signer.post(url(scan_id, "take-back")).status_code == 303
    with transaction():
        hold = db.session.scalars(select(ScanHold).where(ScanHold.scan_id == scan_id)).one()
        hold.placed_by.state = AccountState.DEACTIVATED
    assert doctor.post(url(scan_id, "correct"), LOOKED).status_code == 303
    assert fresh(scan_id).open_hold is None


def test_an_administrator_neither_lifts_nor_approves_meanwhile(signed: Signed, admin: Visitor) -> None:
    scan_id, doctor = signed
    assert doctor.post(url(scan_id, "take-back")).status_code == 303
    page = admin.page(f"/admin/scans/{scan_id}")
    assert "The doctor has taken the signature back" in page.get_text()
    assert page.select_one("form[action$=lift]") is None
    assert admin.post(f"/admin/scans/{scan_id}/lift").status_code == 409
    assert str(scan_id) not in admin.get("/admin/").text


@pytest.mark.parametrize("status", [Status.AI_ANALYZED, Status.PHARMACIST_COMPLETED, Status.REPORT_READY])
def test_there_is_nothing_to_take_back_in_other_states(
    clinic: Clinic, doctor: Visitor, status: Status
) -> None:
    assert doctor.post(url(clinic.scan(status).id, "take-back")).status_code == 409


@pytest.mark.both_databases
@pytest.mark.parametrize("first", ["doctor", "pharmacist"])
def test_of_a_doctor_and_a_pharmacist_who_come_at_once_the_first_wins(clinic: Clinic, first: str) -> None:
    """The second asks after the first has written and before the first has committed."""
    person = clinic.person("doctor")
    doctor_id, pharmacist_id = person.id, clinic.person("pharmacist").id
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, doctor=db.session.get_one(User, doctor_id)).id
    opened: list[bool] = []

    def take(user: User) -> None:
        taking_back.take_back(scan_id, by=user)

    def open_it(user: User) -> None:
        opened.append(taking_back.open_as_pharmacist(scan_id, by=user) is not None)

    started = threading.Event()
    if first == "doctor":
        told = at_once(
            clinic.app, (doctor_id, slow_commit(take, started)), (pharmacist_id, after(started, open_it))
        )
        assert told == ["done", "done"] and opened == [False]
    else:
        told = at_once(
            clinic.app, (pharmacist_id, slow_commit(open_it, started)), (doctor_id, after(started, take))
        )
        assert told[0] == "done" and "opened the scan on" in told[1] and opened == [True]
    scan = fresh(scan_id)
    assert (scan.opening is None) == (scan.open_hold is not None) == (first == "doctor")
