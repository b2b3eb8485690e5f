"""Registering and removing passkeys on the account page."""

import base64
from typing import Any

import pytest
from sqlalchemy import select

from csss.auth.passkeys.models import PasskeyChallenge
from csss.auth.passkeys.services import MOST
from csss.database import db
from tests.authenticator import Authenticator
from tests.factories import PASSWORD, Clinic
from tests.integration.passkeys import keys, register, told
from tests.visitor import Visitor, soup, words

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


@pytest.mark.parametrize("settings", [{"base_url": "http://192.0.2.7:8000"}], indirect=True)
def test_where_browsers_make_none_nothing_is_offered(doctor: Visitor, nobody: Visitor, settings: Any) -> None:
    assert not nobody.page("/login").select("form[data-passkey], script[src*=passkey]")
    assert not doctor.page("/account").select("#passkeys")
    assert "Passkeys need an https address" in words(doctor.get("/account/passkeys/new"))
    asked = {"name": "A", "current_password": PASSWORD}
    assert doctor.post("/account/passkeys/question", asked).status_code == 409
