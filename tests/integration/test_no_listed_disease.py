"""An answer that names no disease and rules none out: it says so everywhere, and the doctor's diagnosis is always needed."""

import pytest

from csss.database import db
from csss.reports.build import report_context
from csss.scans.models import Scan
from csss.scans.own_reading import Why, why
from csss.scans.states import Status
from tests.factories import Clinic, reading
from tests.integration.doctor import LOOKED, hold, url
from tests.integration.pages import fresh
from tests.visitor import Visitor, soup, words

NAME = "Chest X-ray, no listed disease recognised"
ANSWER = reading("NIH_MERGED", 0.93)


@pytest.mark.both_databases
def test_the_doctors_own_diagnosis_is_always_needed(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, result=ANSWER).id
    form = doctor.page(url(scan_id)).select_one("#review-form")
    assert "optional" not in words(form.select_one("label[for=diagnosis]"))
    assert form.select_one("#diagnosis").has_attr("required")
    assert "says neither ill nor healthy" in words(form.select_one("#diagnosis-hint"))
    assert form.select_one("[name=read_myself]") is None, (
        "the answer is certain; only the diagnosis is asked for"
    )
    for agreement in ("agree", "partly", "disagree"):
        sent = LOOKED | {"diagnosis": " ", "agreement": agreement, "then": "next"}
        refused = doctor.post(url(scan_id, "verify"), sent)
        assert refused.status_code == 422
        page = soup(refused)
        assert "give your own diagnosis" in words(page.select_one("#diagnosis-error"))
        assert page.select_one("#findings").get_text().strip() == LOOKED["findings"]
        assert fresh(scan_id).status is Status.AI_ANALYZED
    assert doctor.post(url(scan_id, "verify"), LOOKED).status_code == 303
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED


def test_a_corrected_reading_needs_it_as_well(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, result=ANSWER).id
    hold(clinic, scan_id)
    assert doctor.post(url(scan_id, "correct"), LOOKED | {"diagnosis": ""}).status_code == 422
    assert doctor.post(url(scan_id, "correct"), LOOKED).status_code == 303


@pytest.mark.parametrize("label", ["Normal", "COVID", "Lung_Opacity", "Viral_Pneumonia"])
def test_a_certain_answer_that_says_something_asks_for_no_diagnosis(
    clinic: Clinic, doctor: Visitor, label: str
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, result=reading(label, 0.93)).id
    assert why(fresh(scan_id)) is None
    assert doctor.post(url(scan_id, "verify"), LOOKED | {"diagnosis": ""}).status_code == 303


def test_pages_say_what_the_answer_is_and_what_it_is_not(
    clinic: Clinic, doctor: Visitor, pharmacist: Visitor, admin: Visitor
) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, result=ANSWER).id
    for visitor, address in (
        (doctor, url(scan_id)),
        (pharmacist, f"/pharmacist/scans/{scan_id}"),
        (admin, f"/admin/scans/{scan_id}"),
    ):
        said = words(visitor.page(address).select_one("#classifier"))
        assert NAME in said and "with or without a finding" in said
        assert "Other chest finding" not in said
    assert NAME in words(admin.page("/admin/statistics"))
    assert why(fresh(scan_id)) is Why.WITHOUT_FINDING


def test_the_report_calls_the_risk_indeterminate_and_explains_the_answer(clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, result=ANSWER).id
    context = report_context(db.session.get_one(Scan, scan_id), report_id="r", version=1)
    summary = context.prediction
    assert summary.available
    assert (summary.shown_label, summary.risk_level) == (NAME, "Indeterminate")
    assert summary.explanation is not None and "with or without a finding" in summary.explanation


def test_the_patient_reads_the_same(clinic: Clinic, patient: Visitor) -> None:
    from csss.people.models import User

    scan_id = clinic.scan(
        Status.REPORT_READY, patient=db.session.get_one(User, patient.user_id), result=ANSWER
    ).id
    clinic.run_jobs("render_report")
    said = words(patient.page(f"/patient/scans/{scan_id}"))
    assert NAME in said and "with or without a finding" in said and "Other chest finding" not in said


def test_help_explains_the_answer_by_its_name(doctor: Visitor) -> None:
    answer = doctor.post("/assistant", {"question": "what does no listed disease recognised mean"})
    assert "neither ill nor healthy" in words(answer)
