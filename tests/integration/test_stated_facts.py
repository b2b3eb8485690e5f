"""What a patient tells the pharmacist: asked after the upload, all optional, used by the warnings."""

import uuid
from datetime import date

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.clock import now
from csss.database import db, transaction
from csss.prescriptions import services as prescriptions
from csss.prescriptions import stated_facts
from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.pages import fresh
from tests.integration.pharmacist import AMOXICILLIN, url, value
from tests.visitor import Visitor, soup, words

ANSWERS = {
    "weight": "18,5 kg",
    "pregnancy": "",
    "kidney": "disease",
    "egfr": "28",
    "medicines": "Warfarin 5 mg, Ramipril\nvitamin C",
    "allergies": "Penicillin",
}


def about(scan_id: uuid.UUID) -> str:
    return f"/patient/scans/{scan_id}/about"


@pytest.mark.both_databases
def test_a_patient_answers_and_the_pharmacist_is_warned(
    patient: Visitor, pharmacist: Visitor, admin: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, patient=patient.user).id
    page = soup(patient.get(f"/patient/scans/{scan_id}"))
    assert page.select_one(f"a[href='{about(scan_id)}']") is not None
    form = soup(patient.get(about(scan_id)))
    assert form.select_one("form .buttons a")["href"] == f"/patient/scans/{scan_id}"  # Skip, at one press
    assert patient.post(about(scan_id), ANSWERS).status_code == 303
    known = stated_facts.known(fresh(scan_id))
    assert (known.weight_grams, known.kidney, known.egfr) == (18_500, "disease", 28)
    assert fresh(scan_id).patient.allergies == "Penicillin"
    (event,) = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "prescription.facts_stated"))
    assert event.detail == {"version": 1} and "arfarin" not in str(event.detail)
    # Saying the same again adds nothing.
    assert patient.post(about(scan_id), ANSWERS).status_code == 303
    assert stated_facts.newest(scan_id).version == 1

    told = words(pharmacist.get(url(scan_id)))
    assert "18.5 kg" in told and "eGFR 28" in told and "Warfarin 5 mg" in told
    ibuprofen = {**AMOXICILLIN, "drug": "Ibuprofen", "dose": "400 mg"}
    refused = words(pharmacist.post(url(scan_id, "complete"), ibuprofen)).replace("\xa0", " ")
    assert "Ibuprofen and Warfarin: Together they may cause severe bleeding." in refused
    assert "avoided below an eGFR of 30. The patient’s is 28." in refused
    reason = {"override_reason": "Agreed with the nephrologist"}
    assert pharmacist.post(url(scan_id, "complete"), {**ibuprofen, **reason}).status_code == 303
    seen = words(admin.get(f"/admin/scans/{scan_id}"))
    assert "severe bleeding" in seen and "Agreed with the nephrologist" in seen and "Source: list of" in seen
    # Then it is too late.
    late = patient.post(about(scan_id), {**ANSWERS, "weight": "20"})
    assert late.status_code == 409 and "nothing can be added any more" in words(late)


def test_the_pharmacist_completes_it_and_loses_no_line(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    typed = {**AMOXICILLIN, **ANSWERS, "keep_facts": "1"}
    page = soup(pharmacist.post(url(scan_id, "complete"), typed))
    assert value(page, "drug-0") == "Amoxicillin"
    assert "is one of the penicillins" in page.select_one("#note-0").get_text()
    assert stated_facts.known(fresh(scan_id)).weight_grams == 18_500
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED
    # Sent with the prescription it is kept, too.
    sent = {**AMOXICILLIN, **ANSWERS, "weight": "19", "override_reason": "Tolerated before"}
    assert pharmacist.post(url(scan_id, "complete"), sent).status_code == 303
    assert stated_facts.newest(scan_id).version == 2
    assert len(prescriptions.versions(fresh(scan_id))) == 1


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("weight", "heavy", "Write the weight in kilograms"),
        ("weight", "-70", "Write the weight in kilograms"),
        ("weight", "7000", "Write the weight in kilograms"),
        ("weight", "70²", "Write the weight in kilograms"),
        ("egfr", "0", "a whole number from 1 to 200"),
        ("egfr", "good", "a whole number from 1 to 200"),
        ("pregnancy", "sometimes", "Choose one of the answers."),
        ("kidney", "three", "Choose one of the answers."),
        ("medicines", "x" * 2001, "2,000"),
    ],
)
def test_what_cannot_be_is_told_beside_the_field_and_nothing_is_lost(
    patient: Visitor, clinic: Clinic, field: str, typed: str, sentence: str
) -> None:
    scan_id = clinic.scan(Status.PENDING_AI, patient=patient.user).id
    refused = patient.post(about(scan_id), {**ANSWERS, field: typed})
    assert refused.status_code == 422
    page = soup(refused)
    assert sentence in page.select_one(f"#{field}-error").get_text()
    assert page.select_one("#allergies").get_text().strip() == "Penicillin"
    assert stated_facts.newest(scan_id) is None


def test_warfarin_by_the_gram_for_a_child_does_not_go_through_without_a_word(
    pharmacist: Visitor, admin: Visitor, clinic: Clinic
) -> None:

    child = clinic.person("patient")
    with transaction():
        child.patient.date_of_birth = date(now().year - 5, 1, 1)
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, patient=child).id
    warfarin = {**AMOXICILLIN, "drug": "Warfarin", "dose": "5000 mg", "frequency": "ten times a day"}
    refused = words(pharmacist.post(url(scan_id, "complete"), warfarin)).replace("\xa0", " ")
    assert "This comes to 50 g a day." in refused
    assert "The formulary has no dose of Warfarin for people under 18." in refused
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED
    assert (
        pharmacist.post(url(scan_id, "complete"), {**warfarin, "override_reason": "Why not"}).status_code
        == 303
    )
    seen = words(admin.get(f"/admin/scans/{scan_id}")).replace("\xa0", " ")
    assert "50 g a day" in seen and "Given all the same: Why not" in seen
    (event,) = db.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "prescription.warning_overridden")
    )
    assert event.detail == {"line": 1, "kinds": ["day_high", "age"]}


def shown(page: BeautifulSoup) -> dict[str, str]:
    """The facts that an open form would send."""
    fields = {each["name"]: each.get_text().strip() for each in page.select("#medicines, #allergies")}
    hidden = page.select_one("[name=facts_shown]")
    return {"weight": value(page, "weight"), "facts_shown": hidden["value"], **fields}


def test_an_open_form_takes_back_nothing_that_the_patient_says_meanwhile(
    patient: Visitor, pharmacist: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, patient=patient.user).id
    opened = shown(pharmacist.page(url(scan_id)))
    assert patient.post(about(scan_id), {"weight": "", "allergies": "Penicillin"}).status_code == 303
    typed = {**AMOXICILLIN, **opened, "weight": "72"}
    refused = pharmacist.post(url(scan_id, "complete"), typed)
    assert refused.status_code == 422
    page = soup(refused)
    assert page.select_one("#allergies").get_text().strip() == "Penicillin"
    assert value(page, "weight") == "72"
    assert page.select_one("#override_reason-0-error") is not None
    assert fresh(scan_id).patient.allergies == "Penicillin"
    again = {**AMOXICILLIN, **shown(page), "override_reason": "Tolerated in March."}
    assert pharmacist.post(url(scan_id, "complete"), again).status_code == 303
    known = stated_facts.known(fresh(scan_id))
    assert (known.weight_grams, known.allergies) == (72_000, "Penicillin")


def test_what_both_have_changed_is_asked_about(patient: Visitor, pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, patient=patient.user).id
    opened = shown(patient.page(about(scan_id)))
    facts = {**shown(pharmacist.page(url(scan_id))), "allergies": "Latex", "keep_facts": "1"}
    assert pharmacist.post(url(scan_id, "complete"), facts).status_code == 200
    mine = {**opened, "allergies": "Penicillin"}
    refused = patient.post(about(scan_id), mine)
    assert refused.status_code == 422
    page = soup(refused)
    assert "“Latex”" in words(page.select_one("#allergies-error"))
    assert page.select_one("#allergies").get_text().strip() == "Penicillin"
    both = {**shown(page), "allergies": "Latex, penicillin"}
    assert patient.post(about(scan_id), both).status_code == 303
    assert fresh(scan_id).patient.allergies == "Latex, penicillin"


def test_an_open_account_page_takes_back_nothing_that_the_pharmacist_writes_meanwhile(
    patient: Visitor, pharmacist: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, patient=patient.user).id
    form = patient.page("/account").select_one("form:has([value=profile])")
    opened = {each["name"]: each.get("value", "") for each in form.select("input")}
    facts = {**shown(pharmacist.page(url(scan_id))), "allergies": "Penicillin", "keep_facts": "1"}
    assert pharmacist.post(url(scan_id, "complete"), facts).status_code == 200
    del opened["csrf_token"]
    typed = {**opened, "address": "", "allergies": "", "phone": "+91 44 5550 0111"}
    assert patient.post("/account", typed).status_code == 303
    kept = fresh(scan_id).patient
    assert (kept.phone, kept.allergies) == ("+91 44 5550 0111", "Penicillin")
    again = {**typed, "shown": "{}"}  # somebody who means it
    assert patient.post("/account", again).status_code == 303
    assert fresh(scan_id).patient.allergies == ""
