"""A reading has a conclusion: what is asked of a doctor who signs, by what the classifier has answered."""

import pytest

from csss.scans.states import Status
from tests.factories import Clinic, reading
from tests.integration.test_doctor_pages import LOOKED, fresh, soup, url
from tests.visitor import Visitor

ONLY_FINDINGS = {"findings": "Clear lungs, no effusion.", "agreement": "agree"}


@pytest.fixture
def doctor(clinic: Clinic) -> Visitor:
    return clinic.visitor(clinic.person("doctor"))


def beside(doctor: Visitor, clinic: Clinic, sent: dict[str, str], **more: object) -> dict[str, str]:
    """What stands beside which field when this is sent about a scan; nothing when it is signed."""
    scan = clinic.scan(Status.AI_ANALYZED, **more)
    answer = doctor.post(url(scan, "verify"), sent)
    if answer.status_code == 303:
        assert fresh(scan.id).status is Status.DOCTOR_VERIFIED
        return {}
    assert answer.status_code == 422 and fresh(scan.id).status is Status.AI_ANALYZED
    errors = soup(answer).select("#review-form .field__error")
    return {str(each["id"]).removesuffix("-error"): each.get_text(strip=True) for each in errors}


@pytest.mark.parametrize("conclusion", ["impression", "diagnosis"])
def test_an_impression_or_a_diagnosis_is_enough(doctor: Visitor, clinic: Clinic, conclusion: str) -> None:
    assert beside(doctor, clinic, {**ONLY_FINDINGS, conclusion: "No active disease."}) == {}


def test_findings_alone_are_no_reading(doctor: Visitor, clinic: Clinic) -> None:
    told = beside(doctor, clinic, {"findings": "Clear lungs.", "agreement": "agree", "impression": " \n"})
    assert list(told) == ["diagnosis"] and "a reading needs a conclusion" in told["diagnosis"]


@pytest.mark.parametrize(
    ("agreement", "words"), [("partly", "You agree only in part"), ("disagree", "what it is instead")]
)
def test_who_does_not_agree_says_what_it_is(
    doctor: Visitor, clinic: Clinic, agreement: str, words: str
) -> None:
    sent = {**ONLY_FINDINGS, "agreement": agreement, "impression": "Something else."}
    told = beside(doctor, clinic, sent)
    assert list(told) == ["diagnosis"] and words in told["diagnosis"]
    assert beside(doctor, clinic, {**sent, "diagnosis": "Tuberculosis"}) == {}


@pytest.mark.parametrize("written", ["COVID-19", " covid 19. ", "COVID"])
def test_nobody_disagrees_with_the_classifier_and_writes_what_it_says(
    doctor: Visitor, clinic: Clinic, written: str
) -> None:
    sent = {**ONLY_FINDINGS, "agreement": "disagree", "diagnosis": written}
    told = beside(doctor, clinic, sent, result=reading("COVID", 0.95))
    assert list(told) == ["diagnosis"] and "write what it is instead, or agree" in told["diagnosis"]
    assert beside(doctor, clinic, {**sent, "diagnosis": "No COVID-19"}, result=reading("COVID", 0.95)) == {}
    assert beside(doctor, clinic, {**sent, "agreement": "partly"}, result=reading("COVID", 0.95)) == {}


@pytest.mark.parametrize(("answer", "written"), [("COVID", "Normal"), ("Normal", "Viral pneumonia")])
def test_nobody_agrees_that_one_is_ill_and_writes_that_one_is_healthy(
    doctor: Visitor, clinic: Clinic, answer: str, written: str
) -> None:
    sent = {**ONLY_FINDINGS, "diagnosis": written}
    told = beside(doctor, clinic, sent, result=reading(answer, 0.95))
    assert list(told) == ["diagnosis"] and "You agree with the classifier" in told["diagnosis"]
    # A cause of what the classifier saw is no contradiction.
    finer = {**ONLY_FINDINGS, "diagnosis": "Viral pneumonia"}
    assert beside(doctor, clinic, finer, result=reading("Lung_Opacity", 0.95)) == {}


@pytest.mark.parametrize("agreement", ["AGREE", "COVID", "agree'", "\u0430gree", "agree,disagree"])
def test_an_agreement_that_the_form_does_not_offer_is_refused(
    doctor: Visitor, clinic: Clinic, agreement: str
) -> None:
    assert "agreement" in beside(doctor, clinic, {**LOOKED, "agreement": agreement})


def test_no_hand_made_request_signs_another_doctors_scan_or_a_scan_in_another_state(
    doctor: Visitor, clinic: Clinic
) -> None:
    for status in (Status.PENDING_AI, Status.DOCTOR_VERIFIED):
        scan = clinic.scan(status)
        assert doctor.post(url(scan, "verify"), LOOKED).status_code in {404, 409}
        assert fresh(scan.id).status is status
    scan = clinic.scan(Status.AI_ANALYZED)
    patient = clinic.visitor(clinic.person("patient"))
    assert patient.post(url(scan, "verify"), LOOKED).status_code in {403, 404}
    assert fresh(scan.id).status is Status.AI_ANALYZED


def test_nothing_is_signed_without_a_word_on_on_the_classifiers_answer(
    doctor: Visitor, clinic: Clinic
) -> None:
    told = beside(doctor, clinic, {**LOOKED, "agreement": ""})
    assert list(told) == ["agreement"] and "whether you agree" in told["agreement"]


def test_an_answer_that_does_not_count_asks_for_no_agreement(doctor: Visitor, clinic: Clinic) -> None:
    sent = {**LOOKED, "agreement": "", "read_myself": "y"}
    assert beside(doctor, clinic, sent, result=reading("COVID", 0.5)) == {}


def test_who_agrees_is_offered_the_class_as_the_diagnosis(doctor: Visitor, clinic: Clinic) -> None:
    """In a browser without script by the form that comes back; nothing is signed that nobody has seen."""
    scan = clinic.scan(Status.AI_ANALYZED, result=reading("Viral_Pneumonia", 0.95))
    page = doctor.page(url(scan))
    assert page.select_one("[name=diagnosis]")["data-offer"] == "Viral pneumonia"
    answer = doctor.post(url(scan, "verify"), ONLY_FINDINGS)
    assert answer.status_code == 422
    assert soup(answer).select_one("[name=diagnosis]")["value"] == "Viral pneumonia"


@pytest.mark.parametrize("label", ["NIH_MERGED", "COVID"])
def test_no_class_is_offered_that_names_nothing_or_does_not_count(
    doctor: Visitor, clinic: Clinic, label: str
) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=reading(label, 0.95 if label == "NIH_MERGED" else 0.5))
    assert not doctor.page(url(scan)).select_one("[name=diagnosis]").get("data-offer")
    answer = doctor.post(url(scan, "verify"), {**ONLY_FINDINGS, "impression": ""})
    assert not soup(answer).select_one("[name=diagnosis]").get("value")
