"""A scan that was sent as the wrong kind: the answer does not count, a doctor corrects the kind, everybody sees it."""

import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from csss.audit.models import AuditEvent
from csss.database import db, transaction
from csss.erasing import services as erasing
from csss.errors import Invalid, StateConflict
from csss.live.names import change_of
from csss.paths import ROOT
from csss.people.models import User
from csss.reports.build import report_context
from csss.scans import analysis, services
from csss.scans.models import KindCorrection, Prediction, Scan
from csss.scans.own_reading import Why, why
from csss.scans.states import HoldFor, ScanKind, Status
from tests.factories import Clinic, reading
from tests.integration.doctor import LOOKED, hold, url
from tests.integration.pages import fresh
from tests.integration.test_workflow_races import at_once
from tests.visitor import Visitor, soup, words

CHEST, HEART = ScanKind.CHEST_XRAY, ScanKind.CARDIAC_MRI
TO_CHEST = {"was": "cardiac_mri", "kind": "chest_xray"}
TO_HEART = {"was": "chest_xray", "kind": "cardiac_mri"}


def correct(scan_id: uuid.UUID, was: ScanKind, became: ScanKind, by: User, **more: Any) -> None:
    with transaction():
        services.correct_kind(scan_id, was=was, became=became, by=by, **more)


def corrections(scan_id: uuid.UUID) -> list[tuple[int, str, str]]:
    query = (
        sa.select(KindCorrection).where(KindCorrection.scan_id == scan_id).order_by(KindCorrection.version)
    )
    return [(row.version, row.was.value, row.became.value) for row in db.session.scalars(query)]


# What the classifier says


@pytest.mark.both_databases
@pytest.mark.parametrize(("picture", "kind"), [("COVID-1", HEART), ("Sick-1", CHEST)])
def test_a_picture_sent_as_the_other_kind_is_uncertain_and_says_why(
    clinic: Clinic, doctor: Visitor, picture: str, kind: ScanKind
) -> None:
    """The real classifier in the real job."""
    content = (ROOT / f"csss/demo/scans/{picture}.jpg").read_bytes()
    scan_id = clinic.scan(kind=kind, image=content).id
    by = clinic.person("doctor")
    with transaction():
        analysis.start(scan_id, by=by)
    clinic.run_jobs("analyse_scan")
    found = fresh(scan_id).prediction
    assert found is not None and found.uncertain and found.label == "Uncertain"
    assert found.top_label == picture.partition("-")[0] and found.confidence and found.confidence > 0.75
    assert "the kind or the reading is wrong" in found.reason
    page = doctor.page(url(scan_id))
    assert "the kind or the reading is wrong" in page.select_one("#classifier").get_text()
    assert page.select_one("#classifier a[href='#correct-kind']") is not None
    refused = doctor.post(url(scan_id, "verify"), {"findings": "Opacities."})
    assert refused.status_code == 422
    assert soup(refused).select_one("#diagnosis-error") and soup(refused).select_one("#read_myself-error")


def test_the_kind_that_counts_is_the_one_at_the_moment_the_answer_is_kept(clinic: Clinic) -> None:
    """Corrected while the classifier was at work: no answer slips through under the old kind."""
    doctor = clinic.person("doctor")
    scan_id = clinic.scan().id
    with transaction():
        run_id = analysis.start(scan_id, by=doctor).id
    correct(scan_id, CHEST, HEART, doctor)
    with transaction():
        assert analysis.keep_result(run_id, reading("COVID", 0.97, heatmap=None), None)
    scan = fresh(scan_id)
    assert scan.prediction is not None and scan.prediction.uncertain


def test_an_answer_kept_before_the_kinds_were_compared_does_not_count_either(
    clinic: Clinic, doctor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "judged_as", lambda result, kind: result)  # as an earlier release did
    scan_id = clinic.scan(Status.AI_ANALYZED, kind=HEART, result=reading("COVID", 0.97)).id
    scan = fresh(scan_id)
    assert scan.prediction is not None and not scan.prediction.uncertain
    assert why(scan) is Why.OTHER_KIND
    assert "a class of another kind of scan" in words(doctor.page("/doctor/").select_one(f"#scan-{scan_id}"))
    said = words(doctor.page(url(scan_id)).select_one("#classifier"))
    assert "is no class of this kind of scan: the answer does not count" in said
    assert doctor.post(url(scan_id, "verify"), LOOKED | {"diagnosis": ""}).status_code == 422


# The correction


@pytest.mark.both_databases
def test_a_doctor_corrects_the_kind(clinic: Clinic, doctor: Visitor, admin: Visitor) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, kind=HEART, result=reading("COVID", 0.97)).id
    before = db.session.scalar(sa.select(Prediction).where(Prediction.scan_id == scan_id))
    assert before is not None
    kept = {column.key: getattr(before, column.key) for column in sa.inspect(Prediction).column_attrs}
    templates = words(doctor.page(url(scan_id)).select_one("#template"))
    answer = doctor.post(url(scan_id, "kind"), {**TO_CHEST, "reason": "It shows both lungs."})
    assert answer.status_code == 303
    scan = fresh(scan_id)
    assert scan.kind is CHEST and corrections(scan_id) == [(1, "cardiac_mri", "chest_xray")]
    assert scan.prediction is not None
    assert kept == {key: getattr(scan.prediction, key) for key in kept}, "a prediction is never changed"
    page = doctor.page(url(scan_id))
    assert "Chest X-ray (sent as Cardiac MRI)" in words(page.select_one(".desk__facts"))
    said = words(page.select_one("#classifier"))
    assert "a doctor has corrected it to Chest X-ray since" in said
    assert "belongs to the corrected kind, but the answer stays uncertain" in said
    assert words(page.select_one("#template")) != templates, "the templates offered follow the kind"
    for visitor, address in ((doctor, url(scan_id)), (admin, f"/admin/scans/{scan_id}")):
        history = words(visitor.page(address).select_one(".timeline"))
        assert "Kind corrected from Cardiac MRI to Chest X-ray" in history
        assert "It shows both lungs." in history
    event = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "scan.kind_corrected")).one()
    assert event.actor_id == doctor.user_id and event.subject_id == str(scan_id)
    assert event.detail == {"was": "cardiac_mri", "became": "chest_xray"}
    assert "corrected the kind of the scan of" in admin.page("/admin/audit").get_text()


def test_an_answer_that_fitted_does_not_count_after_a_correction(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.97)).id
    assert doctor.post(url(scan_id, "kind"), TO_HEART).status_code == 303
    page = doctor.page(url(scan_id))
    said = words(page.select_one("#classifier"))
    assert said.count("Uncertain") and "nearest: COVID-19, 97.0 %" in said
    assert "is no class of the corrected kind: the answer does not count" in said
    assert "uncertain" in doctor.page("/doctor/").select_one(f"#scan-{scan_id}").get_text()
    refused = doctor.post(url(scan_id, "verify"), LOOKED | {"diagnosis": " "})
    assert refused.status_code == 422
    assert "belongs to another kind of scan" in words(soup(refused).select_one("#diagnosis-error"))
    assert "belongs to another kind of scan" in words(soup(refused).select_one("#read_myself-error"))
    assert doctor.post(url(scan_id, "verify"), {**LOOKED, "read_myself": "y"}).status_code == 303


def test_normal_belongs_to_both_kinds_and_counts_on(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    doctor.post(url(scan_id, "kind"), TO_HEART)
    said = words(doctor.page(url(scan_id)).select_one("#classifier"))
    assert "“Normal” is a class of the corrected kind, too: the answer counts as it was given." in said
    assert doctor.post(url(scan_id, "verify"), LOOKED | {"diagnosis": ""}).status_code == 303


def test_a_kind_corrected_before_the_analysis_needs_no_word(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = clinic.scan(kind=HEART).id
    assert doctor.post(url(scan_id, "kind"), TO_CHEST).status_code == 303
    clinic.analyse(scan_id, clinic.person("doctor"), reading("COVID", 0.97))
    said = words(doctor.page(url(scan_id)).select_one("#classifier"))
    assert "COVID-19" in said and "corrected" not in said and "Uncertain" not in said


def test_htmx_gets_the_page_in_place_after_a_correction_and_after_a_refusal(
    clinic: Clinic, doctor: Visitor
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, kind=HEART).id
    with_htmx = {"headers": {"HX-Request": "true"}}
    answer = doctor.post(url(scan_id, "kind"), TO_CHEST, **with_htmx)
    assert answer.status_code == 200 and soup(answer).select_one("html") is None
    assert "The kind of the scan has been corrected." in words(answer)
    late = doctor.post(url(scan_id, "kind"), {**TO_CHEST, "reason": "Two lungs."}, **with_htmx)
    assert late.status_code == 409 and soup(late).select_one("html") is None
    assert "Somebody has corrected the kind of this scan in the meantime." in words(late)
    assert "Two lungs." in words(soup(late).select_one("#unsigned")), "what was typed can be copied"
    for sent, sentence in (
        ({"was": "chest_xray", "kind": "chest_xray"}, "The scan is of this kind already."),
        ({"was": "chest_xray", "kind": "ultrasound"}, "Choose chest X-ray or cardiac MRI."),
        ({"kind": "cardiac_mri"}, "The form did not say which kind you saw."),
        ({**TO_HEART, "reason": "x" * 2001}, "At most 2,000 characters"),
    ):
        refused = doctor.post(url(scan_id, "kind"), sent, **with_htmx)
        form = soup(refused).select_one("#correct-kind")
        assert refused.status_code == 422 and form.has_attr("open")
        assert sentence in words(form)
    assert corrections(scan_id) == [(1, "cardiac_mri", "chest_xray")]


def test_it_can_be_corrected_while_a_doctor_can_act_and_never_after(clinic: Clinic, doctor: Visitor) -> None:
    for status in Status:
        scan_id = clinic.scan(status).id
        allowed = status in {Status.PENDING_AI, Status.AI_ANALYZED}
        assert (doctor.page(url(scan_id)).select_one("#correct-kind") is not None) is allowed, status
        assert doctor.post(url(scan_id, "kind"), TO_HEART).status_code == (303 if allowed else 409), status
        assert fresh(scan_id).kind is (HEART if allowed else CHEST)
    closed, by = clinic.scan().id, clinic.person("doctor")
    with transaction():
        services.close(closed, reason="Blurred", by=by)
    assert doctor.post(url(closed, "kind"), TO_HEART).status_code == 409


@pytest.mark.both_databases
def test_of_two_doctors_who_correct_at_once_one_wins(clinic: Clinic) -> None:
    one, other = (clinic.person("doctor").id for _ in range(2))
    scan_id = clinic.scan(Status.AI_ANALYZED).id

    def act(user: User) -> None:
        services.correct_kind(scan_id, was=CHEST, became=HEART, by=user)

    told = at_once(clinic.app, (one, act), (other, act))
    assert sorted(told) == ["Somebody has corrected the kind of this scan in the meantime.", "done"]
    assert corrections(scan_id) == [(1, "chest_xray", "cardiac_mri")]


def test_there_and_back_are_two_versions(clinic: Clinic) -> None:
    doctor = clinic.person("doctor")
    scan_id = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.97)).id
    correct(scan_id, CHEST, HEART, doctor, reason="A heart")
    correct(scan_id, HEART, CHEST, doctor, reason="I was wrong")
    assert corrections(scan_id) == [(1, "chest_xray", "cardiac_mri"), (2, "cardiac_mri", "chest_xray")]
    assert why(fresh(scan_id)) is None, "the answer counts as it did before"
    with pytest.raises(Invalid), transaction():
        services.correct_kind(scan_id, was=CHEST, became=CHEST, by=doctor)


# After a correction that an administrator has asked for


def test_after_a_corrected_kind_the_hold_stays_until_the_doctor_has_signed_again(
    clinic: Clinic, doctor: Visitor, admin: Visitor
) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, result=reading("COVID", 0.97)).id
    hold(clinic, scan_id)
    assert doctor.post(url(scan_id, "correct"), LOOKED).status_code == 303  # the hold is answered
    assert doctor.post(url(scan_id, "kind"), TO_HEART).status_code == 303
    assert str(scan_id) in doctor.page("/doctor/").decode(), "it is the doctor's turn again"
    page = admin.page(f"/admin/scans/{scan_id}")
    assert page.select_one("form[action$=lift]") is None
    assert "the hold stays until the doctor has signed a corrected reading" in words(page)
    assert admin.post(f"/admin/scans/{scan_id}/lift").status_code == 409
    assert doctor.post(url(scan_id, "correct"), LOOKED | {"diagnosis": ""}).status_code == 422
    assert doctor.post(url(scan_id, "correct"), {**LOOKED, "read_myself": "y"}).status_code == 303
    assert admin.post(f"/admin/scans/{scan_id}/lift").status_code == 303


def test_nobody_corrects_the_kind_of_a_scan_that_waits_for_the_pharmacists_correction(clinic: Clinic) -> None:
    scan_id, by = clinic.scan(Status.PHARMACIST_COMPLETED).id, clinic.person("doctor")
    hold(clinic, scan_id, HoldFor.PHARMACIST)
    with pytest.raises(StateConflict), transaction():
        services.correct_kind(scan_id, was=CHEST, became=HEART, by=by)


# Who sees it


def test_report_pharmacist_and_patient_see_the_kind_that_counts(
    clinic: Clinic, pharmacist: Visitor, patient: Visitor
) -> None:
    doctor = clinic.person("doctor")
    person = db.session.get_one(User, patient.user_id)
    scan_id = clinic.scan(Status.AI_ANALYZED, patient=person, result=reading("COVID", 0.97)).id
    correct(scan_id, CHEST, HEART, doctor)
    clinic.verify(scan_id, doctor)
    shown = "Cardiac MRI (sent as Chest X-ray)"
    assert shown in words(pharmacist.page(f"/pharmacist/scans/{scan_id}"))
    assert shown in words(patient.page(f"/patient/scans/{scan_id}"))
    clinic.complete(scan_id, clinic.person("pharmacist"))
    with db.session.no_autoflush:
        context = report_context(db.session.get_one(Scan, scan_id), report_id="r", version=1)
    assert (context.scan.kind, context.scan.sent_as) == ("Cardiac MRI", "Chest X-ray")
    summary = context.prediction
    assert summary.available and summary.shown_label == "Uncertain"
    assert summary.risk_level == "Indeterminate"
    assert "the answer does not count" in (summary.about_kind or "")


def test_open_pages_of_everybody_concerned_are_told(clinic: Clinic) -> None:
    scan_id = uuid.uuid4()
    change = change_of(KindCorrection(scan_id=scan_id), new=True)
    assert change is not None and str(scan_id) in change.names
    assert {role.value for role in change.roles} == {"patient", "doctor", "pharmacist", "admin"}


@pytest.mark.both_databases
def test_corrections_go_with_the_patient(clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    correct(scan_id, CHEST, HEART, clinic.person("doctor"), reason="A heart")
    mrn = db.session.get_one(Scan, scan_id).patient.mrn
    with transaction():
        erasing.erase_as_deployer(mrn, reason="Asked for", password_hash="x")
    assert corrections(scan_id) == []
