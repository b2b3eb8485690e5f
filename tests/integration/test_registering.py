"""Registering and confirming an address."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from csss.clock import now
from csss.database import db
from csss.people.models import Patient, User
from tests.factories import Clinic
from tests.integration.signing_in import PATIENT
from tests.visitor import Visitor, soup, words

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
    assert answer.status_code == 422 and "is in the future" in words(answer)


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
