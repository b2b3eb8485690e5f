"""The ten functional scenarios of the paper's Table VI, in a real browser against the real stack."""

import io
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from csss.auth.accounts import by_email
from csss.auth.models import OneTimeCode
from csss.clock import now
from csss.database import db, transaction
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.browser.people import Person
from tests.factories import PASSPHRASE, PASSWORD, Clinic, picture
from tests.stack import Stack, eventually

# Three processes of the run have a browser and a stack: for these, for "browser, walks" and for "browser, pages".
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NewPage = Callable[..., Page]
DISCLAIMER = (
    "This report was generated with AI assistance and has been reviewed and approved "
    "by a qualified medical professional before release."
)


def unique(role: str) -> str:
    return f"{role}-{uuid.uuid4().hex[:8]}@csss.example"


def known(stack: Stack, new_page: NewPage, role: str, **page: object) -> Person:
    """Somebody with a working account."""
    with stack.app.app_context():
        email = Clinic(stack.app).person(role, email=unique(role)).email
    return Person(new_page(stack, **page), stack, email)


def scan_of(stack: Stack, scan_id: str) -> Scan:
    db.session.rollback()
    return db.session.get_one(Scan, uuid.UUID(scan_id), populate_existing=True)


@pytest.fixture
def scan_file(tmp_path: Path) -> Path:
    """A synthetic scan of the demo, as a file on the patient's machine."""
    source = Path(__file__).parents[2] / "csss" / "demo" / "scans"
    path = tmp_path / "scan.jpg"
    path.write_bytes(next(iter(sorted(source.glob("Viral_Pneumonia*.jpg")))).read_bytes())
    return path


@pytest.mark.parametrize("role", ["Patient", "Doctor", "Pharmacist", "Administrator"])
def test_tc01_people_of_all_four_roles_register(stack: Stack, new_page: NewPage, role: str) -> None:
    person = Person(new_page(stack), stack, unique(role.lower()))
    person.register(role, f"{role} Example")
    person.try_to_sign_in()
    if role == "Patient":
        expect(person.page).to_have_url(re.compile("/patient/"))
    else:
        expect(person.page.get_by_text(re.compile("administrator", re.I)).first).to_be_visible()
        expect(person.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_tc02_a_patient_signs_in_and_lands_on_the_own_page(stack: Stack, new_page: NewPage) -> None:
    patient = known(stack, new_page, "patient")
    patient.sign_in()
    expect(patient.page).to_have_url(re.compile("/patient/$"))
    expect(patient.page.get_by_label("Picture of the scan")).to_be_attached()


def test_tc03_an_administrators_code_is_sent_works_once_and_expires(stack: Stack, new_page: NewPage) -> None:
    admin = known(stack, new_page, "admin")
    admin.try_to_sign_in()
    code = stack.mailbox.code_for(admin.email)
    mail = stack.mailbox.to(admin.email, "one-time code")[0].get_content()
    assert "expires in 10 minutes" in mail, "the life in the mail is the life of the code"

    admin.enter_code("000000" if code != "000000" else "111111")
    expect(admin.page.get_by_text("This code is not right").first).to_be_visible()
    admin.enter_code(code)
    expect(admin.page).to_have_url(re.compile("/admin/$"))

    again = Person(new_page(stack), stack, admin.email)
    again.try_to_sign_in()
    newer = stack.mailbox.code_for(admin.email, 2)
    again.enter_code(code)
    expect(again.page.get_by_text("This code is not right").first).to_be_visible()
    with stack.app.app_context(), transaction():
        user = by_email(admin.email)
        assert user is not None
        db.session.execute(
            update(OneTimeCode)
            .where(OneTimeCode.user_id == user.id, OneTimeCode.used_at.is_(None))
            .values(expires_at=now())
        )
    again.enter_code(newer)
    expect(again.page.get_by_text("expired").first).to_be_visible()


def test_tc04_a_patient_uploads_a_jpeg_and_a_png_and_nothing_else(
    stack: Stack, new_page: NewPage, scan_file: Path, tmp_path: Path
) -> None:
    patient = known(stack, new_page, "patient")
    patient.sign_in()
    patient.upload(scan_file)
    png = tmp_path / "scan.png"
    png.write_bytes(picture(kind="PNG"))
    patient.upload(png)

    fake = tmp_path / "notes.png"
    fake.write_text("this is no picture")
    patient.page.goto("/patient/")
    patient.page.get_by_label("Picture of the scan").set_input_files(fake)
    patient.page.get_by_label("Chest X-ray").check()
    patient.page.get_by_label("Why was the scan made?").fill("my own words stay")
    patient.page.get_by_role("button", name=re.compile("Send|Upload")).first.click()
    expect(patient.page.get_by_text("no picture that can be read here").first).to_be_visible()
    expect(patient.page.get_by_label("Why was the scan made?")).to_have_value("my own words stay")


def test_tc05_and_06_a_doctor_starts_the_analysis_writes_findings_and_verifies(
    stack: Stack, new_page: NewPage, scan_file: Path
) -> None:
    patient, doctor = known(stack, new_page, "patient"), known(stack, new_page, "doctor")
    patient.sign_in()
    scan_id = patient.upload(scan_file)
    doctor.sign_in()
    doctor.analyse(scan_id)
    with stack.app.app_context():
        prediction = scan_of(stack, scan_id).prediction
        assert prediction is not None
        assert prediction.available
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-3)

    doctor.page.locator("[name=findings]").fill("   ")
    doctor.page.get_by_role("button", name="Verify").first.click()
    expect(doctor.page.get_by_text("Write what you see in the scan").first).to_be_visible()

    doctor.verify(scan_id)
    with stack.app.app_context():
        eventually(lambda: scan_of(stack, scan_id).status is Status.DOCTOR_VERIFIED)

    patient.page.goto(f"/patient/scans/{scan_id}")
    text = patient.page.locator("main").inner_text()
    assert "pneumonia" not in text.lower(), "nothing clinical reaches the patient before release"


def the_whole_way(stack: Stack, new_page: NewPage, scan_file: Path, **page: object) -> None:
    """TC07, TC08 and TC09 with everything before them: four people, four browsers."""
    patient, doctor = known(stack, new_page, "patient", **page), known(stack, new_page, "doctor", **page)
    pharmacist, admin = known(stack, new_page, "pharmacist", **page), known(stack, new_page, "admin", **page)
    patient.sign_in()
    patient.set_passphrase()
    scan_id = patient.upload(scan_file)
    doctor.sign_in()
    doctor.analyse(scan_id)
    doctor.verify(scan_id)
    with stack.app.app_context():
        eventually(lambda: scan_of(stack, scan_id).status is Status.DOCTOR_VERIFIED)
    pharmacist.sign_in()
    pharmacist.complete(scan_id)
    with stack.app.app_context():
        eventually(lambda: scan_of(stack, scan_id).status is Status.PHARMACIST_COMPLETED)

    admin.sign_in_with_code()
    admin.ask_for_approval_code(scan_id)
    admin.approve(scan_id, stack.mailbox.code_for(admin.email, 2))
    expect(admin.page.get_by_text(re.compile("released|approved", re.I)).first).to_be_visible()

    (mail,) = eventually(lambda: stack.mailbox.to(patient.email, "report is ready"), 90)  # type: ignore[misc]
    (attachment,) = mail.iter_attachments()
    with pytest.raises(pikepdf.PasswordError):
        pikepdf.open(io.BytesIO(attachment.get_content()))
    with pikepdf.open(io.BytesIO(attachment.get_content()), password=PASSPHRASE) as pdf:
        assert pdf.encryption.bits == 256

    patient.page.goto(f"/patient/scans/{scan_id}")
    link = patient.page.locator("a[href*='/reports/'][href$='.pdf']").first
    expect(link).to_be_visible()
    answer = patient.page.context.request.get(str(link.get_attribute("href")))
    assert answer.status == 200
    with pikepdf.open(io.BytesIO(answer.body())) as pdf:
        assert len(pdf.pages) >= 1
    with stack.app.app_context():
        actors = [event.actor.name for event in scan_of(stack, scan_id).events]
        assert len(actors) == 5


def test_tc07_08_09_prescribed_approved_mailed_and_downloaded(
    stack: Stack, new_page: NewPage, scan_file: Path
) -> None:
    the_whole_way(stack, new_page, scan_file)


def test_the_same_without_javascript(stack: Stack, new_page: NewPage, scan_file: Path) -> None:
    the_whole_way(stack, new_page, scan_file, javascript=False)


@pytest.mark.postgres
def test_the_same_on_postgresql(postgres_stack: Stack, new_page: NewPage, scan_file: Path) -> None:
    the_whole_way(postgres_stack, new_page, scan_file)


def test_tc10_a_wrong_password_answers_401_with_the_form(stack: Stack, new_page: NewPage) -> None:
    patient = known(stack, new_page, "patient")
    page = patient.page
    with page.expect_response(
        lambda answer: answer.url.endswith("/login") and answer.request.method == "POST"
    ) as got:
        patient.try_to_sign_in(PASSWORD + "x")
    assert got.value.status == 401
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_label("E-mail address")).to_have_value(patient.email)
