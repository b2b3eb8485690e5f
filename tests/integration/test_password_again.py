"""What lets somebody in later asks for the password first, and its owner is told by mail when it has changed."""

import re
import uuid
from typing import Any

import pyotp
import pytest
from bs4 import BeautifulSoup

from csss.auth import passphrases, second_factor
from csss.database import db, transaction
from csss.people.models import AccountState, User
from tests.authenticator import Authenticator
from tests.factories import PASSPHRASE, PASSWORD, Clinic
from tests.integration.passkeys import keys, register, told
from tests.visitor import Visitor, soup, words

MINE = {"current_password": PASSWORD}


def set_up(visitor: Visitor) -> dict[str, str]:
    """The form for an authenticator app, with a right code in it."""
    page = visitor.page("/account/authenticator")
    secret = page.select_one(".setup-key").get_text().replace(" ", "")  # type: ignore[union-attr]
    return {"set_up": str(page.select_one("input[name=set_up]")["value"]), "code": pyotp.TOTP(secret).now()}  # type: ignore[index]


def forms(visitor: Visitor) -> dict[str, tuple[str, dict[str, str], str]]:
    """Each form that asks for the password: its address, what is typed besides, and the field."""
    return {
        "app": ("/account/authenticator", set_up(visitor), "current_password"),
        "codes": ("/account/recovery-codes", {}, "recovery-password"),
        "set phrase": (
            "/account",
            {"section": "passphrase", "report_passphrase": "a new pass phrase"},
            "passphrase-password",
        ),
        "remove phrase": ("/account/passphrase/remove", {}, "remove-passphrase-password"),
        "password": (
            "/account",
            {"section": "password", "new_password": "another long one"},
            "current_password",
        ),
    }


def kept(visitor: Visitor) -> tuple[Any, ...]:
    db.session.remove()
    user = visitor.user
    assert user.patient is not None
    phrase = passphrases.report_passphrase(user.patient)
    return user.totp_secret, second_factor.recovery_codes_left(user), phrase, user.password_hash


@pytest.mark.both_databases
@pytest.mark.parametrize("which", ["app", "codes", "set phrase", "remove phrase", "password"])
def test_nothing_changes_on_a_screen_left_open(clinic: Clinic, patient: Visitor, which: str) -> None:
    clinic.set_passphrase(patient.user)
    address, typed, field = forms(patient)[which]
    before = kept(patient)
    for given, sentence in ((None, "Enter your current password."), ("a guess", "This is not your current")):
        answer = patient.post(address, typed | ({"current_password": given} if given else {}))
        assert answer.status_code == 422, which
        page = soup(answer)
        assert page.select_one(f"#{field}[aria-invalid=true]"), which
        assert sentence in page.select_one(f"#{field}-error").get_text(), which  # type: ignore[union-attr]
        assert kept(patient) == before, which
        assert "a guess" not in answer.text and "a new pass phrase" not in answer.text
    assert len(told("account.password_refused")) == 1
    assert patient.post(address, typed | MINE).status_code in {200, 303}
    assert kept(patient) != before, which


def test_what_was_typed_besides_the_password_stays(doctor: Visitor) -> None:
    typed = set_up(doctor)
    page = soup(doctor.post("/account/authenticator", typed | {"current_password": "a guess"}))

    def value(name: str, page: BeautifulSoup) -> str:
        return str(page.select_one(f"form[action='/account/authenticator'] input[name={name}]")["value"])  # type: ignore[index]

    assert value("code", page) == typed["code"]
    again = {"set_up": value("set_up", page), "code": value("code", page), **MINE}
    assert doctor.post("/account/authenticator", again).status_code == 303


@pytest.mark.both_databases
def test_ten_wrong_passwords_on_whichever_form_are_enough(
    clinic: Clinic, patient: Visitor, device: Authenticator
) -> None:
    register(patient, device)
    clinic.set_passphrase(patient.user)
    wrong = {"current_password": "a guess"}
    sent = [(address, typed) for address, typed, _field in forms(patient).values()]
    sent.append(("/account/passkeys/question", {"name": "Mine"}))
    sent.append((f"/account/passkeys/{keys()[0].id}/remove", {}))
    for address, typed in [*sent, *sent][:10]:
        assert patient.post(address, typed | wrong).status_code == 422, address
    before = kept(patient)
    for address, typed in sent:
        for given in (wrong, MINE):
            answer = patient.post(address, typed | given)
            assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0, address
            assert "Too many wrong passwords. Wait" in answer.get_data(as_text=True), address
    assert kept(patient) == before and len(keys()) == 1
    assert told("request.throttled") == [{"scope": "current-password.account"}]
    # It is this account that waits, and nothing else of it does.
    other = clinic.visitor(clinic.person("doctor"))
    assert other.post("/account/recovery-codes", MINE).status_code == 200
    assert patient.post("/account", {"phone": "+91 44 5550 0199"}).status_code == 303


# What an administrator does for others


def other_person(clinic: Clinic, step: str) -> User:
    """Somebody with whom this step can be taken."""
    user = clinic.person("admin", active=step != "approve", name="Tom Thief")
    with transaction():
        if step == "reactivate":
            user.state = AccountState.DEACTIVATED
        if step == "reset-second-factor":
            second_factor.new_recovery_codes(user)
    return user


def as_it_is(user_id: uuid.UUID) -> tuple[AccountState, int]:
    db.session.remove()
    user = db.session.get_one(User, user_id)
    return user.state, second_factor.recovery_codes_left(user)


@pytest.mark.both_databases
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "fragment"])
@pytest.mark.parametrize("step", ["approve", "reactivate", "reset-second-factor"])
def test_nobody_is_let_in_on_an_administrators_screen_left_open(
    clinic: Clinic, admin: Visitor, step: str, htmx: bool
) -> None:
    """Whoever finds it could else approve an account that they have just registered."""
    user_id = other_person(clinic, step).id
    page, address = f"/admin/users/{user_id}", f"/admin/users/{user_id}/{step}?at=account"
    field = {"approve": "approve-user", "reactivate": "reactivate-user"}.get(step, step) + "-password"
    assert soup(admin.get(page)).select_one(f"form[action$='/{step}?at=account'] #{field}")
    before = as_it_is(user_id)
    for given, sentence in ((None, "Enter your current password."), ("a guess", "This is not your current")):
        answer = admin.post(address, {"current_password": given} if given else {}, htmx=htmx)
        assert answer.status_code == 422
        form = soup(answer).select_one(f"form[action$='/{step}?at=account']")
        assert form.select_one(f"#{field}[aria-invalid=true]")  # type: ignore[union-attr]
        assert sentence in form.select_one(f"#{field}-error").get_text()  # type: ignore[union-attr]
        assert ("<html" in answer.text) is not htmx and "a guess" not in answer.text
        assert as_it_is(user_id) == before
    assert len(told("account.password_refused")) == 1
    answer = admin.post(address, MINE, htmx=htmx)
    assert answer.status_code == (204 if htmx else 303)
    assert as_it_is(user_id) != before


def test_wrong_passwords_of_an_administrator_are_counted_over_all_steps(
    clinic: Clinic, admin: Visitor
) -> None:
    addresses = [
        f"/admin/users/{other_person(clinic, step).id}/{step}?at=account"
        for step in ("approve", "reactivate", "reset-second-factor")
    ]
    for address in [*addresses * 3, "/account/recovery-codes"]:
        assert admin.post(address, {"current_password": "a guess"}).status_code == 422
    for address in addresses:
        answer = admin.post(address, MINE)
        assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
        assert "Too many wrong passwords. Wait" in soup(answer).select_one("#steps").get_text()  # type: ignore[union-attr]


def test_who_takes_a_step_that_another_has_taken_meanwhile_is_told_what_was_wrong(
    clinic: Clinic, admin: Visitor
) -> None:
    """The field is gone with the step."""
    user_id = clinic.person("doctor").id
    answer = admin.post(f"/admin/users/{user_id}/approve?at=account", {"current_password": "a guess"})
    assert answer.status_code == 422
    assert "This is not your current password." in soup(answer).select_one("#user [role=alert]").get_text()  # type: ignore[union-attr]


# Mail about it


def subjects(clinic: Clinic, email: str) -> list[str]:
    """Of what has been mailed to this address since the last look, without the hospital's name."""
    clinic.run_jobs("send_mail")
    seen = clinic.__dict__.setdefault("seen", set())
    new = [mail for mail in clinic.mail if mail["To"] == email and mail["Message-ID"] not in seen]
    seen.update(mail["Message-ID"] for mail in new)
    return [mail["Subject"].partition(" – ")[0] for mail in new]


@pytest.mark.both_databases
def test_the_owner_is_told_whenever_something_that_lets_in_has_changed(
    clinic: Clinic, patient: Visitor, admin: Visitor, device: Authenticator
) -> None:
    email = patient.user.email
    subjects(clinic, email)
    register(patient, device, "Secret phone")
    assert subjects(clinic, email) == ["A passkey was added"]
    assert patient.post(f"/account/passkeys/{keys()[0].id}/remove", MINE).status_code == 303
    assert subjects(clinic, email) == ["A passkey was removed"]
    typed = set_up(patient) | MINE
    assert patient.post("/account/authenticator", typed).status_code == 303
    assert subjects(clinic, email) == ["An authenticator app was added"]
    codes = [each.get_text() for each in soup(patient.post("/account/recovery-codes", MINE)).select("code")]
    assert subjects(clinic, email) == ["New recovery codes were made"]
    assert patient.post("/account/authenticator/remove", {"code": codes[0]}).status_code == 303
    assert subjects(clinic, email) == ["Your authenticator app was removed"]
    phrase = {"section": "passphrase", "report_passphrase": PASSPHRASE, **MINE}
    assert patient.post("/account", phrase).status_code == 303
    assert subjects(clinic, email) == ["Your report pass phrase was set"]
    assert patient.post("/account/passphrase/remove", MINE).status_code == 303
    assert subjects(clinic, email) == ["Your report pass phrase was removed"]
    new = {"section": "password", "new_password": "another long password", **MINE}
    assert patient.post("/account", new).status_code == 303
    assert subjects(clinic, email) == ["Your password has been changed"]
    assert admin.post(f"/admin/users/{patient.user_id}/reset-second-factor", MINE).status_code == 303
    assert subjects(clinic, email) == ["Your second step at sign-in was reset"]
    # Nothing that opens anything, and no name of a device, stands in any of these mails.
    everything = "\n".join(mail.as_string() for mail in clinic.mail)
    for secret in (*codes, PASSPHRASE, PASSWORD, "another long password", "Secret phone"):
        assert secret not in everything
    # As a number of its own; six digits within a random id mean nothing.
    assert not re.search(rf"(?<![0-9A-Za-z_-]){typed['code']}(?![0-9A-Za-z_-])", everything)
    assert "If you did not do this or ask for it, set a new password" in clinic.mail[-1].get_content()
    listed = words(admin.get("/admin/mail"))
    assert "Passkey added" in listed and "Second factor reset" in listed


def test_what_was_refused_is_not_told(clinic: Clinic, patient: Visitor) -> None:
    email = patient.user.email
    subjects(clinic, email)
    for address, typed, _field in forms(patient).values():
        patient.post(address, typed | {"current_password": "a guess"})
    assert subjects(clinic, email) == []
