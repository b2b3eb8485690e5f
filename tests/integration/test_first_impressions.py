"""With CSSS_CLASSIFIER_SHOWN=after_reading a doctor reads first, and hears what the classifier says after that."""

import uuid
from typing import Any

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from csss.database import db, transaction
from csss.scans import review_drafts
from csss.scans.models import FirstImpression
from csss.scans.review_text import ReviewText
from csss.scans.states import Status, Sureness
from csss.statistics.queries import count
from tests.factories import Clinic, reading
from tests.integration.doctor import LOOKED, hold, listed, url
from tests.integration.pages import fresh
from tests.visitor import Visitor, soup, words

pytestmark = pytest.mark.parametrize("settings", [{"classifier_shown": "after_reading"}], indirect=True)

FIRST = {"findings": "Hazy on both sides.", "diagnosis": "Bronchitis", "sureness": "unsure"}
# What tells the answer: the class, how sure it was, that it was not sure, where it looked.
TELLING = (
    "Viral",
    "viral",
    "COVID",
    "95 %",
    "95.0",
    "97 %",
    "ncertain",
    "heatmap",
    "Heat map",
    "nearest",
    "agree",
)


def asked(clinic: Clinic, label: str = "Viral_Pneumonia", confidence: float = 0.95, **more: Any) -> uuid.UUID:
    return clinic.scan(Status.AI_ANALYZED, result=reading(label, confidence), **more).id


def the_page(visitor: Visitor, scan_id: uuid.UUID, query: str = "") -> str:
    return region(visitor.page(url(scan_id) + query))


def region(page: BeautifulSoup) -> str:
    """The reading page as it is sent, without the doctor's templates and the dialog that explains all keys."""
    found = page.select_one("#reading")
    templates = found.select_one("#template")
    if templates is not None:
        templates.decompose()
    return str(found)


@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_nothing_tells_the_answer_before_it_is_revealed(
    doctor: Visitor, clinic: Clinic, confidence: float
) -> None:
    patient = clinic.person("patient")
    scan_id = asked(clinic, confidence=confidence, patient=patient)
    other_id = asked(clinic, "COVID", 0.97, patient=patient)
    lists = ["/doctor/", "/doctor/?status=AI_ANALYZED", "/doctor/?status=all", "/doctor/?q=Patient"]
    told = [str(doctor.page(each).select_one("#worklist")) for each in lists]
    told += [the_page(doctor, scan_id), the_page(doctor, scan_id, f"?compare={other_id}")]
    told.append(doctor.get(url(scan_id, "analysis"), headers={"HX-Request": "true"}).text)
    told.append(doctor.get(url(scan_id, "claim"), headers={"HX-Request": "true"}).text)
    for page in told:
        assert [word for word in TELLING if word in page] == []
    assert doctor.get(f"/scans/{scan_id}/heatmap").status_code == 404
    refused = doctor.post(url(scan_id, "verify"), {**LOOKED, "read_myself": "y"})
    assert refused.status_code == 409 and "Write your first impression" in words(refused)
    assert [word for word in TELLING if word in region(soup(refused))] == []
    assert fresh(scan_id).status is Status.AI_ANALYZED


def test_a_list_is_not_sorted_by_what_it_does_not_show(doctor: Visitor, clinic: Clinic) -> None:
    first, second = asked(clinic, confidence=0.99), asked(clinic, confidence=0.8)
    assert listed(doctor, "?sort=confidence") == [str(first), str(second)]
    assert not doctor.page("/doctor/").select("option[value=confidence]")


def test_the_first_impression_reveals_the_answer_and_stays_as_it_was(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = asked(clinic)
    answer = doctor.post(url(scan_id, "reveal"), FIRST)
    assert answer.status_code == 303
    page = doctor.page(url(scan_id))
    assert "Viral pneumonia" in page.select_one("#classifier").get_text()
    assert page.select_one("[name=agreement]") is not None
    assert page.select_one("[name=findings]").get_text().strip() == FIRST["findings"]
    assert page.select_one("[name=diagnosis]")["value"] == "Bronchitis"
    assert "Bronchitis" in page.select_one("#first-impression").get_text()
    assert doctor.get(f"/scans/{scan_id}/heatmap").status_code == 200

    signed = {**LOOKED, "diagnosis": "Viral pneumonia"}
    assert doctor.post(url(scan_id, "verify"), signed).status_code == 303
    kept = db.session.scalars(select(FirstImpression)).one()
    assert (kept.findings, kept.diagnosis, kept.sureness) == (*list(FIRST.values())[:2], Sureness.UNSURE)
    review = fresh(scan_id).review
    assert review is not None and review.diagnosis == "Viral pneumonia" and review.changed_mind is True
    assert kept.written_at < review.created_at


def test_a_first_impression_says_what_it_is_and_how_sure(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = asked(clinic)
    answer = doctor.post(
        url(scan_id, "reveal"), {"findings": "", "impression": "Something.", "sureness": "very"}
    )
    assert answer.status_code == 422
    page = soup(answer)
    beside = {str(each["id"]) for each in page.select("#review-form .field__error")}
    assert beside == {"findings-error", "diagnosis-error", "sureness-error"}
    assert page.select_one("[name=impression]").get_text().strip() == "Something."
    assert [word for word in TELLING if word in region(page)] == []
    assert db.session.scalars(select(FirstImpression)).all() == []


def test_it_is_written_once(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = asked(clinic)
    assert doctor.post(url(scan_id, "reveal"), FIRST).status_code == 303
    again = doctor.post(url(scan_id, "reveal"), {**FIRST, "diagnosis": "Viral pneumonia"})
    assert again.status_code == 409 and "nothing to reveal" in words(again)
    assert db.session.scalars(select(FirstImpression.diagnosis)).all() == ["Bronchitis"]


def test_what_one_doctor_has_revealed_stays_hidden_from_another(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = asked(clinic)
    doctor.post(url(scan_id, "reveal"), FIRST)
    colleague = clinic.visitor(clinic.person("doctor"))
    page = the_page(colleague, scan_id)
    assert [word for word in (*TELLING, "Bronchitis") if word in page] == []
    assert colleague.post(url(scan_id, "verify"), LOOKED).status_code == 409


def test_the_draft_of_a_doctor_does_not_reveal_anything(clinic: Clinic) -> None:
    scan_id, person = asked(clinic), clinic.person("doctor")
    with transaction():
        review_drafts.save(scan_id, ReviewText("Hazy.", agreement="agree"), by=person)
    assert "Viral" not in the_page(clinic.visitor(person), scan_id)


def test_a_scan_that_is_read_without_the_classifier_has_nothing_to_reveal(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan().id
    assert doctor.post(url(scan_id, "read-without-ai"), {"reason": "It is down."}).status_code == 303
    assert doctor.post(url(scan_id, "verify"), {**LOOKED, "read_myself": "y"}).status_code == 303
    review = fresh(scan_id).review
    assert review is not None and review.changed_mind is None


def test_a_correction_begins_with_everything_in_sight(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = asked(clinic)
    doctor.post(url(scan_id, "reveal"), FIRST)
    doctor.post(url(scan_id, "verify"), LOOKED)
    hold(clinic, scan_id)
    colleague = clinic.visitor(clinic.person("doctor"))
    assert "Viral pneumonia" in the_page(colleague, scan_id)
    assert colleague.post(url(scan_id, "correct"), LOOKED).status_code == 303


def test_statistics_count_changes_of_mind(doctor: Visitor, admin: Visitor, clinic: Clinic) -> None:
    for diagnosis in ("Viral pneumonia", "bronchitis.", "Bronchitis"):
        scan_id = asked(clinic)
        doctor.post(url(scan_id, "reveal"), FIRST)
        assert doctor.post(url(scan_id, "verify"), {**LOOKED, "diagnosis": diagnosis}).status_code == 303
    minds = count(30).minds
    assert (minds.revealed, minds.changed) == (3, 1)
    assert "1 of 3: 33 %" in admin.page("/admin/statistics?days=7").select_one("#minds").get_text()
    row = '"changed after the classifier\'s answer","","1"'
    assert row in admin.get("/admin/statistics.csv").text
