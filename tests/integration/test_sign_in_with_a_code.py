"""The second step of a sign-in: a code by mail, from an authenticator app, or a recovery code."""

# An authenticator app and recovery codes, for everybody
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select, update

from csss.auth.models import UserSession
from csss.auth.second_factor import new_recovery_codes
from csss.clock import now
from csss.database import db, transaction
from tests.factories import PASSWORD, Clinic
from tests.integration.passkeys import password, told
from tests.integration.signing_in import mailed_code, sign_in, with_app
from tests.visitor import Visitor, soup, words


@pytest.mark.both_databases
def test_an_administrator_signs_in_with_the_mailed_code(clinic: Clinic, nobody: Visitor) -> None:
    admin = clinic.person("admin")
    email = admin.email
    answer = sign_in(nobody, admin, next="/account")
    assert (answer.status_code, answer.location) == (303, "/login/code")
    assert nobody.get("/account").status_code == 302  # the password alone opens nothing
    page = nobody.get("/login/code")
    assert "a•••@csss.example" in words(page) and email not in soup(page).get_text()
    key_before = nobody.client.get_cookie("csss")
    answer = nobody.post("/login/code", {"code": mailed_code(clinic)})
    assert (answer.status_code, answer.location) == (303, "/account")
    assert nobody.get("/account").status_code == 200
    complete = db.session.scalars(select(UserSession).where(UserSession.complete)).one()
    pending = db.session.scalars(select(UserSession).where(~UserSession.complete)).one()
    assert pending.ended_at is not None and pending.key_hash != complete.key_hash
    assert key_before and key_before.value != nobody.client.get_cookie("csss").value  # type: ignore[union-attr]


def test_the_mail_tells_the_true_life_and_holds_one_number(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(nobody, clinic.person("admin"))
    mailed_code(clinic)  # unpacks exactly one
    assert "expires in 10 minutes" in clinic.mail[-1].get_content()


def test_a_code_works_once(clinic: Clinic, nobody: Visitor) -> None:
    admin = clinic.person("admin")
    sign_in(nobody, admin)
    code = mailed_code(clinic)
    assert nobody.post("/login/code", {"code": code}).status_code == 303
    other = Visitor(clinic.app)
    sign_in(other, admin)
    assert other.post("/login/code", {"code": code}).status_code == 422


def test_after_five_wrong_tries_the_right_code_is_refused_too(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(nobody, clinic.person("admin"))
    code = mailed_code(clinic)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    answer = nobody.post("/login/code", {"code": wrong})
    assert answer.status_code == 422 and "4 tries are left" in words(answer)
    for _ in range(4):
        nobody.post("/login/code", {"code": wrong})
    answer = nobody.post("/login/code", {"code": code})
    assert answer.status_code == 422 and "Too many wrong tries" in words(answer)
    # A new code helps.
    assert nobody.post("/login/code/send").status_code == 303
    assert nobody.post("/login/code", {"code": mailed_code(clinic)}).status_code == 303


@pytest.mark.both_databases
def test_the_tenth_wrong_code_ends_the_sign_in(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(nobody, clinic.person("admin"))
    for _ in range(9):
        assert nobody.post("/login/code", {"code": "000000"}).status_code == 422
    answer = nobody.post("/login/code", {"code": "000000"})
    assert (answer.status_code, answer.location) == (303, "/login")
    assert "Too many wrong codes" in words(nobody.get("/login"))
    assert nobody.get("/login/code").location == "/login"


@pytest.mark.both_databases
def test_wrong_codes_are_counted_over_all_sign_ins_of_an_account(clinic: Clinic, nobody: Visitor) -> None:
    doctor = clinic.person("doctor")
    secret = with_app(doctor)
    with transaction():
        (recovery, *_) = new_recovery_codes(doctor)
    for _ in range(11):
        sign_in(nobody, doctor)
        with transaction():
            open_ones = update(UserSession).where(UserSession.second_factor_tries == 0)
            db.session.execute(open_ones.values(second_factor_tries=9))
        nobody.post("/login/code", {"code": "000000"})
    sign_in(nobody, doctor)
    answer = nobody.post("/login/code", {"code": pyotp.TOTP(secret).now()})
    assert answer.status_code == 429 and "wait an hour" in words(answer)
    assert answer.headers["Retry-After"] == "3600"
    assert nobody.post("/login/code", {"code": recovery}).status_code == 303


def test_new_codes_are_limited(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(nobody, clinic.person("admin"))
    assert nobody.post("/login/code/send").status_code == 303
    assert nobody.post("/login/code/send").status_code == 303
    answer = nobody.post("/login/code/send")
    assert answer.status_code == 429 and "3 codes were asked for" in words(answer)
    assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60


def test_who_has_used_up_the_codes_by_signing_in_is_told_and_may_use_another_factor(
    clinic: Clinic, nobody: Visitor
) -> None:
    admin = clinic.person("admin")
    with transaction():
        (recovery, *_) = new_recovery_codes(admin)
    for _ in range(3):
        sign_in(Visitor(clinic.app), admin)
    clinic.run_jobs("send_mail")
    before = len(clinic.mail)
    assert sign_in(nobody, admin).location == "/login/code"
    clinic.run_jobs("send_mail")
    assert len(clinic.mail) == before
    page = words(nobody.get("/login/code"))
    assert "3 codes were asked for" in page and "We have sent a six-digit code" not in page
    assert nobody.post("/login/code", {"code": recovery}).location == "/admin/"


@pytest.mark.both_databases
def test_an_authenticator_app_works_and_no_code_is_mailed_to_a_doctor(
    clinic: Clinic, nobody: Visitor
) -> None:
    doctor = clinic.person("doctor")
    secret = with_app(doctor)
    clinic.run_jobs("send_mail")
    before = len(clinic.mail)
    assert sign_in(nobody, doctor).location == "/login/code"
    clinic.run_jobs("send_mail")
    assert len(clinic.mail) == before
    page = words(nobody.get("/login/code"))
    assert "authenticator app" in page and "We have sent" not in page
    digits = pyotp.TOTP(secret).now()
    assert nobody.post("/login/code", {"code": f"{digits[:3]} {digits[3:]}"}).location == "/doctor/"
    # The same six digits open nothing a second time.
    other = Visitor(clinic.app)
    sign_in(other, doctor)
    assert other.post("/login/code", {"code": digits}).status_code == 422


@pytest.mark.both_databases
def test_a_recovery_code_lets_in_when_mail_and_phone_fail(clinic: Clinic, nobody: Visitor) -> None:
    admin = clinic.person("admin")
    with transaction():
        (first, *_) = new_recovery_codes(admin)
    sign_in(nobody, admin)
    answer = nobody.post("/login/code", {"code": "0000-0000-0000-0000"})
    assert answer.status_code == 422
    field = soup(answer).select_one("#recovery-code")
    assert field and field["aria-invalid"] == "true" and field["value"] == "0000-0000-0000-0000"
    assert soup(answer).select_one("details[open] #recovery-code")
    assert nobody.post("/login/code", {"code": first.upper()}).location == "/admin/"


def test_nonsense_instead_of_a_code_is_answered_beside_the_field(clinic: Clinic, nobody: Visitor) -> None:
    """One of each sort; all others of tests/odd_values.py are tried in test_codes.py."""
    admin = clinic.person("admin")
    with_app(admin)
    sign_in(nobody, admin)
    for code in ("", "12345é", "\0"):
        answer = nobody.post("/login/code", {"code": code})
        assert answer.status_code == 422 and soup(answer).select_one(".field__error"), code


def test_an_expired_code_is_called_expired(
    clinic: Clinic, nobody: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(nobody, clinic.person("admin"))
    code = mailed_code(clinic)
    monkeypatch.setattr("csss.auth.second_factor.now", lambda: now() + timedelta(minutes=10, seconds=1))
    answer = nobody.post("/login/code", {"code": code})
    assert answer.status_code == 422 and "has expired" in words(answer)


def test_without_the_password_there_is_no_second_step(nobody: Visitor) -> None:
    assert nobody.get("/login/code").location == "/login"
    assert nobody.post("/login/code", {"code": "123456"}).location == "/login"
    assert nobody.post("/login/code/send").location == "/login"


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
