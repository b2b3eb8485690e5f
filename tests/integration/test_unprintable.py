"""Letters that the report's fonts lack are told to who writes them, and no report is released with one missing."""

import io
import re
import shutil
import subprocess
import uuid

import pytest
from flask import Flask
from sqlalchemy import select

from csss.database import db, transaction
from csss.outbox import OutboxJob
from csss.people.models import User
from csss.reports import queries as reports
from csss.reports.models import ReportVersion
from csss.reports.pdf import foreign_fonts
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.storage.files import storage
from tests.factories import SEEN, Clinic, picture
from tests.pdfa import pdfa_problems
from tests.visitor import Visitor, soup, words

NAME, FINDINGS = "லக்ஷ்மி श्रीकृष्ण", "வலது நுரையீரலில் க்ஷயம். दाहिने फेफड़े में क्षति, श्री।"
HINT = "its fonts lack these characters"


def status(scan_id: uuid.UUID) -> Status:
    db.session.remove()
    return db.session.get_one(Scan, scan_id).status


def beside(answer: object, name: str) -> str:
    """The sentence beside a field of a page that came back."""
    return soup(answer).select_one(f"#{name}-error").get_text(" ", strip=True)  # type: ignore[union-attr, arg-type]


def code_for(admin: Visitor, clinic: Clinic, page: str) -> str:
    assert admin.post(f"{page}/code").status_code == 303
    clinic.run_jobs("send_mail")
    return str(re.findall(r"(?<!\d)\d{6}(?!\d)", clinic.mail[-1].get_content())[0])


def approve(admin: Visitor, clinic: Clinic, scan_id: uuid.UUID) -> None:
    page = f"/admin/scans/{scan_id}"
    answer = admin.post(f"{page}/approve", SEEN | {"code": code_for(admin, clinic, page)})
    assert answer.status_code == 303, words(answer)


def versions(scan_id: uuid.UUID) -> list[ReportVersion]:
    db.session.remove()
    return list(reports.versions(db.session.get_one(Scan, scan_id)))


def text_of(pdf: bytes) -> str:
    done = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_a_report_with_tamil_and_devanagari_is_previewed_and_released_and_gives_its_words_back(
    clinic: Clinic, admin: Visitor
) -> None:
    patient = clinic.person("patient", name=NAME)
    scan = clinic.scan(
        Status.PHARMACIST_COMPLETED, patient=patient, findings=FINDINGS, indication="இருமல், खाँसी"
    )
    preview = admin.get(f"/admin/scans/{scan.id}/preview.pdf")
    assert preview.status_code == 200 and foreign_fonts(preview.data) == []
    approve(admin, clinic, scan.id)
    clinic.run_jobs("render_report")
    (kept,) = versions(scan.id)
    pdf = storage().read(kept.file_key)
    assert pdfa_problems(pdf) == [] and foreign_fonts(pdf) == [] and len(pdf) <= 300_000
    for made in (pdf, preview.data):
        assert all(each in text_of(made) for each in (NAME, FINDINGS, "இருமல், खाँसी"))
    page = words(clinic.visitor(db.session.get_one(User, patient.id)).get(f"/patient/scans/{scan.id}"))
    assert FINDINGS in page


@pytest.mark.parametrize("name", ["findings", "impression", "diagnosis"])
def test_a_doctor_is_told_which_word_cannot_be_printed(clinic: Clinic, doctor: Visitor, name: str) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    typed = {"findings": "Clear.", "impression": "None.", "diagnosis": "Normal", "agreement": "agree"}
    answer = doctor.post(f"/doctor/scans/{scan.id}/verify", {**typed, name: "There is 肺炎 here."})
    assert answer.status_code == 422 and status(scan.id) is Status.AI_ANALYZED
    assert "“肺炎”" in beside(answer, name) and HINT in beside(answer, name)
    assert "There is 肺炎 here." in answer.text, "what was typed is kept"


def test_a_doctor_is_told_so_in_an_addendum_and_for_a_reason_too(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.REPORT_READY)
    clinic.run_jobs("render_report")
    answer = doctor.post(f"/doctor/scans/{scan.id}/addendum", {"note": "improved 😀"})
    assert answer.status_code == 422 and "“😀”" in beside(answer, "note")
    fresh = clinic.scan()
    answer = doctor.post(f"/doctor/scans/{fresh.id}/read-without-ai", {"reason": "عاجل"})
    assert answer.status_code == 422 and "“عاجل”" in beside(answer, "without-reason")
    assert len(versions(scan.id)) == 1 and status(fresh.id) is Status.PENDING_AI


@pytest.mark.parametrize("name", ["drug", "dose", "frequency", "duration", "notes"])
def test_a_pharmacist_is_told_which_word_cannot_be_printed(
    clinic: Clinic, pharmacist: Visitor, name: str
) -> None:
    scan = clinic.scan(Status.DOCTOR_VERIFIED)
    line = {"drug": "Paracetamol", "dose": "500 mg", "route": "oral", "frequency": "twice a day"}
    typed = {**line, "duration": "3 days", "notes": "With food."}
    answer = pharmacist.post(f"/pharmacist/scans/{scan.id}/complete", {**typed, name: "after 食"})
    assert answer.status_code == 422 and status(scan.id) is Status.DOCTOR_VERIFIED
    assert HINT in words(answer) and "“食”" in words(answer)


def test_a_patient_is_told_beside_the_indication(clinic: Clinic, patient: Visitor) -> None:
    sent = {"kind": "chest_xray", "indication": "咳嗽 since Monday"}
    answer = patient.post("/patient/scans", {**sent, "file": (io.BytesIO(picture()), "scan.png")})
    assert answer.status_code == 422 and "“咳嗽”" in beside(answer, "indication")
    assert "leave it out and tell the doctor" in beside(answer, "indication")
    assert db.session.scalars(select(Scan)).all() == []


def test_somebody_with_a_name_in_arabic_registers_is_told_and_finds_a_way_out(
    clinic: Clinic, admin: Visitor, nobody: Visitor
) -> None:
    typed = {"name": "محمد", "email": "m@csss.example", "password": "a long pass phrase 5", "role": "patient"}
    person = {"date_of_birth": "1980-02-29", "sex": "male", "phone": "+91 44 5550 0100"}
    assert nobody.post("/register", {**typed, **person}).status_code == 303
    user = db.session.scalars(select(User).where(User.name == "محمد")).one()
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, patient=user).id
    own = clinic.visitor(db.session.get_one(User, user.id))
    assert "Your reports cannot be printed yet" in words(own.get("/patient/"))
    assert "“محمد”" in own.page("/account").select_one("#name-hint").get_text()  # type: ignore[union-attr]

    page = f"/admin/scans/{scan_id}"
    text = words(admin.get(page))
    assert "Name of the patient: The report cannot print \N{LEFT-TO-RIGHT ISOLATE}“محمد”" in text
    assert "The patient can change the spelling on their own account page." in text
    assert not admin.page(page).select("form[action$=approve]")
    for step in ("code", "approve"):
        answer = admin.post(f"{page}/{step}", SEEN | {"code": "123456"})
        assert answer.status_code == 409 and "“محمد”" in words(answer)
    assert status(scan_id) is Status.PHARMACIST_COMPLETED
    assert admin.get(f"{page}/preview.pdf").status_code == 422

    assert own.post("/account", {"section": "profile", "name": "Muhammad (محمد)"}).status_code == 303
    assert own.post("/account", {"section": "profile", "name": "Muhammad"}).status_code == 303
    assert "cannot be printed" not in words(own.get("/patient/"))
    approve(admin, clinic, scan_id)
    clinic.run_jobs("render_report")
    assert len(versions(scan_id)) == 1


def test_a_batch_names_the_report_that_cannot_be_printed_and_releases_the_others(
    clinic: Clinic, admin: Visitor
) -> None:
    fine = clinic.scan(Status.PHARMACIST_COMPLETED).id
    lacking = clinic.scan(Status.PHARMACIST_COMPLETED, patient=clinic.person("patient", name="王芳")).id
    answer = admin.post("/admin/approvals", {"scan": [str(fine), str(lacking)]})
    page = str(answer.headers["Location"])
    shown = admin.page(page).select_one(f"#report-{lacking}")
    assert shown is not None and "“王芳”" in shown.get_text() and "own account page" in shown.get_text()
    answer = admin.post(f"{page}/approve", {"code": code_for(admin, clinic, page)})
    assert answer.status_code == 303
    assert (status(fine), status(lacking)) == (Status.REPORT_READY, Status.PHARMACIST_COMPLETED)
    assert "“王芳”" in admin.page(page).select_one(f"#report-{lacking}").get_text()  # type: ignore[union-attr]


def test_each_text_of_a_report_is_looked_at_and_who_can_change_it_is_named(
    clinic: Clinic, admin: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that were written before the fonts were looked at."""
    monkeypatch.setattr("csss.report_fonts.problem", lambda text: None)
    doctor, pharmacist = clinic.person("doctor", name="李医"), clinic.person("pharmacist", name="王药")
    patient = clinic.person("patient")
    scan = clinic.scan(
        Status.PHARMACIST_COMPLETED,
        patient=patient,
        doctor=doctor,
        pharmacist=pharmacist,
        findings="肺",
        indication="咳",
    )
    with transaction():
        own = db.session.get_one(User, patient.id)
        assert own.patient is not None
        own.patient.address = "北京"
    monkeypatch.undo()
    text = words(admin.get(f"/admin/scans/{scan.id}"))
    for where, word, who in (
        ("Address of the patient", "北京", "The patient can change the spelling"),
        ("Indication", "咳", "a doctor can close the scan"),
        ("Findings", "肺", "ask the doctor for a correction"),
        (
            "Name, specialty or registration number of 李医, who signs",
            "李医",
            "That person can change the spelling",
        ),
        (
            "Name, specialty or registration number of 王药, who signs",
            "王药",
            "That person can change the spelling",
        ),
    ):
        assert re.search(rf"{where}: The report cannot print “{word}”[^“]*{who}", text), where


def test_what_was_corrected_before_the_release_is_given_by_number(
    clinic: Clinic, admin: Visitor, doctor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old text that nobody can change any more must not keep the report back for ever."""
    monkeypatch.setattr("csss.report_fonts.problem", lambda text: None)
    scan = clinic.scan(Status.PHARMACIST_COMPLETED, findings="肺 clear")
    monkeypatch.undo()
    page = f"/admin/scans/{scan.id}"
    assert admin.post(f"{page}/hold", {"to": "doctor", "note": "Write it in English."}).status_code == 303
    typed = {"findings": "Clear.", "impression": "None.", "diagnosis": "Normal", "agreement": "agree"}
    assert doctor.post(f"/doctor/scans/{scan.id}/correct", typed).status_code == 303
    assert admin.post(f"{page}/lift").status_code == 303
    code = code_for(admin, clinic, page)
    assert admin.post(f"{page}/approve", {"code": code, "seen": "2.1"}).status_code == 303
    clinic.run_jobs("render_report")
    (kept,) = versions(scan.id)
    assert "[U+80BA] clear" in text_of(storage().read(kept.file_key))


def test_an_addendum_to_a_report_that_was_released_with_boxes_is_made(
    clinic: Clinic, doctor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = clinic.scan(Status.REPORT_READY)
    clinic.run_jobs("render_report")
    with transaction():
        db.session.get_one(Scan, scan.id).patient.user.name = "王芳"
    assert doctor.post(f"/doctor/scans/{scan.id}/addendum", {"note": "No effusion."}).status_code == 303
    clinic.run_jobs("render_report")
    _first, second = versions(scan.id)
    text = text_of(storage().read(second.file_key))
    assert "[U+738B][U+82B3]" in text and "No effusion." in text


def test_the_job_is_the_last_guard(clinic: Clinic, admin: Visitor) -> None:
    """A name that is changed between approval and job: no PDF with boxes, a reason, and another try once it is mended."""
    scan = clinic.scan(Status.REPORT_READY)
    with transaction():
        db.session.get_one(Scan, scan.id).patient.user.name = "王芳"
    clinic.run_jobs("render_report")
    row = db.session.scalars(select(OutboxJob).where(OutboxJob.job == "render_report")).one()
    assert row.failed_at is not None and row.attempts == 1 and "“王芳”" in row.last_error
    assert versions(scan.id) == []
    assert "“王芳”" in words(admin.get("/admin/jobs"))
