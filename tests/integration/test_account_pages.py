"""The own account: details, pass phrase, password, second step, sessions."""

import re
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.auth import passphrases, second_factor
from csss.auth.models import UserSession
from csss.clock import now
from csss.database import db, transaction
from csss.web.account.presenters import device_words
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor, soup, words

DETAILS = {
    "name": "Kavya Subramanian",
    "phone": "+91 44 5550 0199",
    "address": "12 Temple Road\r\nChennai",
    "blood_group": "AB-",
    "allergies": "Penicillin",
    "emergency_contact_name": "Arjun S.",
    "emergency_contact_phone": "044-555-0101",
}
NEW_PASSWORD = "another long password"


def flashed(visitor: Visitor) -> str:
    page = visitor.page("/account")
    return page.select_one("#messages").get_text(" ", strip=True)  # type: ignore[union-attr]


def set_up_app(visitor: Visitor) -> str:
    """Go through the setting up in the pages; returns the app's secret."""
    page = visitor.page("/account/authenticator")
    secret = page.select_one(".setup-key").get_text().replace(" ", "")  # type: ignore[union-attr]
    token = page.select_one("input[name=set_up]")["value"]  # type: ignore[index]
    given = {"set_up": token, "code": pyotp.TOTP(secret).now(), "current_password": PASSWORD}
    answer = visitor.post("/account/authenticator", given)
    assert answer.status_code == 303
    return secret


# The page


@pytest.mark.parametrize("role", ["patient", "doctor", "pharmacist", "admin"])
def test_everybody_has_an_account_page_and_its_fragment(clinic: Clinic, role: str) -> None:
    visitor = clinic.visitor(clinic.person(role))
    page, fragment = visitor.get("/account"), visitor.fragment("/account")
    assert page.status_code == 200 and "HX-Request" in page.vary and "HX-Request" in fragment.vary
    assert soup(fragment).html is None
    (root,) = soup(fragment).find_all(recursive=False)
    assert root["id"] == "account"
    patients_only = soup(page).select("#passphrase, input[name=phone], textarea[name=allergies]")
    assert bool(patients_only) is (role == "patient")


def test_nobody_has_none(nobody: Visitor) -> None:
    assert nobody.get("/account").location == "/login?next=/account"
    assert nobody.post("/account", {"name": "X"}).location == "/login"


def test_what_people_typed_is_shown_as_text(patient: Visitor) -> None:
    patient.post("/account", {"name": "<script>x</script>", "allergies": "</textarea><b>{{7*7}}"})
    page = patient.get("/account").text
    assert "<script>x" not in page and "<b>" not in page and "{{7*7}}" in page


# Details


@pytest.mark.both_databases
def test_a_patient_changes_the_own_details(patient: Visitor) -> None:
    answer = patient.post("/account", {"section": "profile", **DETAILS})
    assert (answer.status_code, answer.location) == (303, "/account#profile")
    record = patient.user.patient
    assert record is not None and patient.user.name == DETAILS["name"]
    assert (record.phone, record.address) == (DETAILS["phone"], "12 Temple Road\nChennai")
    assert (record.blood_group, record.allergies) == ("AB-", "Penicillin")
    assert record.emergency_contact_name == "Arjun S."
    assert record.emergency_contact_phone == "044-555-0101"
    assert "saved" in flashed(patient)
    kept = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "account.profile_changed")).one()
    assert "Penicillin" not in str(kept.detail)


def test_only_what_is_sent_is_changed(patient: Visitor) -> None:
    patient.post("/account", DETAILS)
    assert patient.post("/account", {"phone": ""}).status_code == 303
    record = patient.user.patient
    assert record is not None and (record.phone, record.allergies) == ("", "Penicillin")
    assert patient.user.name == DETAILS["name"]


def test_details_and_pass_phrase_may_come_together(patient: Visitor) -> None:
    together = {"name": "New Name", "report_passphrase": "open my report", "current_password": PASSWORD}
    answer = patient.post("/account", together)
    assert answer.status_code == 303 and patient.user.name == "New Name"
    assert patient.user.patient is not None
    assert passphrases.report_passphrase(patient.user.patient) == "open my report"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "  ", "Enter the name."),
        ("name", "x" * 121, "At most 120 characters"),
        ("phone", "call me", "A phone number has"),
        ("blood_group", "Q+", "Not a valid choice"),
        ("allergies", "x" * 2001, "At most 2000 characters"),
        ("report_passphrase", "short", "needs 8 to 100 characters"),
    ],
)
def test_a_mistake_changes_nothing_and_keeps_what_was_typed(
    patient: Visitor, field: str, value: str, sentence: str
) -> None:
    before = patient.user.name
    typed = {"name": "Another Name", "emergency_contact_name": "Typed", field: value}
    if field == "report_passphrase":
        typed["current_password"] = PASSWORD
    answer = patient.post("/account", typed)
    assert answer.status_code == 422 and sentence in words(answer)
    (error,) = soup(answer).select(".field__error")
    assert sentence in error.get_text()
    page = soup(answer)
    assert page.select_one("input[name=emergency_contact_name]")["value"] == "Typed"  # type: ignore[index]
    assert patient.user.name == before


def test_staff_change_their_name_and_nothing_of_a_patient(doctor: Visitor) -> None:
    answer = doctor.post("/account", {"name": "Dr. New", "phone": "123456", "report_passphrase": "a b c d e"})
    assert answer.status_code == 303 and doctor.user.name == "Dr. New" and doctor.user.patient is None


def test_role_address_and_number_cannot_be_changed_here(patient: Visitor) -> None:
    user = patient.user
    before = (user.role, user.email, user.patient and user.patient.mrn, user.state)
    patient.post(
        "/account", {"role": "admin", "email": "x@y.example", "mrn": "1", "state": "active", **DETAILS}
    )
    user = patient.user
    assert (user.role, user.email, user.patient and user.patient.mrn, user.state) == before


def test_the_pass_phrase_is_never_shown_and_can_be_removed(patient: Visitor) -> None:
    mine = {"current_password": PASSWORD}
    patient.post("/account", {"section": "passphrase", "report_passphrase": "open my report", **mine})
    page = patient.get("/account")
    assert "open my report" not in page.text and soup(page).select("form[action$='/passphrase/remove']")
    assert patient.post("/account/passphrase/remove", mine).status_code == 303
    assert patient.user.patient and patient.user.patient.report_passphrase is None


def test_an_empty_pass_phrase_is_a_mistake_in_its_own_form_only(patient: Visitor) -> None:
    answer = patient.post("/account", {"section": "passphrase", "report_passphrase": " "})
    assert answer.status_code == 422 and "Enter the pass phrase." in words(answer)
    assert patient.post("/account", {"name": "N", "report_passphrase": ""}).status_code == 303


# Password


@pytest.mark.both_databases
def test_a_new_password_ends_the_other_sessions(clinic: Clinic, nobody: Visitor) -> None:
    user = clinic.person("doctor")
    email = user.email
    here, elsewhere = clinic.visitor(user), clinic.visitor(user)
    answer = here.post(
        "/account", {"section": "password", "current_password": PASSWORD, "new_password": NEW_PASSWORD}
    )
    assert (answer.status_code, answer.location) == (303, "/account#password")
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    assert nobody.post("/login", {"email": email, "password": PASSWORD}).status_code == 401
    assert nobody.post("/login", {"email": email, "password": NEW_PASSWORD}).status_code == 303


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("wrong", NEW_PASSWORD, "current_password"),
        ("", NEW_PASSWORD, "current_password"),
        (PASSWORD, "short", "new_password"),
        (PASSWORD, "x" * 129, "new_password"),
    ],
)
def test_a_password_needs_the_current_one_and_the_right_length(
    doctor: Visitor, current: str, new: str, field: str
) -> None:
    before = doctor.user.password_hash
    answer = doctor.post("/account", {"current_password": current, "new_password": new})
    assert answer.status_code == 422
    assert soup(answer).select_one(f"#{field}[aria-invalid=true]")
    assert doctor.user.password_hash == before
    assert NEW_PASSWORD not in answer.text


# The e-mail address


@pytest.mark.both_databases
def test_the_confirmation_link_can_be_sent_again_a_few_times(clinic: Clinic) -> None:
    visitor = clinic.visitor(clinic.person("patient", confirmed=False))
    assert soup(visitor.get("/account")).select("form[action$='/confirmation']")
    for _ in range(2):
        answer = visitor.post("/account/confirmation")
        assert (answer.status_code, answer.location) == (303, "/account#email")
    answer = visitor.post("/account/confirmation")
    assert answer.status_code == 429 and "3 links have been sent" in words(answer)
    clinic.run_jobs("send_mail")
    assert len([mail for mail in clinic.mail if "Confirm" in mail["Subject"]]) == 3
    (link,) = re.findall(r":8000(/confirm/\S+)", clinic.mail[-1].get_content())
    answer = visitor.post(link)
    assert answer.location == "/account"
    page = words(visitor.get("/account"))
    assert "Confirmed on" in page and "Send the confirmation link again" not in page
    assert visitor.post("/account/confirmation").status_code == 409


# Authenticator app and recovery codes


def test_an_authenticator_app_is_set_up_from_the_picture_or_the_key(clinic: Clinic) -> None:
    visitor = clinic.visitor(clinic.person("doctor"))
    page = visitor.page("/account/authenticator")
    assert page.select_one("svg.qr-code path") and not page.select("[style], [src^='data:']")
    assert visitor.user.totp_secret is None  # nothing is kept before the first code
    secret = set_up_app(visitor)
    user = visitor.user
    assert user.totp_confirmed_at is not None and user.totp_secret and secret not in user.totp_secret
    assert "set up" in flashed(visitor)
    assert visitor.get("/account/authenticator").location == "/account#second-step"
    assert visitor.post("/account/authenticator", {"code": "123456"}).status_code == 409


@pytest.mark.parametrize("code", ["", "000000", "abcdef", "12345é"])
def test_a_wrong_first_code_keeps_the_same_key(doctor: Visitor, code: str) -> None:
    page = doctor.page("/account/authenticator")
    token = page.select_one("input[name=set_up]")["value"]  # type: ignore[index]
    answer = doctor.post(
        "/account/authenticator", {"set_up": token, "code": code, "current_password": PASSWORD}
    )
    assert answer.status_code == 422 and soup(answer).select_one("#code[aria-invalid=true]")
    key = page.select_one(".setup-key").get_text()  # type: ignore[union-attr]
    assert soup(answer).select_one(".setup-key").get_text() == key  # type: ignore[union-attr]
    assert doctor.user.totp_secret is None


def test_a_key_of_somebody_else_or_of_yesterday_is_not_taken(
    clinic: Clinic, doctor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = clinic.visitor(clinic.person("pharmacist")).page("/account/authenticator")
    own = doctor.page("/account/authenticator")

    def answer_to(page, token=None):  # type: ignore[no-untyped-def]
        secret = page.select_one(".setup-key").get_text().replace(" ", "")
        token = token or page.select_one("input[name=set_up]")["value"]
        given = {"set_up": token, "code": pyotp.TOTP(secret).now(), "current_password": PASSWORD}
        return doctor.post("/account/authenticator", given)

    assert answer_to(other).status_code == 422
    assert answer_to(own, token="forged").status_code == 422
    monkeypatch.setattr("csss.web.account.second_step.now", lambda: now() + timedelta(minutes=31))
    assert answer_to(own).status_code == 422
    assert doctor.user.totp_secret is None


@pytest.mark.both_databases
def test_the_app_is_removed_with_a_code_from_it(doctor: Visitor) -> None:
    secret = set_up_app(doctor)
    answer = doctor.post("/account/authenticator/remove", {"code": "000000"})
    assert answer.status_code == 422 and soup(answer).select_one(
        "details[open] #remove-code[aria-invalid=true]"
    )
    with transaction():
        doctor.user.totp_last_step = None
    answer = doctor.post("/account/authenticator/remove", {"code": pyotp.TOTP(secret).now()})
    assert (answer.status_code, answer.location) == (303, "/account#second-step")
    assert doctor.user.totp_secret is None and not doctor.user.needs_second_factor
    assert doctor.post("/account/authenticator/remove", {"code": "000000"}).status_code == 409


def test_an_empty_field_is_no_code_and_without_an_app_nothing_is_asked(doctor: Visitor) -> None:
    assert doctor.post("/account/authenticator/remove", {"code": " "}).status_code == 409
    set_up_app(doctor)
    for sent in ({"code": " "}, {}):
        answer = doctor.post("/account/authenticator/remove", sent)
        assert answer.status_code == 422 and "Enter a code." in words(answer)
    assert doctor.user.totp_secret


@pytest.mark.both_databases
def test_guessing_at_an_open_screen_ends_the_session(doctor: Visitor) -> None:
    set_up_app(doctor)
    for _ in range(9):
        assert doctor.post("/account/authenticator/remove", {"code": "000000"}).status_code == 422
    assert doctor.post("/account/authenticator/remove", {"code": "000000"}).location == "/login"
    assert doctor.get("/account").status_code == 302


def test_ten_recovery_codes_are_shown_once(admin: Visitor) -> None:
    assert "You have none" in words(admin.get("/account"))
    answer = admin.post("/account/recovery-codes", {"current_password": PASSWORD})
    codes = [code.get_text() for code in soup(answer).select(".recovery-codes code")]
    assert answer.status_code == 200 and len(set(codes)) == 10
    assert answer.headers["Cache-Control"] == "no-store"
    assert "10 are left" in words(admin.get("/account"))
    assert admin.get("/account/recovery-codes").location == "/account#second-step"
    assert not any(code in admin.get("/account").text for code in codes)
    admin.post("/account/recovery-codes", {"current_password": PASSWORD})
    assert second_factor.recovery_codes_left(admin.user) == 10


# Sessions


def test_the_own_sessions_are_listed_and_can_be_ended(clinic: Clinic) -> None:
    user = clinic.person("patient")
    here, there = clinic.visitor(user), clinic.visitor(user)
    table = here.page("/account").select("#sessions tbody tr")
    assert len(table) == 2 and "This device" in table[0].get_text() and "ago" in table[1].get_text()
    address = table[1].select_one("form")["action"]  # type: ignore[index]
    answer = here.post(str(address))
    assert (answer.status_code, answer.location) == (303, "/account#sessions")
    assert there.get("/account").status_code == 302 and here.get("/account").status_code == 200
    assert here.post(str(address)).status_code == 404  # it has ended


def test_ending_this_session_is_signing_out(patient: Visitor) -> None:
    (form,) = patient.page("/account").select("#sessions tbody form")
    answer = patient.post(str(form["action"]))
    assert answer.location == "/" and patient.get("/account").status_code == 302


def test_all_others_are_ended_at_once(clinic: Clinic) -> None:
    user = clinic.person("doctor")
    here, others = clinic.visitor(user), [clinic.visitor(user) for _ in range(3)]
    assert here.post("/account/sessions/end-others").status_code == 303
    assert [each.get("/account").status_code for each in others] == [302, 302, 302]
    assert here.get("/account").status_code == 200


def test_sessions_of_others_do_not_exist(clinic: Clinic, patient: Visitor, doctor: Visitor) -> None:
    theirs = db.session.scalars(select(UserSession.id).where(UserSession.user_id == doctor.user_id)).one()
    assert patient.post(f"/account/sessions/{theirs}/end").status_code == 404
    assert doctor.get("/account").status_code == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Windows",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
            "Chrome on Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari on an iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5.0", "An unknown program"),
        ("", "An unknown program"),
    ],
)
def test_a_device_is_named_so_that_its_owner_knows_it(header: str, expected: str) -> None:
    assert device_words(header) == expected
