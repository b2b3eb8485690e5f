"""Signing in and out, registering, confirming an address: what people see and what the cookie is worth."""

import re
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from csss.audit.models import AuditEvent
from csss.auth import authenticator_app
from csss.auth.models import UserSession
from csss.auth.second_factor import new_recovery_codes
from csss.clock import now
from csss.database import db, transaction
from csss.people.models import AccountState, Patient, User
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor, soup, words

PATIENT = {
    "name": "Kavya Raman",
    "email": "kavya@csss.example",
    "password": "a long enough one",
    "role": "patient",
    "date_of_birth": "1991-04-17",
    "sex": "female",
    "phone": "+91 44 5550 0100",
}


def sign_in(visitor: Visitor, user: User, **more: str) -> TestResponse:
    user = db.session.merge(user, load=True)  # it may have been read for an earlier request
    return visitor.post("/login", {"email": user.email, "password": PASSWORD, **more})


def mailed_code(clinic: Clinic) -> str:
    clinic.run_jobs("send_mail")
    (code,) = re.findall(r"\b\d{6}\b", clinic.mail[-1].get_content())
    return str(code)


def with_app(user: User) -> str:
    """Set an authenticator app up for this person; returns its secret."""
    secret = authenticator_app.new_totp_secret()
    with transaction():
        authenticator_app.confirm_totp(user, secret, pyotp.TOTP(secret).now())
        user.totp_last_step = None  # so that the test may use the current step again
    return secret


# The start page


def test_a_visitor_reads_what_this_is_and_finds_the_way_in(nobody: Visitor) -> None:
    page = nobody.page("/")
    assert "Hospital of the Tests" in page.main.get_text()  # type: ignore[union-attr]
    assert {"/login", "/register"} <= {link["href"] for link in page.select("main a")}


@pytest.mark.parametrize("role", ["patient", "doctor", "pharmacist", "admin"])
def test_the_start_page_is_the_queue_of_who_is_signed_in(clinic: Clinic, role: str) -> None:
    answer = clinic.visitor(clinic.person(role)).get("/")
    assert (answer.status_code, answer.location) == (302, f"/{role}/")


@pytest.mark.parametrize("address", ["/", "/login", "/register"])
def test_the_page_and_its_fragment_have_one_address(nobody: Visitor, address: str) -> None:
    page, fragment = nobody.get(address), nobody.fragment(address)
    assert "HX-Request" in page.vary and "HX-Request" in fragment.vary
    assert soup(fragment).html is None
    (root,) = soup(fragment).find_all(recursive=False)
    assert soup(page).select_one(f"main #{root['id']}")


# Signing in and out


@pytest.mark.parametrize("role", ["patient", "doctor", "pharmacist"])
def test_with_address_and_password_people_come_to_their_queue(
    clinic: Clinic, nobody: Visitor, role: str
) -> None:
    answer = sign_in(nobody, clinic.person(role))
    assert (answer.status_code, answer.location) == (303, f"/{role}/")
    assert nobody.get("/").location == f"/{role}/"


def test_the_address_may_be_typed_in_capitals_and_with_blanks(clinic: Clinic, nobody: Visitor) -> None:
    user = clinic.person("doctor")
    answer = nobody.post("/login", {"email": f" {user.email.upper()} ", "password": PASSWORD})
    assert answer.status_code == 303


@pytest.mark.parametrize("email", ["patient1@csss.example", "unknown@csss.example", "", "no address\0"])
def test_a_wrong_password_or_an_unknown_address_get_one_sentence(
    clinic: Clinic, nobody: Visitor, email: str
) -> None:
    clinic.person("patient")
    answer = nobody.post("/login", {"email": email, "password": "wrong password"})
    assert answer.status_code == 401
    assert "The e-mail address or the password is not right." in words(answer)
    page = soup(answer)
    assert page.select_one("input[name=email]").get("value", "") == email.strip("\0")  # type: ignore[union-attr]
    assert not page.select_one("input[name=password]").get("value")  # type: ignore[union-attr]
    assert db.session.scalars(select(AuditEvent).where(AuditEvent.action == "session.refused")).one()


def test_what_was_typed_comes_back_as_text(nobody: Visitor) -> None:
    answer = nobody.post("/login", {"email": '"><script>alert(1)</script>', "password": "x"})
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (AccountState.WAITING, "waits for an administrator"),
        (AccountState.REFUSED, "not approved"),
        (AccountState.DEACTIVATED, "deactivated"),
    ],
)
def test_a_shut_account_is_told_so_after_the_right_password_only(
    clinic: Clinic, nobody: Visitor, state: AccountState, part: str
) -> None:
    user = clinic.person("doctor")
    with transaction():
        user.state = state
    email = user.email
    answer = sign_in(nobody, user)
    assert answer.status_code == 403 and part in words(answer)
    assert nobody.get("/doctor/").status_code == 302
    assert nobody.post("/login", {"email": email, "password": "wrong"}).status_code == 401


def test_signing_in_leads_on_to_the_page_that_was_asked_for(clinic: Clinic, nobody: Visitor) -> None:
    user = clinic.person("patient")
    asked = nobody.get("/account?a=1&b=2")
    assert asked.status_code == 302
    form = nobody.page(asked.location)
    target = form.select_one("input[name=next]")
    assert target and target["value"] == "/account?a=1&b=2"
    assert sign_in(nobody, user, next=str(target["value"])).location == "/account?a=1&b=2"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil",
        "/doctor/",  # not open to a patient
        "/logout",  # nothing to be read there
        "/no-such-page",
    ],
)
def test_signing_in_never_leads_elsewhere(clinic: Clinic, nobody: Visitor, target: str) -> None:
    assert sign_in(nobody, clinic.person("patient"), next=target).location == "/patient/"


def test_an_address_in_any_script_leads_on_with_htmx_too(clinic: Clinic, nobody: Visitor) -> None:
    """A header holds Latin-1 at most: a server would answer with its own 500 instead of sending this one."""
    user = clinic.person("patient")
    data = {"email": user.email, "password": PASSWORD, "next": "/account?q=\u20ac\u00e9%20"}
    answer = nobody.post("/login", data, htmx=True)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/account?q=%E2%82%AC%C3%A9%20")


def test_who_is_signed_in_is_sent_home_from_the_sign_in_page(doctor: Visitor) -> None:
    assert doctor.get("/login").location == "/doctor/"
    assert doctor.get("/login/code").location == "/doctor/"
    assert doctor.get("/register").location == "/doctor/"


def test_signing_out_ends_the_session_and_not_only_the_cookie(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(nobody, clinic.person("doctor"))
    copied = nobody.client.get_cookie("csss")
    answer = nobody.post("/logout")
    assert (answer.status_code, answer.location) == (303, "/")
    assert copied is not None
    nobody.client.set_cookie("csss", copied.value)
    assert nobody.get("/account").location == "/login?next=/account"


def test_signing_out_without_being_signed_in_is_harmless(nobody: Visitor) -> None:
    assert nobody.post("/logout").status_code == 303


def test_a_form_without_its_token_is_refused(clinic: Clinic, nobody: Visitor) -> None:
    user = clinic.person("doctor")
    answer = nobody.client.post("/login", data={"email": user.email, "password": PASSWORD})
    assert answer.status_code == 400


# The second factor


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


@pytest.mark.parametrize("code", ["", "  ", "abc", "٠١٢٣٤٥", "12345é", "1" * 500, "\0"])
def test_nonsense_instead_of_a_code_is_answered_beside_the_field(
    clinic: Clinic, nobody: Visitor, code: str
) -> None:
    admin = clinic.person("admin")
    with_app(admin)
    sign_in(nobody, admin)
    answer = nobody.post("/login/code", {"code": code})
    assert answer.status_code == 422 and soup(answer).select_one(".field__error")


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


# Registering


@pytest.mark.both_databases
def test_a_patient_registers_and_signs_in_at_once(clinic: Clinic, nobody: Visitor) -> None:
    answer = nobody.post("/register", PATIENT)
    assert (answer.status_code, answer.location) == (303, "/login")
    assert "confirm your e-mail address" in words(nobody.get("/login"))
    record = db.session.scalars(select(Patient)).one()
    assert (record.user.name, record.phone) == ("Kavya Raman", "+91 44 5550 0100")
    assert record.date_of_birth.isoformat() == "1991-04-17" and record.sex.value == "female"
    answer = nobody.post("/login", {"email": PATIENT["email"], "password": PATIENT["password"]})
    assert answer.location == "/patient/"


@pytest.mark.parametrize("role", ["doctor", "pharmacist", "admin"])
def test_staff_wait_for_an_administrator(clinic: Clinic, nobody: Visitor, role: str) -> None:
    fields = {"name": "A. Person", "email": "staff@csss.example", "password": PATIENT["password"]}
    answer = nobody.post("/register", {**fields, "role": role, "date_of_birth": "", "sex": "", "phone": ""})
    assert answer.status_code == 303
    assert "administrator's approval" in words(nobody.get("/login"))
    assert nobody.post("/login", fields).status_code == 403


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "  ", "Enter the name."),
        ("name", "x" * 121, "at most 120 characters"),
        ("email", "", "Enter the e-mail address."),
        ("email", "not an address", "not an e-mail address"),
        ("password", "too short", "at least 12 characters"),
        ("password", "x" * 129, "at most 128 characters"),
        ("role", "wizard", "Choose one of the four."),
        ("date_of_birth", "", "Enter the date of birth."),
        ("date_of_birth", "17/04/1991", "Enter a date as year-month-day"),
        ("date_of_birth", "1991-02-30", "Enter a date as year-month-day"),
        ("date_of_birth", "0191-02-03", "Check the year of birth."),
        ("sex", "", "Choose one"),
        ("phone", "call me", "A phone number has"),
    ],
)
def test_a_mistake_is_shown_beside_its_field_and_the_rest_is_kept(
    nobody: Visitor, field: str, value: str, sentence: str
) -> None:
    answer = nobody.post("/register", {**PATIENT, field: value})
    assert answer.status_code == 422
    page = soup(answer)
    errors = [error.get_text() for error in page.select(".field__error")]
    assert len(errors) == 1 and sentence in errors[0]
    kept = "email" if field == "name" else "name"
    assert page.select_one(f"input[name={kept}]")["value"] == PATIENT[kept]  # type: ignore[index]
    assert not page.select_one("input[name=password]").get("value")  # type: ignore[union-attr]
    assert db.session.scalars(select(User)).all() == []


def test_a_date_of_birth_in_the_future_is_refused(nobody: Visitor) -> None:
    tomorrow = (now() + timedelta(days=2)).date().isoformat()
    answer = nobody.post("/register", {**PATIENT, "date_of_birth": tomorrow})
    assert answer.status_code == 422 and "lies in the future" in words(answer)


def test_all_mistakes_are_told_at_once(nobody: Visitor) -> None:
    answer = nobody.post("/register", {"role": "patient"})
    assert answer.status_code == 422
    assert len(soup(answer).select(".field__error")) == 5


@pytest.mark.both_databases
def test_an_address_is_taken_once(clinic: Clinic, nobody: Visitor) -> None:
    nobody.post("/register", PATIENT)
    nobody.post("/register", {**PATIENT, "email": PATIENT["email"].upper(), "name": "Somebody Else"})
    assert db.session.scalars(select(User)).one().name == PATIENT["name"]


@pytest.mark.both_databases
def test_two_who_take_the_same_address_at_once_get_one_account(
    clinic: Clinic, nobody: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody.post("/register", PATIENT)
    monkeypatch.setattr("csss.auth.accounts.by_email", lambda email: None)  # looked before the other's commit
    assert nobody.post("/register", PATIENT).status_code == 303
    assert len(db.session.scalars(select(User)).all()) == 1


# Confirming the address


def link_of(clinic: Clinic) -> str:
    clinic.run_jobs("send_mail")
    (link,) = re.findall(r"http://127\.0\.0\.1:8000(/confirm/\S+)", clinic.mail[-1].get_content())
    return str(link)


def test_the_link_confirms_only_after_the_button(clinic: Clinic, nobody: Visitor) -> None:
    nobody.post("/register", PATIENT)
    link = link_of(clinic)
    assert PATIENT["email"] in words(nobody.get(link))
    assert db.session.scalars(select(User)).one().email_confirmed_at is None
    answer = nobody.post(link)
    assert (answer.status_code, answer.location) == (303, "/login")
    assert db.session.scalars(select(User)).one().email_confirmed_at is not None
    assert "is confirmed" in words(nobody.get("/login"))
    # Again is no harm.
    assert "confirmed already" in words(nobody.get(link))
    assert nobody.post(link).status_code == 303


def test_a_link_that_is_not_ours_or_too_old_says_how_to_get_another(
    clinic: Clinic, nobody: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody.post("/register", PATIENT)
    link = link_of(clinic)
    monkeypatch.setattr("csss.auth.accounts.CONFIRMATION_LIFE", timedelta(seconds=-1))
    for address in (link, link[:-3], "/confirm/x"):
        for answer in (nobody.get(address), nobody.post(address)):
            assert answer.status_code == 404 and "Send the confirmation link again" in words(answer)
    assert db.session.scalars(select(User)).one().email_confirmed_at is None
