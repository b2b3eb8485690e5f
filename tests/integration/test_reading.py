"""A doctor reads a scan and signs it, with the classifier or without."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select

from csss.database import db, transaction
from csss.scans import services
from csss.scans.models import AnalysisRun
from csss.scans.states import RunState, Status
from tests.factories import Clinic, reading
from tests.integration.doctor import LOOKED, fail, taken_to, url
from tests.integration.pages import fresh, one_root
from tests.visitor import Visitor, soup, words

# Reading


def test_a_doctor_analyses_reads_and_verifies(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    page = doctor.page(url(scan_id))
    assert page.select_one("form[action$=verify]") is None
    answer = doctor.post(url(scan_id, "analyze"))
    assert (answer.status_code, answer.headers["Location"]) == (303, url(scan_id))
    assert doctor.page(url(scan_id)).select_one("#analysis")["hx-trigger"] == "live, every 3s"
    clinic.run_jobs("analyse_scan")

    page = doctor.page(url(scan_id))
    assert len(page.select(".probabilities__row")) == 6
    assert page.select_one(".viewer__layer")["loading"] == "lazy"
    form = page.select_one("form[action$=verify]")
    uncertain = form.select_one("[name=read_myself]") is not None
    answer = doctor.post(form["action"], {**LOOKED, **({"read_myself": "y"} if uncertain else {})})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/doctor/")
    scan = fresh(scan_id)
    assert scan.status is Status.DOCTOR_VERIFIED
    assert scan.review is not None and scan.review.findings == LOOKED["findings"]
    assert "The scan has been verified." in words(doctor.get("/doctor/"))
    page = doctor.page(url(scan_id))
    assert page.select_one("form[action$=verify]") is None
    assert "Clear lungs, no effusion." in page.select_one("#review").get_text()


def test_blank_findings_are_refused_and_everything_typed_is_kept(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    typed = {
        "findings": " \n",
        "impression": "<script>{{7*7}}",
        "diagnosis": "Asthma",
        "agreement": "disagree",
    }
    for htmx in (False, True):
        answer = doctor.post(url(scan, "verify"), typed, htmx=htmx)
        assert answer.status_code == 422
        page = soup(answer)
        assert (
            page.select_one("#findings-error")
            .get_text(strip=True)
            .endswith("Write what you see in the scan.")
        )
        assert page.select_one("#impression").get_text().strip() == "<script>{{7*7}}"
        assert page.select_one("#diagnosis")["value"] == "Asthma"
        assert page.select_one("input[name=agreement][value=disagree]").has_attr("checked")
    one_root(answer, "reading")


def test_an_opinion_on_the_classifier_is_one_of_three(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    answer = doctor.post(url(scan, "verify"), {**LOOKED, "agreement": "perhaps"})
    assert answer.status_code == 422
    assert soup(answer).select_one("#agreement-error") is not None


def test_an_uncertain_scan_needs_an_own_diagnosis_and_the_statement(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.5)).id
    page = doctor.page(url(scan_id))
    assert page.select_one(".classifier__label").contents[0].strip() == "Uncertain"
    answer = doctor.post(url(scan_id, "verify"), {**LOOKED, "diagnosis": ""})
    assert answer.status_code == 422
    page = soup(answer)
    for field in ("#diagnosis-error", "#read_myself-error"):
        assert "The classifier is uncertain about this scan: " in page.select_one(field).get_text()
    assert fresh(scan_id).status is Status.AI_ANALYZED
    assert doctor.post(url(scan_id, "verify"), {**LOOKED, "read_myself": "y"}).status_code == 303


def test_another_scan_tells_its_diagnosis_or_why_there_is_none(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    here = clinic.scan(patient=patient).id
    told: dict[uuid.UUID, str] = {}
    for status, diagnosis, beside in (
        (Status.PENDING_AI, "", "No diagnosis yet"),
        (Status.AI_ANALYZED, "", "No diagnosis yet"),
        (Status.DOCTOR_VERIFIED, "", "No diagnosis was given."),
        (Status.PHARMACIST_COMPLETED, "", "No diagnosis was given."),
        (Status.REPORT_READY, "", "No diagnosis was given."),
        (Status.DOCTOR_VERIFIED, "Normal chest", "Normal chest"),
    ):
        told[taken_to(clinic, status, diagnosis, patient).id] = beside
    closed = clinic.scan(Status.AI_ANALYZED, patient=patient).id
    with transaction():
        services.close(closed, reason="Blurred", by=doctor.user)
    told[closed] = "Closed without a diagnosis."
    lines = doctor.page(url(here)).select("#others li")
    shown = {line.select_one("a")["href"]: line.select_one(".hint").get_text() for line in lines}
    assert shown == {url(scan_id): words for scan_id, words in told.items()}


def test_the_second_of_two_doctors_is_told_and_loses_no_text(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    other = clinic.visitor(clinic.person("doctor"))
    assert other.post(url(scan_id, "verify"), LOOKED).status_code == 303
    for htmx in (False, True):
        answer = doctor.post(url(scan_id, "verify"), {**LOOKED, "findings": "My own long text."}, htmx=htmx)
        assert answer.status_code == 409
        text = words(answer)
        assert "A doctor has verified the scan already" in text
        assert "My own long text." in text and "has not been saved" in text
        assert "Verified by doctor" in text
    one_root(answer, "reading")
    assert fresh(scan_id).review.findings == LOOKED["findings"]


@pytest.mark.parametrize(
    ("step", "sent"),
    [("verify", {}), ("analyze", {}), ("read-without-ai", {}), ("correct", {}), ("addendum", {})],
)
def test_a_step_at_the_wrong_time_answers_409_before_anything_else(
    doctor: Visitor, clinic: Clinic, step: str, sent: dict[str, str]
) -> None:
    scan = clinic.scan(Status.DOCTOR_VERIFIED)
    assert doctor.post(url(scan, step), sent).status_code == 409
    if step == "verify":
        assert doctor.post(url(clinic.scan(), step), sent).status_code == 409


# The machine's part


def test_a_failed_analysis_is_told_with_a_way_to_try_again(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    fail(clinic, scan_id, "The <picture> cannot be decoded.")
    page = doctor.page(url(scan_id))
    assert "The <picture> cannot be decoded." in page.select_one("#analysis").get_text()
    assert page.select_one("form[action$=analyze] button").get_text(strip=True) == "Try again"
    assert "cannot be decoded" in doctor.page("/doctor/").select_one(f"#scan-{scan_id}").get_text()
    assert doctor.post(url(scan_id, "analyze")).status_code == 303
    assert doctor.post(url(scan_id, "analyze")).status_code == 409


def test_reading_without_the_classifier_asks_for_a_reason_until_it_failed_twice(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan().id
    fail(clinic, scan_id)
    answer = doctor.post(url(scan_id, "read-without-ai"), {"reason": " "})
    assert answer.status_code == 422
    page = soup(answer)
    assert page.select_one("#without-reason-error") and page.select_one("details[open] #without-reason")
    fail(clinic, scan_id)
    assert doctor.post(url(scan_id, "read-without-ai")).status_code == 303
    page = doctor.page(url(scan_id))
    assert page.select_one("[name=agreement]") is None
    assert page.select_one("[name=read_myself]") is not None
    refused = doctor.post(url(scan_id, "verify"), {"findings": "Clear."})
    assert refused.status_code == 422 and "The classifier is uncertain" not in words(refused)
    for field, asked in (
        ("diagnosis", "give your own diagnosis."),
        ("read_myself", "state that you have read"),
    ):
        beside = soup(refused).select_one(f"#{field}-error").get_text()
        assert f"The classifier has not read this scan: {asked}" in beside
    done = {"findings": "Clear.", "diagnosis": "Normal", "read_myself": "y"}
    assert doctor.post(url(scan_id, "verify"), done).status_code == 303


def test_the_region_of_the_analysis_asks_until_it_is_done_then_fetches_the_page(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan().id
    doctor.post(url(scan_id, "analyze"))
    answer = doctor.fragment(url(scan_id, "analysis"))
    one_root(answer, "analysis")
    assert soup(answer).select_one("#analysis")["hx-headers"] == '{"X-CSSS-Refresh": "1"}'
    clinic.run_jobs("analyse_scan")
    region = soup(doctor.fragment(url(scan_id, "analysis"))).select_one("#analysis")
    assert (region["hx-get"], region["hx-trigger"], region["hx-target"]) == (url(scan_id), "load", "#reading")
    assert doctor.get(url(scan_id, "analysis")).headers["Location"] == url(scan_id)


def test_an_analysis_that_hangs_is_asked_for_ever_more_rarely(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    doctor.post(url(scan_id, "analyze"))
    run = db.session.scalars(select(AnalysisRun).where(AnalysisRun.scan_id == scan_id)).one()
    assert run.state is RunState.QUEUED
    with transaction():
        run.requested_at -= timedelta(days=365)
    region = soup(doctor.fragment(url(scan_id, "analysis"))).select_one("#analysis")
    assert region["hx-trigger"] == "live, every 60s"
