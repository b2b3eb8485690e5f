"""An administrator invites staff by mail; the invited person makes the account with the link."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from csss.audit.models import AuditEvent
from csss.auth import accounts, invitations
from csss.auth.models import StaffInvitation, UserSession
from csss.clock import now
from csss.database import db, transaction
from csss.erasing.services import erase_as_deployer
from csss.people.models import AccountState, User
from csss.people.roles import Role
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor, soup, words

NORA = {"name": "Nora New", "email": "Nora@csss.example", "role": "doctor", "current_password": PASSWORD}
NEW = "purple lantern orbit"


@pytest.fixture
def admin(clinic: Clinic) -> Visitor:
    return clinic.visitor(clinic.person("admin", name="Ada Min"))


def link(clinic: Clinic) -> str:
    """The link of the newest mail."""
    clinic.run_jobs("send_mail")
    mail = next(each for each in reversed(clinic.mail) if "invited" in each["Subject"])
    assert mail["To"] == "nora@csss.example"
    found = re.search(r"/invitation/\S+", mail.get_content())
    assert found is not None
    return found[0]


def newest() -> StaffInvitation:
    query = select(StaffInvitation).order_by(StaffInvitation.invited_at.desc())
    return db.session.scalars(query).first()  # type: ignore[return-value]


def test_an_invited_doctor_sets_the_password_and_signs_in(clinic: Clinic, admin: Visitor) -> None:
    assert admin.post("/admin/invitations", NORA).status_code == 303
    assert "Nora New" in words(admin.page("/admin/invitations"))
    nora, address = Visitor(clinic.app), link(clinic)
    shown = words(nora.page(address))
    assert "Nora New" in shown and "Doctor" in shown
    assert db.session.scalar(select(User).where(User.email == "nora@csss.example")) is None
    answer = nora.post(address, {"new_password": NEW})
    assert answer.status_code == 303
    user = accounts.by_email("nora@csss.example")
    assert user is not None and user.role is Role.DOCTOR and user.state is AccountState.ACTIVE
    assert user.email_confirmed_at is not None
    answer = nora.post(
        answer.location, {"email": user.email, "password": NEW, "next": "/account/authenticator"}
    )
    assert answer.location.endswith("/account/authenticator")
    assert "Accepted" in words(admin.page("/admin/invitations"))


def test_an_invited_administrator_still_needs_a_code(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA | {"role": "admin"})
    nora = Visitor(clinic.app)
    nora.post(link(clinic), {"new_password": NEW})
    answer = nora.post("/login", {"email": "nora@csss.example", "password": NEW})
    assert answer.location.partition("?")[0].endswith("/login/code")


def test_the_link_works_once_and_is_kept_as_a_hash(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    address = link(clinic)
    assert newest().token_hash not in {None, address.rpartition("/")[2]}
    Visitor(clinic.app).post(address, {"new_password": NEW})
    assert Visitor(clinic.app).get(address).status_code == 404
    assert Visitor(clinic.app).post(address, {"new_password": NEW}).status_code == 404


def test_the_link_expires(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    address = link(clinic)
    with transaction():
        db.session.execute(update(StaffInvitation).values(expires_at=now() - timedelta(seconds=1)))
    assert Visitor(clinic.app).get(address).status_code == 404
    assert "Expired" in words(admin.page("/admin/invitations"))


def test_sent_again_the_new_link_works_and_the_old_one_does_not(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    first = link(clinic)
    assert admin.post(f"/admin/invitations/{newest().id}/send").status_code == 303
    second = link(clinic)
    assert Visitor(clinic.app).get(first).status_code == 404
    assert Visitor(clinic.app).get(second).status_code == 200
    assert len(soup(admin.get("/admin/invitations")).select("#invited tbody tr")) == 1


def test_a_withdrawn_link_does_not_work_and_is_not_withdrawn_twice(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    address, url = link(clinic), f"/admin/invitations/{newest().id}/withdraw"
    assert admin.post(url).status_code == 303
    assert Visitor(clinic.app).get(address).status_code == 404
    answer = admin.post(url)
    assert answer.status_code == 409
    assert "has been withdrawn or sent again" in words(answer)


def test_an_invitation_that_is_withdrawn_before_its_mail_is_not_sent(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    admin.post(f"/admin/invitations/{newest().id}/withdraw")
    clinic.run_jobs("send_mail")
    assert not [each for each in clinic.mail if each["To"] == "nora@csss.example"]
    assert "because the invitation was withdrawn" in words(admin.page("/admin/mail?kind=invitation"))


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", " ", "Enter the name."),
        ("email", "nobody", "This is not an e-mail address."),
        ("email", "taken@csss.example", "Tara Taken has an account with this address already."),
        ("role", "patient", "Choose one of the three."),
        ("current_password", "not mine", "This is not your current password."),
    ],
)
def test_bad_input_is_refused_beside_its_field(
    clinic: Clinic, admin: Visitor, field: str, typed: str, sentence: str
) -> None:
    clinic.person("doctor", name="Tara Taken", email="taken@csss.example")
    answer = admin.post("/admin/invitations", NORA | {field: typed})
    assert answer.status_code == 422
    beside = soup(answer).select_one(f"#{field}-error")
    assert beside is not None and sentence in words(beside)


def test_one_address_gets_one_open_invitation_and_few_mails(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    assert admin.post("/admin/invitations", NORA).status_code == 422
    answers = [
        admin.post(f"/admin/invitations/{newest().id}/send").status_code
        for _ in range(invitations.MAILS_TO_AN_ADDRESS)
    ]
    assert answers == [303] * (invitations.MAILS_TO_AN_ADDRESS - 1) + [429]


def test_a_weak_password_is_refused(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    answer = Visitor(clinic.app).post(link(clinic), {"new_password": "short"})
    assert answer.status_code == 422
    assert accounts.by_email("nora@csss.example") is None


def test_registering_with_an_invited_address_is_answered_like_any_other(
    clinic: Clinic, admin: Visitor
) -> None:
    admin.post("/admin/invitations", NORA)
    address, seen = link(clinic), []
    for email in ("nora@csss.example", "other@csss.example"):
        form: dict[str, Any] = {"role": "doctor", "name": "Somebody", "email": email, "password": NEW}
        visitor = Visitor(clinic.app)
        answer = visitor.post("/register", form)
        seen.append((answer.status_code, answer.location, words(visitor.get(answer.location))))
    assert seen[0] == seen[1]
    answer = Visitor(clinic.app).post(address, {"new_password": NEW})
    assert answer.status_code == 409
    assert "There is an account with your address already." in words(answer)


def test_each_step_is_in_the_audit_log_without_the_address(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    admin.post(f"/admin/invitations/{newest().id}/send")
    Visitor(clinic.app).post(link(clinic), {"new_password": NEW})
    events = db.session.scalars(
        select(AuditEvent).where(AuditEvent.action.startswith("account.invit")).order_by(AuditEvent.id)
    ).all()
    assert [each.action for each in events] == [
        "account.invited",
        "account.invitation_sent_again",
        "account.invitation_accepted",
    ]
    assert not [each for each in events if "nora" in str(each.detail).lower()]


def test_the_mail_log_names_the_invited_person(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    link(clinic)
    assert "Nora New" in words(admin.page("/admin/mail?kind=invitation"))


def test_a_deactivated_administrators_links_do_not_work(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    address = link(clinic)
    admin.post("/admin/invitations", {**NORA, "email": "late@csss.example"})
    other = clinic.visitor(clinic.person("admin"))
    assert other.post(f"/admin/users/{admin.user_id}/deactivate").status_code == 303
    assert Visitor(clinic.app).get(address).status_code == 404
    assert Visitor(clinic.app).post(address, {"new_password": NEW}).status_code == 404
    clinic.run_jobs("send_mail")  # the second one had not been sent yet
    assert not [each for each in clinic.mail if each["To"] == "late@csss.example"]
    withdrawn = select(AuditEvent).where(AuditEvent.action == "account.invitation_withdrawn")
    assert len(db.session.scalars(withdrawn).all()) == 2


def test_an_old_invitation_is_not_sent_again_beside_a_newer_one_or_an_account(
    clinic: Clinic, admin: Visitor
) -> None:
    admin.post("/admin/invitations", NORA)
    link(clinic)
    old = newest().id
    with transaction():
        db.session.execute(update(StaffInvitation).values(expires_at=now() - timedelta(minutes=1)))
    assert admin.post("/admin/invitations", {**NORA, "role": "pharmacist"}).status_code == 303
    answer = admin.post(f"/admin/invitations/{old}/send")
    assert answer.status_code == 409 and "newer invitation" in words(answer)
    clinic.person("doctor", email="nora@csss.example", name="Nora Else")
    answer = admin.post(f"/admin/invitations/{newest().id}/send")
    assert answer.status_code == 409 and "Nora Else has an account" in words(answer)


def test_whoever_was_signed_in_at_this_computer_is_signed_out(clinic: Clinic, admin: Visitor) -> None:
    admin.post("/admin/invitations", NORA)
    assert admin.post(link(clinic), {"new_password": NEW}).status_code == 303
    assert db.session.get_one(UserSession, admin.session_id).ended_at is not None


def test_nothing_is_left_of_an_invitation_when_the_person_is_erased_as_a_patient(
    clinic: Clinic, admin: Visitor
) -> None:
    admin.post("/admin/invitations", NORA)
    address = link(clinic)
    patient = clinic.person("patient", email="nora@csss.example", name="Nora New")
    with transaction():
        erase_as_deployer(patient.patient.mrn, reason="Asked for.", password_hash="x")
    assert db.session.scalars(select(StaffInvitation)).all() == []
    assert Visitor(clinic.app).get(address).status_code == 404
