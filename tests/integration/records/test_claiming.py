"""A patient claims the record with MRN, birth date and a code; nobody else gets at it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import select

from csss.database import db, transaction
from csss.erasing import services as erasing
from csss.people.models import Patient, User
from csss.people.record_models import RecordInvitation
from csss.records import invitations
from csss.scans.states import Status
from tests.factories import PASSWORD, Clinic
from tests.integration.records.desk import LATER, again, age, claim, make, scan_of, slip
from tests.visitor import Visitor, soup, words


@pytest.fixture
def record(clinic: Clinic, admin_user: User) -> Patient:
    return make(admin_user)


@pytest.mark.both_databases
def test_with_the_slip_the_patient_sees_scans_and_reports(
    app: Flask, clinic: Clinic, record: Patient, admin_user: User
) -> None:
    scan = scan_of(clinic, record, Status.REPORT_READY)
    clinic.run_jobs()
    visitor = Visitor(app)
    assert claim(visitor, record, slip(record, admin_user)).status_code == 303
    user = again(record).user
    assert user is not None and user.name == "Rani Record" and user.email_confirmed_at is None
    home = clinic.visitor(user)
    assert home.get(f"/patient/scans/{scan.id}").status_code == 200
    assert "Rani Record" in words(home.page("/account"))
    clinic.run_jobs()
    assert "Confirm your e-mail address" in clinic.mail[-1]["Subject"]


def test_the_account_signs_in_with_the_chosen_password(app: Flask, record: Patient, admin_user: User) -> None:
    visitor = Visitor(app)
    claim(visitor, record, slip(record, admin_user))
    answer = visitor.post("/login", {"email": "rani@csss.example", "password": PASSWORD})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "wrong",
    [
        {"mrn": "123456782"},
        {"date_of_birth": "1970-05-07"},
        {"code": "AAAAA-AAAAA"},
        {"code": ""},
        {"mrn": ""},
        {"mrn": "%"},
        {"date_of_birth": "yesterday"},
    ],
)
def test_two_of_the_three_open_nothing(
    app: Flask, record: Patient, admin_user: User, wrong: dict[str, str]
) -> None:
    assert claim(Visitor(app), record, slip(record, admin_user), **wrong).status_code == 422
    assert again(record).user is None


def test_a_wrong_claim_does_not_say_what_is_wrong(app: Flask, record: Patient, admin_user: User) -> None:
    code = slip(record, admin_user)
    tries = ({"mrn": "123456782"}, {"date_of_birth": "1970-05-07"}, {"code": "AAAAA-AAAAA"})
    told = {words(soup(claim(Visitor(app), record, code, **wrong)).select_one(".alert")) for wrong in tries}
    assert len(told) == 1 and "These three do not belong together" in told.pop()


def test_a_code_is_read_as_people_write_it(app: Flask, record: Patient, admin_user: User) -> None:
    code = slip(record, admin_user)
    spelled = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert claim(Visitor(app), record, spelled).status_code == 303


def test_a_code_works_once(app: Flask, record: Patient, admin_user: User) -> None:
    code = slip(record, admin_user)
    assert claim(Visitor(app), record, code).status_code == 303
    assert claim(Visitor(app), record, code, email="other@csss.example").status_code == 422


def test_a_code_that_is_too_old_or_replaced_or_withdrawn_opens_nothing(
    app: Flask, record: Patient, admin_user: User
) -> None:
    old = slip(record, admin_user)
    age(record, LATER)
    assert claim(Visitor(app), record, old).status_code == 422
    replaced, newest = slip(record, admin_user), slip(record, admin_user)
    assert claim(Visitor(app), record, replaced).status_code == 422
    with transaction():
        invitations.withdraw(record.id, by=admin_user)
    assert claim(Visitor(app), record, newest).status_code == 422
    assert again(record).user is None


def test_the_code_is_kept_only_as_a_hash(record: Patient, admin_user: User) -> None:
    code = slip(record, admin_user)
    kept = db.session.scalars(select(RecordInvitation.code_hash)).one()
    assert kept is not None and code.replace("-", "") not in kept and len(kept) == 64


def test_with_somebody_elses_slip_the_birth_date_can_be_guessed_five_times(
    app: Flask, record: Patient, admin_user: User
) -> None:
    code, visitor = slip(record, admin_user), Visitor(app)
    for day in range(1, 6):
        assert claim(visitor, record, code, date_of_birth=f"1971-01-0{day}").status_code == 422
    assert claim(visitor, record, code).status_code == 422
    assert again(record).user is None


def test_the_slip_of_one_patient_does_not_open_another(app: Flask, record: Patient, admin_user: User) -> None:
    other = make(admin_user, name="Olga Other")
    code = slip(record, admin_user)
    assert claim(Visitor(app), other, code).status_code == 422
    assert again(other).user is None and again(record).user is None


def test_somebody_who_guesses_codes_is_stopped_and_the_patient_beside_them_is_not(
    app: Flask, record: Patient, admin_user: User
) -> None:
    stranger = Visitor(app)
    answers = [claim(stranger, record, f"AAAAA-{number:05}").status_code for number in range(21)]
    assert answers[:20] == [422] * 20 and answers[20] == 429
    assert claim(Visitor(app), record, slip(record, admin_user)).status_code == 303


@pytest.mark.both_databases
def test_of_two_claims_at_once_one_wins(app: Flask, record: Patient, admin_user: User) -> None:
    code = slip(record, admin_user)
    visitors = [Visitor(app) for _ in range(4)]
    for each in visitors:
        each.get("/claim")
    db.session.remove()

    def go(number: int) -> int:
        with app.app_context():
            return int(claim(visitors[number], record, code, email=f"p{number}@csss.example").status_code)

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(go, range(4)))
    assert answers == [303, 422, 422, 422]
    assert len(db.session.scalars(select(User).where(User.email.like("p_@csss.example"))).all()) == 1


def test_an_address_with_an_account_is_told_only_to_a_holder_of_a_code_and_five_times(
    app: Flask, clinic: Clinic, record: Patient, admin_user: User
) -> None:
    taken = clinic.person("patient").email
    visitor = Visitor(app)
    assert taken not in claim(visitor, record, "AAAAA-AAAAA", email=taken).text.replace(
        f'value="{taken}"', ""
    )
    code = slip(record, admin_user)
    for _ in range(5):
        assert "There is an account with this address" in claim(visitor, record, code, email=taken).text
    assert claim(visitor, record, code).status_code == 422


def test_an_erased_record_is_claimed_by_nobody(app: Flask, record: Patient, admin_user: User) -> None:
    code = slip(record, admin_user)
    shown = (record.mrn, record.date_of_birth.isoformat())
    with transaction():
        erasing.erase_as_deployer(record.mrn, reason="Asked for", password_hash="x")
    answer = claim(Visitor(app), again(record), code, mrn=shown[0], date_of_birth=shown[1])
    assert answer.status_code == 422
    assert db.session.scalars(select(RecordInvitation)).all() == []


def test_a_mailed_code_confirms_the_address_it_went_to(
    app: Flask, clinic: Clinic, record: Patient, admin_user: User
) -> None:
    with transaction():
        invitations.mail_one(record.id, email="rani@csss.example", by=admin_user)
    clinic.run_jobs()
    mail = clinic.mail[-1]
    assert mail["To"] == "rani@csss.example" and record.date_of_birth.isoformat() not in mail.get_content()
    code = next(line.strip() for line in mail.get_content().splitlines() if line.startswith("    "))
    assert claim(Visitor(app), record, code).status_code == 303
    user = again(record).user
    assert user is not None and user.email_confirmed_at is not None


def test_a_record_with_an_account_gets_no_code(clinic: Clinic, admin_user: User) -> None:
    patient = clinic.person("patient").patient
    assert patient is not None
    answer = clinic.visitor(admin_user).post(
        f"/admin/patients/{patient.id}/invite", {"how": "slip", "current_password": PASSWORD}
    )
    assert answer.status_code == 409 and "has an account already" in answer.text


def test_a_slip_asks_for_the_administrators_own_password(
    clinic: Clinic, record: Patient, admin_user: User
) -> None:
    visitor = clinic.visitor(admin_user)
    address = f"/admin/patients/{record.id}/invite"
    assert visitor.post(address, {"how": "slip", "current_password": "wrong"}).status_code == 422
    assert db.session.scalars(select(RecordInvitation)).all() == []
    page = visitor.post(address, {"how": "slip", "current_password": PASSWORD})
    assert page.status_code == 200 and record.mrn in page.text
    assert "1970" not in page.text  # the birth date is what the finder of a slip does not know
