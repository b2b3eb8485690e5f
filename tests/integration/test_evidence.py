"""Approving with the evidence in sight: what is approved stands beside the button, and is what was seen."""

import re
import uuid

import pytest
from bs4 import Tag

from csss.auth import accounts
from csss.database import db, transaction
from csss.people.models import User
from csss.scans.states import Status
from tests.factories import PASSWORD, Clinic
from tests.integration.administrator import code_from_mail, url
from tests.integration.pages import fresh
from tests.visitor import Visitor, soup, words

EMAIL = "asha@csss.example"


@pytest.fixture
def patient_id(clinic: Clinic) -> uuid.UUID:
    patient_id = clinic.person("patient", name="Asha Rao", email=EMAIL).id
    state_allergies(patient_id, "Penicillin: a rash")
    return patient_id


@pytest.fixture
def scan_id(clinic: Clinic, patient_id: uuid.UUID) -> uuid.UUID:
    patient = db.session.get_one(User, patient_id)
    return clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient, indication="Cough since May").id


def state_allergies(patient_id: uuid.UUID, allergies: str) -> None:
    with transaction():
        accounts.update_profile(db.session.get_one(User, patient_id), {"allergies": allergies})


def one_line(part: Tag | None) -> str:
    assert part is not None
    return " ".join(part.get_text(" ").split())


def correct_birth_date(admin: Visitor, patient_id: uuid.UUID) -> None:
    address = f"/admin/users/{patient_id}/details"
    seen = admin.page(address).select_one("#details-form [name=seen]")["value"]
    details = {"name": "Asha Rao", "email": EMAIL, "sex": "female", "date_of_birth": "1920-01-02"}
    reason = {"reason": "Identity card seen.", "current_password": PASSWORD, "seen": seen}
    assert admin.post(address, details | reason).status_code == 303


def seen_on(admin: Visitor, scan_id: uuid.UUID) -> dict[str, str]:
    return {"seen": admin.page(url(scan_id)).select_one("form[action$=approve] [name=seen]")["value"]}


def test_the_report_in_short_stands_before_the_button_and_at_each_report_of_a_batch(
    admin: Visitor, scan_id: uuid.UUID
) -> None:
    batch = admin.post("/admin/approvals", {"scan": [str(scan_id)]}).headers["Location"]
    short, each = (
        admin.page(url(scan_id)).select_one("#short"),
        admin.page(batch).select_one(".chosen__report"),
    )
    for part in (short, each):
        text = one_line(part)
        for what in (
            "Cough since May",
            "Normal chest",
            "Amoxicillin 500 mg, oral, three times a day, 5 days",
            "allergy",  # why a warning came
            "Asked for again.",  # and why it is given all the same
            "With food.",
            "Penicillin: a rash",
        ):
            assert what in text, what
        assert part.select_one(f"img[src^='/scans/{scan_id}/image']") is not None
    assert re.search(r"\d+ years, female", one_line(each))
    assert re.search(r"\d+ years, female", one_line(admin.page(url(scan_id)).select_one(".page-header")))


def test_a_report_that_was_opened_from_a_batch_leads_back_to_it(admin: Visitor, scan_id: uuid.UUID) -> None:
    batch = admin.post("/admin/approvals", {"scan": [str(scan_id)]}).headers["Location"]
    link = admin.page(batch).find("a", attrs={"aria-label": "Open the report of Asha Rao"})
    back = admin.page(link["href"]).select_one(".page-header__back a")
    assert back["href"] == f"{batch}#report-{scan_id}" and "The reports you have chosen" in back.get_text()


def test_another_persons_batch_is_no_way_back(admin: Visitor, clinic: Clinic, scan_id: uuid.UUID) -> None:
    batch = admin.post("/admin/approvals", {"scan": [str(scan_id)]}).headers["Location"].rpartition("/")[2]
    other = clinic.visitor(clinic.person("admin"))
    for named in (batch, "nonsense", ""):
        back = other.page(f"{url(scan_id)}?batch={named}").select_one(".page-header__back a")
        assert back["href"] == "/admin/"


def test_details_that_were_corrected_meanwhile_are_looked_at_again(
    admin: Visitor, clinic: Clinic, patient_id: uuid.UUID, scan_id: uuid.UUID
) -> None:
    seen = seen_on(admin, scan_id)
    admin.post(url(scan_id, "code"))
    code = code_from_mail(clinic)
    correct_birth_date(admin, patient_id)
    answer = admin.post(url(scan_id, "approve"), seen | {"code": code})
    assert answer.status_code == 409 and "details have been changed since you opened" in words(answer)
    assert fresh(scan_id).status is Status.PHARMACIST_COMPLETED
    assert "106 years" in words(answer), "the answer shows them"
    assert admin.post(url(scan_id, "approve"), seen_on(admin, scan_id) | {"code": code}).status_code == 303


def test_allergies_that_were_added_meanwhile_are_looked_at_again(
    admin: Visitor, patient_id: uuid.UUID, scan_id: uuid.UUID
) -> None:
    seen = seen_on(admin, scan_id)
    state_allergies(patient_id, "Penicillin, latex")
    answer = admin.post(url(scan_id, "approve"), seen | {"code": "123456"}, htmx=True)
    assert answer.status_code == 409 and "details have been changed since you opened" in words(answer)
    again = soup(answer).select_one("hx-partial[hx-target='#evidence']")
    assert "Penicillin, latex" in one_line(again), "with the answer comes what would be approved now"
    assert fresh(scan_id).status is Status.PHARMACIST_COMPLETED


def test_a_batch_leaves_out_who_was_corrected_since_it_was_chosen(
    admin: Visitor, clinic: Clinic, patient_id: uuid.UUID, scan_id: uuid.UUID
) -> None:
    other = clinic.scan(Status.PHARMACIST_COMPLETED, patient=clinic.person("patient", name="Bina")).id
    batch = admin.post("/admin/approvals", {"scan": [str(scan_id), str(other)]}).headers["Location"]
    admin.post(f"{batch}/code")
    code = code_from_mail(clinic)
    correct_birth_date(admin, patient_id)
    assert "details have been corrected since you chose it" in words(admin.get(batch))
    assert admin.post(f"{batch}/approve", {"code": code}).status_code == 303
    assert fresh(scan_id).status is Status.PHARMACIST_COMPLETED
    assert fresh(other).status is Status.REPORT_READY
    text = one_line(admin.page(batch).select_one(f"#report-{scan_id}"))
    assert "Not released" in text and "details have been corrected since you chose it" in text


def test_the_code_is_typed_at_once_after_it_was_asked_for(admin: Visitor, scan_id: uuid.UUID) -> None:
    batch = admin.post("/admin/approvals", {"scan": [str(scan_id)]}).headers["Location"]
    for address in (url(scan_id), batch):
        assert not admin.page(address).select_one("[name=code]").has_attr("autofocus"), "it is read first"
        answer = admin.post(f"{address}/code")
        assert answer.status_code == 303
        assert admin.page(answer.headers["Location"]).select_one("[name=code]").has_attr("autofocus")
        answer = admin.post(f"{address}/code", htmx=True)
        assert soup(answer).select_one("[name=code]").has_attr("autofocus")
