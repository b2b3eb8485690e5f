"""Signing in with a passkey: after the password or alone, and everything that must not be taken for one."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from csss.auth import second_factor
from csss.auth.models import CodePurpose, UserSession
from csss.auth.passkeys import services as passkeys
from csss.auth.passkeys.models import PasskeyChallenge
from csss.clock import now
from csss.database import db, transaction
from csss.errors import Counted
from tests.authenticator import Authenticator
from tests.factories import Clinic
from tests.integration.passkeys import ORIGIN, at_the_second_step, keys, question, register, told
from tests.visitor import Visitor, words

# Signing in: the second step


@pytest.fixture
def known(doctor: Visitor, device: Authenticator) -> Authenticator:
    """The doctor's device, with its passkey registered."""
    assert register(doctor, device).status_code == 303
    return device


@pytest.mark.both_databases
def test_after_the_password_the_passkey_lets_in(
    clinic: Clinic, doctor: Visitor, known: Authenticator
) -> None:
    visitor = at_the_second_step(clinic, doctor)
    page = visitor.page("/login/code")
    form = page.select_one("form[data-passkey=get]")
    assert form is not None and form["data-origin"] == ORIGIN and not page.select("#code-form")
    assert page.select_one("form[action='/login/code/send']")  # another way, for when it is not at hand
    options = question(visitor, "/login/code/passkey")
    assert options["rpId"] == "localhost" and options["userVerification"] == "required"
    assert [each["id"] for each in options["allowCredentials"]] == [keys()[0].credential_id]
    assert visitor.get("/doctor/").status_code == 302
    answer = visitor.post("/login/code", {"passkey": known.get(options)})
    assert (answer.status_code, answer.location) == (303, "/doctor/")
    assert visitor.get("/doctor/").status_code == 200
    (kept,) = keys()
    assert kept.sign_count == 1 and kept.last_used_at is not None
    assert told("passkey.used") == [{"purpose": "sign_in"}]
    assert told("session.began")[-1] == {"method": "passkey"}
    assert not clinic.mail and not db.session.scalars(select(PasskeyChallenge)).all()


def foreign(device: Authenticator, options: dict[str, Any]) -> str:
    """An answer that another device has signed under the id of the known one."""
    return Authenticator().get(options, credential_id=device.credential_id)


def changed(**attributes: Any) -> Callable[[Authenticator, dict[str, Any]], str]:
    return lambda device, options: replace(device, **attributes).get(options)


WRONG: dict[str, Callable[[Authenticator, dict[str, Any]], str]] = {
    "another challenge": lambda device, options: device.get(options, challenge="QUJD" * 11),
    "an answer to registering": lambda device, options: device.get(options, kind="webauthn.create"),
    "another site": lambda device, options: device.get(options, rp="csss.attacker.example"),
    "a signature of nothing": lambda device, options: device.get(options, signature=b"0" * 70),
    "another key": foreign,
    "an unknown credential": lambda device, options: Authenticator().get(options),
    "another person's handle": lambda device, options: device.get(options, user_handle=uuid.uuid4().bytes),
    "nobody's finger or PIN": changed(verifies=False),
    "a page elsewhere": changed(origin="https://csss.example.attacker.example"),
}


def test_what_must_not_be_taken_is_refused_and_counts(
    clinic: Clinic, doctor: Visitor, known: Authenticator
) -> None:
    visitor = at_the_second_step(clinic, doctor)
    for tries, (what, wrong) in enumerate(WRONG.items(), start=1):
        given = wrong(known, question(visitor, "/login/code/passkey"))
        answer = visitor.post("/login/code", {"passkey": given})
        assert answer.status_code == 422 and "was not accepted" in words(answer), what
        assert visitor.get("/doctor/").status_code == 302, what
        assert len(told("passkey.refused")) == tries, what
        query = select(UserSession.second_factor_tries).where(~UserSession.complete)
        assert db.session.scalars(query).one() == tries, what
    assert keys()[0].last_used_at is None and not told("passkey.used")


@pytest.mark.both_databases
def test_a_question_is_answered_once_by_its_own_session_in_time(
    clinic: Clinic, doctor: Visitor, known: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = at_the_second_step(clinic, doctor), at_the_second_step(clinic, doctor)
    given = known.get(question(one, "/login/code/passkey"))
    assert "works once" in words(other.post("/login/code", {"passkey": given}))
    assert one.post("/login/code", {"passkey": given}).status_code == 303
    # Heard on the line and sent again, with or without a question that is open.
    assert other.post("/login/code", {"passkey": given}).status_code == 422
    question(other, "/login/code/passkey")
    assert other.post("/login/code", {"passkey": given}).status_code == 422
    given = known.get(question(other, "/login/code/passkey"))
    monkeypatch.setattr("csss.auth.passkeys.services.now", lambda: now() + timedelta(minutes=5))
    assert "works once" in words(other.post("/login/code", {"passkey": given}))
    assert [each["reason"] for each in told("passkey.refused")] == [
        "no question",
        "no question",
        "not verified",
        "too late",
    ]


def test_a_new_question_cancels_the_one_before(clinic: Clinic, doctor: Visitor, known: Authenticator) -> None:
    visitor = at_the_second_step(clinic, doctor)
    early = known.get(question(visitor, "/login/code/passkey"))
    question(visitor, "/login/code/passkey")
    assert visitor.post("/login/code", {"passkey": early}).status_code == 422
    assert len(db.session.scalars(select(PasskeyChallenge)).all()) == 0


def test_a_counter_that_goes_back_tells_of_a_copy(
    clinic: Clinic, doctor: Visitor, known: Authenticator
) -> None:
    visitor = at_the_second_step(clinic, doctor)
    known.counter = 41
    assert visitor.post("/login/code", {"passkey": known.get(question(visitor, "/login/code/passkey"))})
    assert keys()[0].sign_count == 42
    for counter in (41, 6):  # the same number again, and an older one
        known.counter = counter
        again = at_the_second_step(clinic, doctor)
        given = known.get(question(again, "/login/code/passkey"))
        assert again.post("/login/code", {"passkey": given}).status_code == 422
    assert [each["reason"] for each in told("passkey.refused")] == ["counter", "counter"]
    assert keys()[0].sign_count == 42


def test_the_tenth_wrong_answer_ends_the_sign_in(
    clinic: Clinic, doctor: Visitor, known: Authenticator
) -> None:
    visitor = at_the_second_step(clinic, doctor)
    for _ in range(9):
        assert visitor.post("/login/code", {"passkey": "x"}).status_code == 422
    assert visitor.post("/login/code", {"passkey": "x"}).location == "/login"
    assert visitor.post("/login/code/passkey").location == "/login"


def test_somebody_elses_passkey_is_not_taken(clinic: Clinic, doctor: Visitor, known: Authenticator) -> None:
    theirs = Authenticator()
    register(clinic.visitor(clinic.person("doctor")), theirs)
    visitor = at_the_second_step(clinic, doctor)
    given = theirs.get(question(visitor, "/login/code/passkey"))
    assert visitor.post("/login/code", {"passkey": given}).status_code == 422


def test_without_the_passkey_a_mailed_code_still_lets_a_doctor_in(
    clinic: Clinic, doctor: Visitor, known: Authenticator
) -> None:
    visitor = at_the_second_step(clinic, doctor)
    assert visitor.post("/login/code/send").status_code == 303
    assert visitor.page("/login/code").select("#code-form")
    with transaction():
        (code,) = second_factor.new_recovery_codes(doctor.user)[:1]
    assert visitor.post("/login/code", {"code": code}).location == "/doctor/"


# Signing in without address and password


@pytest.mark.both_databases
def test_a_passkey_alone_signs_in(doctor: Visitor, known: Authenticator, nobody: Visitor) -> None:
    form = nobody.page("/login?next=/doctor/templates").select_one("form[data-passkey=get][hidden]")
    assert form is not None and form.select_one("input[name=next]")["value"] == "/doctor/templates"  # type: ignore[index]
    options = question(nobody, "/login/passkey/question")
    assert options["allowCredentials"] == [] and options["userVerification"] == "required"
    given = {"passkey": known.get(options), "next": "/doctor/templates"}
    answer = nobody.post("/login/passkey", given)
    assert (answer.status_code, answer.location) == (303, "/doctor/templates")
    assert nobody.get("/doctor/").status_code == 200
    assert told("passkey.used") == [{"purpose": "without_password"}]


def test_a_passkey_alone_needs_its_own_question_and_its_person(
    clinic: Clinic, doctor: Visitor, known: Authenticator, nobody: Visitor
) -> None:
    thief = Visitor(clinic.app)
    given = known.get(question(nobody, "/login/passkey/question"))
    kept = nobody.client.get_cookie("csss")
    assert kept is not None
    assert thief.post("/login/passkey", {"passkey": given}).status_code == 401  # another browser
    for wrong in (
        known.get(question(nobody, "/login/passkey/question"), user_handle=None),
        known.get(question(nobody, "/login/passkey/question"), user_handle=clinic.person("admin").id.bytes),
        "{}",
    ):
        assert nobody.post("/login/passkey", {"passkey": wrong}).status_code == 401
    given = known.get(question(nobody, "/login/passkey/question"))
    cookie = nobody.client.get_cookie("csss")
    assert cookie is not None
    assert nobody.post("/login/passkey", {"passkey": given}).status_code == 303
    # The cookie of before and the answer, copied: the question is used up.
    thief.client.set_cookie("csss", cookie.value)
    assert thief.post("/login/passkey", {"passkey": given}).status_code == 401
    assert thief.get("/doctor/").status_code == 302


def test_a_stranger_gets_no_more_than_120_questions_in_a_quarter_of_an_hour(
    nobody: Visitor,
) -> None:
    for _ in range(120):
        assert nobody.post("/login/passkey/question").status_code == 200
    answer = nobody.post("/login/passkey/question")
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
    assert "Too many tries with a passkey" in (answer.json or {})["errors"][""]


def test_a_deactivated_account_stays_shut(
    clinic: Clinic, doctor: Visitor, known: Authenticator, nobody: Visitor, admin: Visitor
) -> None:
    assert admin.post(f"/admin/users/{doctor.user_id}/deactivate").status_code == 303
    given = known.get(question(nobody, "/login/passkey/question"))
    answer = nobody.post("/login/passkey", {"passkey": given})
    assert answer.status_code == 403 and "deactivated" in words(answer)
    assert nobody.get("/doctor/").status_code == 302


@pytest.mark.both_databases
def test_an_answer_that_is_sent_twice_at_once_works_once(
    clinic: Clinic, doctor: Visitor, known: Authenticator
) -> None:
    visitor = at_the_second_step(clinic, doctor)
    given = known.get(question(visitor, "/login/code/passkey"))
    waiting = db.session.scalars(select(UserSession.id).where(~UserSession.complete)).one()
    db.session.remove()
    start = threading.Barrier(2)

    def show(_: int) -> str:
        with clinic.app.app_context():
            start.wait()
            try:
                with transaction():
                    asked = db.session.get_one(UserSession, waiting)
                    return passkeys.show(asked, CodePurpose.SIGN_IN, waiting, given).method
            except Counted:
                return "refused"
            finally:
                db.session.remove()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(show, range(2))) == ["passkey", "refused"]
