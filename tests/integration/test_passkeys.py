"""Passkeys: registering one, showing it at sign-in and for an approval, and everything that must not be taken for one;
and the other second factors, which everybody may have."""

import base64
import json
import re
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from csss.audit.models import AuditEvent
from csss.auth import second_factor
from csss.auth.models import CodePurpose, UserSession
from csss.auth.passkeys import services as passkeys
from csss.auth.passkeys.models import Passkey, PasskeyChallenge
from csss.auth.passkeys.services import MOST
from csss.clock import now
from csss.database import db, transaction
from csss.errors import Counted
from csss.reports import queries as reports
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.authenticator import Authenticator
from tests.factories import PASSWORD, SEEN, Clinic
from tests.visitor import Visitor, soup, words

ORIGIN = "http://localhost:8000"
REQUIRED = {"admin_passkey": True}


def register(visitor: Visitor, device: Authenticator, name: str = "My phone") -> TestResponse:
    """Both requests of the page; the device's answer is right unless the device is wrong."""
    asked = visitor.post("/account/passkeys/question", {"name": name, "current_password": PASSWORD})
    assert asked.status_code == 200, asked.text
    return visitor.post("/account/passkeys", {"name": name, "passkey": device.create(asked.json or {})})


def question(visitor: Visitor, address: str) -> dict[str, Any]:
    answer = visitor.post(address)
    assert answer.status_code == 200 and answer.mimetype == "application/json", answer.text
    return dict(answer.json or {})


def password(visitor: Visitor, email: str) -> TestResponse:
    return visitor.post("/login", {"email": email, "password": PASSWORD})


def keys() -> list[Passkey]:
    db.session.remove()
    return list(db.session.scalars(select(Passkey).order_by(Passkey.created_at)))


def told(action: str) -> list[dict[str, Any]]:
    db.session.remove()
    return [
        dict(each.detail)
        for each in db.session.scalars(
            select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
        )
    ]


@pytest.fixture
def device() -> Authenticator:
    return Authenticator()


# Registering


@pytest.mark.both_databases
def test_a_passkey_is_registered_and_stands_on_the_account_page(
    patient: Visitor, device: Authenticator
) -> None:
    visitor = patient
    assert "Register a passkey" in words(visitor.get("/account"))
    answer = register(visitor, device, "  My <b>phone</b>")
    assert (answer.status_code, answer.location) == (303, "/account#passkeys")
    (kept,) = keys()
    assert (kept.name, kept.transports, kept.user_id) == ("My <b>phone</b>", "usb,nfc", visitor.user_id)
    page = visitor.page("/account")
    (row,) = page.select("#passkeys li")
    assert "My <b>phone</b>" in row.get_text() and "not used yet" in row.get_text()
    assert "Now make recovery codes" in page.select_one("#messages").get_text()  # type: ignore[union-attr]
    assert "Recovery codes" in page.select_one("#second-step").get_text()  # type: ignore[union-attr]
    assert len(told("passkey.added")) == 1
    # Nothing of a question stays in the cookie, and none stays open.
    with visitor.client.session_transaction() as cookie:
        assert set(cookie) <= {"_user_id", "_fresh", "csrf_token", "_flashes"}
    assert not db.session.scalars(select(PasskeyChallenge)).all()


def test_the_browser_is_asked_for_a_verified_person_and_no_make(
    doctor: Visitor, device: Authenticator
) -> None:
    register(doctor, device)
    options = doctor.post("/account/passkeys/question", {"name": "Two", "current_password": PASSWORD}).json
    assert options is not None
    assert options["rp"] == {"id": "localhost", "name": "CSSS Hospital of the Tests"}
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    assert options["attestation"] == "none"
    (known,) = options["excludeCredentials"]
    assert known["id"] == keys()[0].credential_id and known["transports"] == ["usb", "nfc"]
    assert len(base64.urlsafe_b64decode(options["challenge"] + "==")) == 32
    # The name of the account on the device is the person's; its number tells nothing.
    assert base64.urlsafe_b64decode(options["user"]["id"] + "==") == doctor.user.id.bytes


def test_a_screen_left_open_gains_no_passkey(doctor: Visitor) -> None:
    for _ in range(9):
        answer = doctor.post("/account/passkeys/question", {"name": "Mine", "current_password": "a guess"})
        assert answer.status_code == 422 and "current_password" in (answer.json or {})["errors"]
    doctor.post("/account/passkeys/question", {"name": "Mine", "current_password": "a guess"})
    assert doctor.get("/account").status_code == 302  # the tenth wrong one ends the session
    assert {each["reason"] for each in told("passkey.refused")} == {"password"}


def test_a_passkey_needs_a_name_and_ten_are_enough(doctor: Visitor) -> None:
    answer = doctor.post("/account/passkeys/question", {"name": " ", "current_password": PASSWORD})
    assert answer.status_code == 422 and "Give the passkey a name" in (answer.json or {})["errors"]["name"]
    for number in range(MOST):
        assert register(doctor, Authenticator(), f"Key {number}").status_code == 303
    answer = doctor.post("/account/passkeys/question", {"name": "More", "current_password": PASSWORD})
    assert answer.status_code == 422 and "10 passkeys" in (answer.json or {})["errors"]["name"]


def test_a_passkey_of_another_page_or_without_a_finger_is_not_registered(doctor: Visitor) -> None:
    for wrong in (Authenticator(verifies=False), Authenticator(origin="https://attacker.example")):
        answer = register(doctor, wrong)
        assert answer.status_code == 422 and "was not accepted" in words(answer)
    assert not keys() and told("passkey.refused") == [{"purpose": "register", "reason": "not verified"}] * 2


def test_an_answer_registers_once_and_only_here(
    clinic: Clinic, doctor: Visitor, device: Authenticator
) -> None:
    asked = {"name": "A", "current_password": PASSWORD}
    options = doctor.post("/account/passkeys/question", asked).json or {}
    given = {"name": "A", "passkey": device.create(options)}
    somebody = clinic.visitor(clinic.person("doctor"))
    here_too = clinic.visitor(doctor.user)
    for other in (somebody, here_too):
        assert other.post("/account/passkeys", given).status_code == 422
    assert doctor.post("/account/passkeys", given).status_code == 303
    again = doctor.post("/account/passkeys", given)
    assert again.status_code == 422 and "works once" in words(again)
    # The device itself is known, too, whoever asks.
    options = somebody.post("/account/passkeys/question", asked).json or {}
    answer = somebody.post("/account/passkeys", {"name": "A", "passkey": device.create(options)})
    assert answer.status_code == 422 and "registered already" in words(answer)
    assert len(keys()) == 1


def test_nonsense_is_refused_in_a_sentence(doctor: Visitor) -> None:
    for text in ("", "x", "[]", "{}", "9" * 30_000, '{"id": "é", "rawId": 7}', "\0", "[" * 19_000):
        doctor.post("/account/passkeys/question", {"name": "A", "current_password": PASSWORD})
        answer = doctor.post("/account/passkeys", {"name": "A", "passkey": text})
        assert answer.status_code == 422 and soup(answer).select_one("[data-passkey-problem]"), text[:30]


# Removing


@pytest.mark.both_databases
def test_one_of_several_is_removed_with_the_password(clinic: Clinic, doctor: Visitor) -> None:
    register(doctor, Authenticator(), "First")
    register(doctor, Authenticator(), "Second")
    first, second = keys()
    answer = doctor.post(f"/account/passkeys/{first.id}/remove", {"current_password": "a guess"})
    assert answer.status_code == 422 and soup(answer).select_one(
        "#passkey-1[open] input[aria-invalid=true]#passkey-1-password"
    )
    other = clinic.visitor(clinic.person("doctor"))
    assert (
        other.post(f"/account/passkeys/{first.id}/remove", {"current_password": PASSWORD}).status_code == 404
    )
    answer = doctor.post(f"/account/passkeys/{first.id}/remove", {"current_password": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/account#passkeys")
    assert [each.id for each in keys()] == [second.id] and len(told("passkey.removed")) == 1
    assert doctor.user.needs_second_factor


def test_a_reset_by_an_administrator_removes_the_passkeys(
    clinic: Clinic, doctor: Visitor, admin: Visitor
) -> None:
    register(doctor, Authenticator())
    page = words(admin.get(f"/admin/users/{doctor.user_id}"))
    assert "1 passkey" in page and "Reset the second factor" in page
    mine = {"current_password": PASSWORD}
    assert admin.post(f"/admin/users/{doctor.user_id}/reset-second-factor", mine).status_code == 303
    assert not keys() and not doctor.user.needs_second_factor
    assert doctor.get("/account").status_code == 302
    assert told("account.second_factor_reset") == [{"passkeys": 1}]


# Signing in: the second step


@pytest.fixture
def known(doctor: Visitor, device: Authenticator) -> Authenticator:
    """The doctor's passkey, as it is after it has been registered."""
    assert register(doctor, device).status_code == 303
    return device


def at_the_second_step(clinic: Clinic, doctor: Visitor) -> Visitor:
    visitor = Visitor(clinic.app)
    assert password(visitor, doctor.user.email).location == "/login/code"
    return visitor


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
    """Signed by another device, under the name of the one that is known."""
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


# Approving


@pytest.mark.both_databases
def test_a_passkey_approves_exactly_the_report_it_was_asked_for(
    clinic: Clinic, admin: Visitor, device: Authenticator
) -> None:
    register(admin, device)
    this = clinic.scan(Status.PHARMACIST_COMPLETED).id
    other = clinic.scan(Status.PHARMACIST_COMPLETED).id
    form = admin.page(f"/admin/scans/{this}").select_one("form[data-passkey=get]")
    assert form is not None and form["action"] == f"/admin/scans/{this}/approve"
    given = device.get(question(admin, f"/admin/scans/{this}/passkey"))
    answer = admin.post(f"/admin/scans/{other}/approve", SEEN | {"passkey": given})
    assert answer.status_code == 422 and "works once" in words(answer)
    assert admin.post(f"/admin/scans/{this}/approve", SEEN | {"passkey": given}).status_code == 303
    db.session.remove()
    assert db.session.get_one(Scan, other).status is Status.PHARMACIST_COMPLETED
    approval = reports.approval(db.session.get_one(Scan, this))
    assert approval is not None and approval.second_factor == "passkey"
    assert "with a passkey" in words(admin.get(f"/admin/scans/{this}"))
    assert admin.post(f"/admin/scans/{this}/passkey").status_code == 409
    assert told("passkey.used") == [{"purpose": "approval"}]


def test_an_answer_for_signing_in_approves_nothing(
    clinic: Clinic, admin: Visitor, device: Authenticator
) -> None:
    register(admin, device)
    scan = clinic.scan(Status.PHARMACIST_COMPLETED).id
    nobody = Visitor(clinic.app)
    question(admin, f"/admin/scans/{scan}/passkey")
    given = device.get(question(nobody, "/login/passkey/question"))
    assert admin.post(f"/admin/scans/{scan}/approve", SEEN | {"passkey": given}).status_code == 422
    assert db.session.get_one(Scan, scan).status is Status.PHARMACIST_COMPLETED


def test_a_passkey_approves_a_choice_of_reports_and_no_other(
    clinic: Clinic, admin: Visitor, device: Authenticator
) -> None:
    register(admin, device)
    ids = [clinic.scan(Status.PHARMACIST_COMPLETED).id for _ in range(3)]

    def choose(*chosen: uuid.UUID) -> str:
        return str(admin.post("/admin/approvals", {"scan": [str(each) for each in chosen]}).location)

    first = choose(ids[0], ids[1])
    assert admin.page(first).select_one("form[data-passkey=get]")
    given = device.get(question(admin, f"{first}/passkey"))
    second = choose(ids[1], ids[2])
    assert admin.post(f"{first}/passkey").status_code == 409  # chosen anew since
    assert admin.post(f"{first}/approve", {"passkey": given}).status_code == 409
    assert admin.post(f"{second}/approve", {"passkey": given}).status_code == 422
    given = device.get(question(admin, f"{second}/passkey"))
    assert admin.post(f"{second}/approve", {"passkey": given}).status_code == 303
    db.session.remove()
    assert [db.session.get_one(Scan, each).status is Status.REPORT_READY for each in ids] == [
        False,
        True,
        True,
    ]


def test_who_has_none_is_not_asked_for_one(clinic: Clinic, admin: Visitor) -> None:
    scan = clinic.scan(Status.PHARMACIST_COMPLETED).id
    assert not admin.page(f"/admin/scans/{scan}").select("form[data-passkey]")
    answer = admin.post(f"/admin/scans/{scan}/passkey")
    assert answer.status_code == 409 and "No passkey is registered" in json.dumps(answer.json)


# CSSS_ADMIN_PASSKEY


def by_mail(clinic: Clinic, email: str) -> Visitor:
    """An administrator who has signed in with the mailed code."""
    visitor = Visitor(clinic.app)
    assert password(visitor, email).location == "/login/code"
    clinic.run_jobs("send_mail")
    (code,) = re.findall(r"\b\d{6}\b", clinic.mail[-1].get_content())
    assert visitor.post("/login/code", {"code": code}).status_code == 303
    return visitor


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_an_administrator_without_a_passkey_can_only_register_one(
    clinic: Clinic, device: Authenticator, settings: Any
) -> None:
    scan = clinic.scan(Status.PHARMACIST_COMPLETED).id
    user_id = (user := clinic.person("admin")).id
    visitor = by_mail(clinic, user.email)
    assert visitor.get("/").location == "/admin/"
    for address in (
        "/admin/",
        f"/admin/scans/{scan}",
        "/account",
        "/assistant",
        "/events",
        f"/scans/{scan}/image",
    ):
        assert visitor.get(address).location == "/account/passkeys/new", address
    for address in (f"/admin/scans/{scan}/code", "/account", "/account/recovery-codes"):
        assert visitor.post(address).location == "/account/passkeys/new", address
    assert visitor.fragment("/admin/").headers["HX-Redirect"] == "/account/passkeys/new"
    page = visitor.page("/account/passkeys/new")
    assert "Administrators sign in with a passkey here" in page.get_text()
    assert not page.select("nav[aria-label=Main]")
    before = visitor.client.get_cookie("csss")
    assert register(visitor, device).location == "/admin/"
    assert visitor.get("/admin/").status_code == 200
    # The session that could do less has ended: its cookie opens nothing more.
    old = Visitor(clinic.app)
    assert before is not None
    old.client.set_cookie("csss", before.value)
    assert old.get("/admin/").location == "/login?next=/admin/"
    assert db.session.scalars(select(Passkey.user_id)).one() == user_id


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_an_administrator_with_a_passkey_signs_in_with_nothing_else(
    clinic: Clinic, device: Authenticator, settings: Any
) -> None:
    email = clinic.person("admin").email
    register(by_mail(clinic, email), device)
    clinic.run_jobs("send_mail")  # which tells of the passkey
    sent = len(clinic.mail)
    visitor = Visitor(clinic.app)
    password(visitor, email)
    page = visitor.page("/login/code")
    assert not page.select("#code-form, form[action='/login/code/send']") and page.select("#recovery-form")
    for answer in (visitor.post("/login/code", {"code": "123456"}), visitor.post("/login/code/send")):
        assert answer.status_code == 422 and "Administrators sign in with a passkey here" in words(answer)
    clinic.run_jobs()
    assert len(clinic.mail) == sent
    given = device.get(question(visitor, "/login/code/passkey"))
    assert visitor.post("/login/code", {"passkey": given}).location == "/admin/"
    assert visitor.get("/admin/").status_code == 200


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_a_lost_passkey_is_replaced_with_a_recovery_code(
    clinic: Clinic, device: Authenticator, settings: Any
) -> None:
    user = clinic.person("admin")
    email = user.email
    with transaction():
        code, *_ = second_factor.new_recovery_codes(user)
    register(by_mail(clinic, email), device, "Lost")
    visitor = Visitor(clinic.app)
    password(visitor, email)
    assert visitor.post("/login/code", {"code": code}).status_code == 303
    assert visitor.get("/admin/").location == "/account/passkeys/new"
    assert register(visitor, Authenticator(), "New").location == "/admin/"
    lost, new = keys()
    right = {"current_password": PASSWORD}
    assert visitor.post(f"/account/passkeys/{lost.id}/remove", right).status_code == 303
    last = visitor.post(f"/account/passkeys/{new.id}/remove", right)
    assert last.status_code == 409 and "Add another one before" in words(last)


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_other_roles_are_not_asked(clinic: Clinic, settings: Any) -> None:
    visitor = Visitor(clinic.app)
    assert password(visitor, clinic.person("doctor").email).location == "/doctor/"
    assert visitor.get("/doctor/").status_code == 200


@pytest.mark.parametrize("settings", [{"base_url": "http://192.0.2.7:8000"}], indirect=True)
def test_where_browsers_make_none_nothing_is_offered(doctor: Visitor, nobody: Visitor, settings: Any) -> None:
    assert not nobody.page("/login").select("form[data-passkey], script[src*=passkey]")
    assert not doctor.page("/account").select("#passkeys")
    assert "Passkeys need an https address" in words(doctor.get("/account/passkeys/new"))
    asked = {"name": "A", "current_password": PASSWORD}
    assert doctor.post("/account/passkeys/question", asked).status_code == 409


# An authenticator app and recovery codes, for everybody


@pytest.mark.parametrize("role", ["doctor", "pharmacist", "patient"])
def test_whoever_has_set_up_an_app_is_asked_for_it_and_a_code_works_once(
    clinic: Clinic, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = clinic.visitor(clinic.person(role))
    email = visitor.user.email
    page = visitor.page("/account/authenticator")
    totp = pyotp.TOTP(page.select_one(".setup-key").get_text().replace(" ", ""))  # type: ignore[union-attr]
    sealed = page.select_one("input[name=set_up]")["value"]  # type: ignore[index]
    first = totp.now()
    mine = {"current_password": PASSWORD}
    assert (
        visitor.post("/account/authenticator", {"set_up": sealed, "code": first, **mine}).status_code == 303
    )
    codes = soup(visitor.post("/account/recovery-codes", mine)).select(".recovery-codes code")
    monkeypatch.setattr("csss.auth.second_factor.now", lambda: now() + timedelta(seconds=30))
    later = totp.at(now() + timedelta(seconds=30))
    for code, lets_in in ((first, False), (later, True), (later, False), (codes[0].get_text(), True)):
        again = Visitor(clinic.app)
        assert password(again, email).location == "/login/code"
        assert again.post("/login/code", {"code": code}).status_code == (303 if lets_in else 422), code
    assert [each["method"] for each in told("session.began")] == ["authenticator", "recovery_code"]


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
