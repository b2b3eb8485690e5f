"""A forgotten password: who gets a link, what it does, once, and what it does not."""

import json
import re
import threading
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.auth import accounts, password_reset, second_factor, secrets, sessions
from csss.auth.models import PasswordReset
from csss.auth.passkeys.models import Passkey
from csss.clock import now, pretending
from csss.database import Base, db, transaction
from csss.notices.models import MailKind, MailMessage, MailState
from csss.outbox import OutboxJob
from csss.people.models import AccountState, User
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor, soup, words

NEW = "another good password"


def ask(visitor: Visitor, email: str) -> None:
    answer = visitor.post("/forgot-password", {"email": email})
    assert (answer.status_code, answer.location) == (303, "/login")


def link_to(clinic: Clinic) -> str:
    clinic.run_jobs("send_mail")
    (link,) = re.findall(r"http://127\.0\.0\.1:8000(/reset-password/\S+)", clinic.mail[-1].get_content())
    return str(link)


def signs_in(clinic: Clinic, email: str, password: str) -> bool:
    return Visitor(clinic.app).post("/login", {"email": email, "password": password}).status_code == 303


@pytest.mark.both_databases
def test_the_whole_way(clinic: Clinic, nobody: Visitor) -> None:
    doctor = clinic.person("doctor", confirmed=False)
    email, elsewhere = doctor.email, clinic.visitor(doctor)
    assert soup(nobody.get("/login")).select_one("a[href='/forgot-password']")
    ask(nobody, f" {email.upper()} ")
    told = words(nobody.get("/login"))
    assert "If there is an account with this address, a link is on its way" in told and "30 minutes" in told
    link = link_to(clinic)
    assert clinic.mail[-1]["To"] == email and "30 minutes" in clinic.mail[-1].get_content()
    # Opening it changes nothing, however often: mail scanners do.
    for _ in range(2):
        page = nobody.get(link)
        assert page.status_code == 200 and email in words(page)
    assert signs_in(clinic, email, PASSWORD) and elsewhere.get("/doctor/").status_code == 200
    answer = nobody.post(link, {"new_password": NEW})
    assert (answer.status_code, answer.location) == (303, "/login")
    assert "Your new password is set" in words(nobody.get("/login"))
    assert nobody.get("/doctor/").status_code == 302  # signing in is a step of its own
    assert elsewhere.get("/doctor/").status_code == 302
    assert signs_in(clinic, email, NEW) and not signs_in(clinic, email, PASSWORD)
    clinic.run_jobs("send_mail")
    assert "password has been changed" in clinic.mail[-1]["Subject"] and NEW not in str(clinic.mail[-1])
    user = db.session.scalars(select(User).where(User.email == email)).one()
    assert user.email_confirmed_at is not None  # whoever opens the link reads the mail of this address
    actions = set(db.session.scalars(select(AuditEvent.action)))
    assert {"account.password_reset_requested", "account.password_reset"} <= actions


@pytest.mark.both_databases
def test_a_link_works_once(clinic: Clinic, nobody: Visitor) -> None:
    ask(nobody, clinic.person("doctor").email)
    link = link_to(clinic)
    assert nobody.post(link, {"new_password": NEW}).status_code == 303
    for answer in (nobody.get(link), nobody.post(link, {"new_password": "a third good password"})):
        assert answer.status_code == 404 and "This link does not work" in words(answer)


@pytest.mark.both_databases
def test_a_link_that_is_used_twice_at_once_works_once(clinic: Clinic, nobody: Visitor) -> None:
    ask(nobody, clinic.person("doctor").email)
    link, start, answers = link_to(clinic), threading.Barrier(2), []

    def use() -> None:
        with clinic.app.app_context():
            visitor = Visitor(clinic.app)
            start.wait(timeout=20)
            answers.append(visitor.post(link, {"new_password": NEW}).status_code)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(answers) == [303, 404]


def test_after_half_an_hour_it_works_no_more(clinic: Clinic, nobody: Visitor) -> None:
    ask(nobody, clinic.person("doctor").email)
    link = link_to(clinic)
    with pretending(now() + timedelta(minutes=29)):
        assert nobody.get(link).status_code == 200
    with pretending(now() + timedelta(minutes=31)):
        assert nobody.get(link).status_code == 404
        assert nobody.post(link, {"new_password": NEW}).status_code == 404


def test_a_newer_link_replaces_the_older(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("doctor").email
    ask(nobody, email)
    older = link_to(clinic)
    ask(nobody, email)
    assert nobody.get(older).status_code == 404
    assert nobody.get(link_to(clinic)).status_code == 200


def test_a_password_that_is_changed_otherwise_ends_the_link(clinic: Clinic, nobody: Visitor) -> None:
    doctor = clinic.person("doctor")
    ask(nobody, doctor.email)
    link = link_to(clinic)
    form = {"section": "password", "current_password": PASSWORD, "new_password": NEW}
    assert clinic.visitor(doctor).post("/account", form).status_code == 303
    assert nobody.get(link).status_code == 404


def test_a_password_that_cannot_be_taken_leaves_the_link(clinic: Clinic, nobody: Visitor) -> None:
    ask(nobody, clinic.person("doctor").email)
    link = link_to(clinic)
    for htmx in (False, True):
        answer = nobody.post(link, {"new_password": "password1234"}, htmx=htmx)
        assert (
            answer.status_code == 422
            and "attackers try first" in soup(answer).select_one(".field__error").text
        )  # type: ignore[union-attr]
        assert "password1234" not in answer.text and (soup(answer).html is None) == htmx
    assert nobody.post(link, {"new_password": NEW}).status_code == 303


def test_an_administrator_needs_the_second_factor_as_before(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("admin").email
    ask(nobody, email)
    nobody.post(link_to(clinic), {"new_password": NEW})
    answer = nobody.post("/login", {"email": email, "password": NEW})
    assert (answer.status_code, answer.location) == (303, "/login/code")
    assert nobody.get("/admin/").status_code == 302


@pytest.mark.parametrize("state", [AccountState.WAITING, AccountState.REFUSED, AccountState.DEACTIVATED])
def test_a_shut_account_stays_shut(clinic: Clinic, nobody: Visitor, state: AccountState) -> None:
    doctor = clinic.person("doctor")
    email = doctor.email
    with transaction():
        doctor.state = state
    ask(nobody, email)
    nobody.post(link_to(clinic), {"new_password": NEW})
    assert nobody.post("/login", {"email": email, "password": NEW}).status_code == 403


def test_for_an_unknown_address_nothing_is_mailed(clinic: Clinic, nobody: Visitor) -> None:
    ask(nobody, "stranger@csss.example")
    clinic.run_jobs("send_mail")
    assert clinic.mail == [] and db.session.scalars(select(PasswordReset)).all() == []


def test_what_is_no_address_is_told_beside_the_field(nobody: Visitor) -> None:
    for typed in ("", "no address", "x" * 400):
        answer = nobody.post("/forgot-password", {"email": typed})
        assert answer.status_code == 422 and soup(answer).select_one(".field__error")


def test_links_for_one_account_are_limited_wherever_they_are_asked_for(
    clinic: Clinic, nobody: Visitor
) -> None:
    email = clinic.person("doctor").email
    for number in range(5):
        environ = {"REMOTE_ADDR": f"192.0.2.{number}"}
        assert nobody.post("/forgot-password", {"email": email}, environ_base=environ).status_code == 303
    answer = nobody.post("/forgot-password", {"email": email})
    assert answer.status_code == 429 and "Use the newest one" in words(answer)
    assert nobody.get(link_to(clinic)).status_code == 200


def test_the_link_stands_nowhere_but_in_the_mail(clinic: Clinic, nobody: Visitor) -> None:
    ask(nobody, clinic.person("doctor").email)
    row = db.session.scalars(select(OutboxJob).order_by(OutboxJob.created_at.desc())).first()
    assert row is not None and row.queue.value == "codes"  # somebody waits for it
    token = link_to(clinic).rpartition("/")[2]
    assert len(token) >= 43  # 256 bits
    everything = json.dumps(
        [
            [str(value) for value in row]
            for table in Base.metadata.sorted_tables
            for row in db.session.execute(sa.select(table))
        ]
    )
    assert token not in everything


def test_who_has_set_a_new_password_need_not_wait_for_the_wrong_ones(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("doctor").email
    wrong = {"email": email, "password": "a wrong password"}
    assert [nobody.post("/login", wrong).status_code for _ in range(11)] == [401] * 10 + [429]
    ask(nobody, email)
    assert nobody.post(link_to(clinic), {"new_password": NEW}).status_code == 303
    assert nobody.post("/login", {"email": email, "password": NEW}).status_code == 303


def test_a_link_that_nobody_waits_for_any_more_is_not_mailed(clinic: Clinic, nobody: Visitor) -> None:
    ask(nobody, clinic.person("doctor").email)
    sent = len(clinic.mail)
    with pretending(now() + timedelta(minutes=31)):
        clinic.run_jobs("send_mail")
    messages = select(MailMessage).where(MailMessage.kind == MailKind.RESET_PASSWORD)
    assert db.session.scalars(messages).one().state is MailState.DROPPED
    assert not any("Choose a new password" in mail["Subject"] for mail in clinic.mail[sent:])
    with pretending(now() + timedelta(days=2)):
        assert password_reset.sweep_expired() == 1


def test_a_changed_password_gives_this_browser_a_new_key_and_ends_the_others(clinic: Clinic) -> None:
    doctor = clinic.person("doctor")
    here, there, copied = clinic.visitor(doctor), clinic.visitor(doctor), Visitor(clinic.app)
    here.get("/doctor/")
    copied.client.set_cookie("csss", here.client.get_cookie("csss").value)  # type: ignore[union-attr]
    assert copied.get("/doctor/").status_code == 200
    form = {"section": "password", "current_password": PASSWORD, "new_password": NEW}
    assert here.post("/account", form).status_code == 303
    assert here.get("/doctor/").status_code == 200
    assert there.get("/doctor/").status_code == copied.get("/doctor/").status_code == 302
    clinic.run_jobs("send_mail")
    assert "password has been changed" in clinic.mail[-1]["Subject"]
    assert len(sessions.living(here.user, timedelta(hours=1))) == 1


@pytest.mark.parametrize("confirmed", [False, True], ids=["a stranger's address", "one's own address"])
def test_what_a_stranger_has_set_up_on_somebodys_address_goes(
    clinic: Clinic, nobody: Visitor, confirmed: bool
) -> None:
    """Who registers another's address and sets up an app would else keep the owner out for good."""
    patient = clinic.person("patient", confirmed=confirmed)
    email = patient.email
    with transaction():
        patient.totp_secret, patient.totp_confirmed_at = secrets.encrypt("totp", "JBSWY3DPEHPK3PXP"), now()
    ask(nobody, email)
    assert nobody.post(link_to(clinic), {"new_password": NEW}).status_code == 303
    owner = Visitor(clinic.app)
    answer = owner.post("/login", {"email": email, "password": NEW})
    assert answer.location == ("/login/code" if confirmed else "/patient/")
    actions = db.session.scalars(select(AuditEvent.action)).all()
    assert ("account.second_factor_reset" in actions) is not confirmed


@pytest.mark.both_databases
def test_what_is_older_than_the_confirmed_address_goes_and_what_its_owner_made_stays(
    clinic: Clinic, nobody: Visitor
) -> None:
    """A stranger registers somebody's address and sets up all there is; the owner follows the link that confirms it, makes
    something too, and later asks for a new password."""
    patient = clinic.person("patient", confirmed=False)
    email = patient.email
    with pretending(now() - timedelta(days=2)), transaction():
        _set_up(patient, "the stranger's")
        second_factor.new_recovery_codes(patient)
    with pretending(now() - timedelta(days=1)), transaction():
        accounts.confirm_address(patient)
    with transaction():
        db.session.add(_passkey(patient, "the owner's"))
    ask(nobody, email)
    assert nobody.post(link_to(clinic), {"new_password": NEW}).status_code == 303
    patient = db.session.scalars(select(User).where(User.email == email)).one()
    assert [each.name for each in patient.passkeys] == ["the owner's"]
    assert patient.totp_secret is None and patient.totp_confirmed_at is None
    assert second_factor.recovery_codes_left(patient) == 0
    clinic.run_jobs("send_mail")
    assert any("second step at sign-in was reset" in str(each["Subject"]) for each in clinic.mail)


def test_what_was_set_up_after_the_address_was_confirmed_stays(clinic: Clinic, nobody: Visitor) -> None:
    patient = clinic.person("patient")
    email = patient.email
    with transaction():
        _set_up(patient, "the owner's")
        second_factor.new_recovery_codes(patient)
    ask(nobody, email)
    assert nobody.post(link_to(clinic), {"new_password": NEW}).status_code == 303
    patient = db.session.scalars(select(User).where(User.email == email)).one()
    assert len(patient.passkeys) == 1 and patient.totp_secret is not None
    assert second_factor.recovery_codes_left(patient) == 10


def _set_up(user: User, name: str) -> None:
    user.totp_secret, user.totp_confirmed_at = secrets.encrypt("totp", "JBSWY3DPEHPK3PXP"), now()
    db.session.add(_passkey(user, name))


def _passkey(user: User, name: str) -> Passkey:
    return Passkey(
        id=uuid.uuid4(),
        user_id=user.id,
        name=name,
        credential_id=name,
        public_key=b"key",
        sign_count=0,
        synced=False,
    )
