"""What the page of the second step says of the mailed code is true, and nobody gets a code by mail who does not need one."""

import json
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from csss.auth import second_factor
from csss.auth.models import OneTimeCode
from csss.auth.second_factor import new_recovery_codes
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.jobs import runner
from csss.notices.models import MailMessage, MailState
from csss.outbox import OutboxJob
from csss.people.models import User
from tests.factories import PASSWORD, Clinic
from tests.integration.signing_in import PATIENT, mailed_code, sign_in, with_app
from tests.visitor import Visitor, soup, words


def state(visitor: Visitor) -> str:
    return str(soup(visitor.get("/login/code")).select_one("#code-state").get_text(" ", strip=True))  # type: ignore[union-attr]


def without_a_mail_server(clinic: Clinic) -> None:
    """Nothing listens on port 1. Each message that is owed is tried once."""
    settings = clinic.app.config["CSSS"]
    clinic.app.config["CSSS"] = replace(settings, mail_folder="", mail_server="127.0.0.1", mail_port=1)
    jobs = select(OutboxJob.id).where(OutboxJob.done_at.is_(None), OutboxJob.job == "send_mail")
    for row_id in db.session.scalars(jobs).all():
        runner.perform(row_id)
    db.session.remove()


def test_a_code_has_been_sent_only_once_the_mail_server_has_it(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(nobody, clinic.person("admin"))
    assert "A six-digit code is on its way to a•••@csss.example" in state(nobody)
    assert "sent a" not in words(nobody.get("/login/code"))
    code = mailed_code(clinic)
    assert "We sent a six-digit code to a•••@csss.example at" in state(nobody)
    assert nobody.post("/login/code", {"code": code}).status_code == 303


def test_a_dead_mail_server_is_told_and_the_other_ways_are_laid_open(clinic: Clinic, nobody: Visitor) -> None:
    admin = clinic.person("admin")
    with transaction():
        (recovery, *_) = new_recovery_codes(db.session.merge(admin))
    sign_in(nobody, admin)
    without_a_mail_server(clinic)
    told = state(nobody)
    assert "The mail server has not taken the code" in told and "a recovery code works at once" in told
    page = soup(nobody.get("/login/code"))
    assert page.select_one("details[open] #recovery-form")
    assert "We sent" not in page.get_text()
    assert nobody.post("/login/code", {"code": recovery}).location == "/admin/"


def test_who_has_an_app_is_told_that_it_works_when_the_mail_does_not(clinic: Clinic, nobody: Visitor) -> None:
    admin = clinic.person("admin")
    with_app(db.session.merge(admin))
    sign_in(nobody, admin)
    nobody.post("/login/code/send")
    without_a_mail_server(clinic)
    assert "a code from your authenticator app or a recovery code works at once" in state(nobody)


@pytest.mark.parametrize("given_up", [MailState.FAILED, MailState.DROPPED])
def test_a_code_that_could_not_be_sent_is_told_as_such(
    clinic: Clinic, nobody: Visitor, given_up: MailState
) -> None:
    sign_in(nobody, clinic.person("admin"))
    with transaction():
        db.session.scalars(
            select(MailMessage).order_by(MailMessage.created_at.desc())
        ).first().state = given_up  # type: ignore[union-attr]
    assert "No code could be sent" in state(nobody) and "Ask for a new one" in state(nobody)


def test_a_code_that_is_over_is_told_as_such(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(nobody, clinic.person("admin"))
    mailed_code(clinic)
    with pretending(now() + timedelta(minutes=11)):
        assert "has expired" in state(nobody)


def test_the_page_looks_again_by_itself_as_long_as_there_is_something_to_wait_for(
    clinic: Clinic, nobody: Visitor
) -> None:
    sign_in(nobody, clinic.person("admin"))
    region = soup(nobody.get("/login/code")).select_one("#code-state")
    assert region and region["hx-get"] == "/login/code/state"
    assert region.select_one("noscript a[href='/login/code']")
    fragment = nobody.fragment("/login/code/state")
    assert soup(fragment).select_one("#code-state[hx-get]") and soup(fragment).html is None
    headers = json.loads(str(region["hx-headers"]))
    assert nobody.get("/login/code/state", headers={"HX-Request": "true", **headers}).status_code == 204
    mailed_code(clinic)
    fragment = nobody.get("/login/code/state", headers={"HX-Request": "true", **headers})
    assert "We sent" in words(fragment) and not soup(fragment).select("[hx-get]")
    assert nobody.get("/login/code/state").location == "/login/code"


def test_nobody_learns_of_anybodys_code(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(Visitor(clinic.app), clinic.person("admin"))
    assert words(nobody.fragment("/login/code/state")) == ""


@pytest.mark.parametrize("role", ["admin", "doctor"])
def test_who_signs_in_by_app_gets_no_mail_however_often(clinic: Clinic, role: str) -> None:
    user: User = clinic.person(role)
    secret = with_app(user)
    clinic.run_jobs("send_mail")
    before, email = len(clinic.mail), user.email
    for number in range(5):  # three used to end in an alarm
        visitor = Visitor(clinic.app)
        visitor.post("/login", {"email": email, "password": PASSWORD})
        page = words(visitor.get("/login/code"))
        assert "codes were asked for" not in page and "Warning" not in page
        assert "Open your authenticator app" in page and "Send a code by e-mail" in page
        with pretending(now() + timedelta(seconds=30 * number)):
            digits = pyotp.TOTP(secret).at(now())
            assert visitor.post("/login/code", {"code": digits}).location == f"/{role}/"
    clinic.run_jobs("send_mail")
    assert len(clinic.mail) == before and db.session.scalar(select(OneTimeCode)) is None


def test_who_signs_in_by_app_gets_a_code_by_mail_when_asking_for_one(clinic: Clinic, nobody: Visitor) -> None:
    admin = clinic.person("admin")
    with_app(admin)
    sign_in(nobody, admin)
    assert nobody.post("/login/code/send").location == "/login/code"
    assert "is on its way" in state(nobody)
    assert "authenticator app works as well" in words(nobody.get("/login/code"))
    assert nobody.post("/login/code", {"code": mailed_code(clinic)}).location == "/admin/"


def test_who_has_only_mail_gets_the_first_code_without_asking(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(nobody, clinic.person("admin"))
    assert db.session.scalars(select(OneTimeCode)).one().purpose is second_factor.CodePurpose.SIGN_IN


def test_after_registering_nothing_is_said_to_have_been_sent(nobody: Visitor) -> None:
    nobody.post("/register", PATIENT)
    page = words(nobody.get("/login"))
    assert "We are sending you an e-mail" in page and "have sent" not in page
