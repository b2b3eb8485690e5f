"""How many presses each role's job takes, counted and printed (`pytest -s`). Typed text is no press."""

import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from csss.database import db, transaction
from csss.people.models import User
from csss.prescriptions import templates
from csss.prescriptions.lines import Line
from csss.scans.models import Scan
from csss.scans.states import Priority, Status
from tests.browser.people import Person
from tests.browser.test_reading_page import NewPage
from tests.factories import Clinic, picture
from tests.stack import Stack, eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser, walks")]


class Counted:
    """A person whose presses are counted."""

    def __init__(self, stack: Stack, make: NewPage, role: str) -> None:
        self.stack, self.presses = stack, 0
        with stack.app.app_context():
            user = Clinic(stack.app).person(role, email=f"{uuid.uuid4().hex}@csss.example")
            self.id, self.email = user.id, user.email
        self.page: Page = make(stack)
        person = Person(self.page, stack, self.email)
        if role == "admin":
            person.sign_in_with_code()
        else:
            person.sign_in()

    def press(self, target: Locator) -> None:
        self.presses += 1
        target.click()

    def choose(self, target: Locator, label: str) -> None:
        """One line of a drop-down list: it is opened, and the line is pressed."""
        self.presses += 2
        target.select_option(target.locator("option", has_text=label).get_attribute("value"))

    def button(self, words: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=words, exact=isinstance(words, str))

    def case(self, status: Status, **more: object) -> tuple[uuid.UUID, str]:
        """A patient's scan that is urgent, so that it comes first, and the patient's name."""
        with self.stack.app.app_context():
            clinic = Clinic(self.stack.app)
            name = f"Asha {uuid.uuid4().hex[:8]}"
            people = {
                role: clinic.person(role, email=f"{uuid.uuid4().hex}@csss.example")
                for role in ("doctor", "pharmacist")
            }
            patient = clinic.person("patient", name=name, email=f"{uuid.uuid4().hex}@csss.example")
            scan_id = clinic.scan(status, patient=patient, **people).id
            with transaction():
                db.session.get_one(Scan, scan_id).priority = Priority.URGENT
            return scan_id, name

    def becomes(self, scan_id: uuid.UUID, status: Status) -> None:
        def there() -> bool:
            with self.stack.app.app_context():
                return db.session.get_one(Scan, scan_id).status is status

        eventually(there, 60)

    def took(self, at_most: int, what: str) -> None:
        print(f"\n{what}: {self.presses} presses (at most {at_most})")
        assert self.presses <= at_most, f"{what} takes {self.presses} presses"


def test_a_doctor_reads_by_template_and_goes_on_to_the_next(stack: Stack, new_page: NewPage) -> None:
    doctor = Counted(stack, new_page, "doctor")
    doctor.case(Status.AI_ANALYZED), doctor.case(Status.AI_ANALYZED)  # the second comes next
    page = doctor.page
    page.goto("/doctor/")
    doctor.press(page.get_by_role("link", name="Read the next one"))
    expect(page).to_have_url(re.compile("/doctor/scans/"))
    read = uuid.UUID(page.url.rpartition("/")[2])
    doctor.press(doctor.button("Insert"))
    expect(page.get_by_label("Findings")).not_to_have_value("")
    doctor.press(doctor.button("I agree: sign, next scan"))
    expect(page).not_to_have_url(re.compile(str(read)))
    expect(page).to_have_url(re.compile("/doctor/scans/"))
    doctor.becomes(read, Status.DOCTOR_VERIFIED)
    with stack.app.app_context():
        signed = db.session.get_one(Scan, read).review
        assert signed is not None and signed.agreement is not None and signed.diagnosis
    doctor.took(3, "doctor by template, from the worklist to the next scan")


def test_a_pharmacist_completes_by_template(stack: Stack, new_page: NewPage) -> None:
    pharmacist = Counted(stack, new_page, "pharmacist")
    scan_id, name = pharmacist.case(Status.DOCTOR_VERIFIED)
    title = f"Pneumonia {uuid.uuid4().hex[:6]}"
    with stack.app.app_context(), transaction():
        by = db.session.get_one(User, pharmacist.id)
        lines = [Line("Amoxicillin", "500 mg", "oral", "three times a day", "5 days")]
        templates.keep(None, name=title, lines=lines, notes="", shared=False, by=by)
    page = pharmacist.page
    page.goto("/pharmacist/")
    pharmacist.press(page.get_by_role("link", name=name).first)
    pharmacist.choose(page.get_by_label("Fill in from a template"), title)
    pharmacist.press(pharmacist.button("Fill in this template"))
    expect(page.locator("[name=drug]").first).to_have_value("Amoxicillin")
    pharmacist.press(pharmacist.button("Complete, and the next one"))
    pharmacist.becomes(scan_id, Status.PHARMACIST_COMPLETED)
    pharmacist.took(5, "pharmacist by template, from the list to the next one")


def test_an_administrator_approves_one_report(stack: Stack, new_page: NewPage) -> None:
    admin = Counted(stack, new_page, "admin")
    scan_id, name = admin.case(Status.PHARMACIST_COMPLETED)
    page = admin.page
    page.goto("/admin/")
    admin.press(page.get_by_role("link", name=name).first)
    admin.press(admin.button("Send me a code by e-mail"))
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    page.keyboard.type(stack.mailbox.code_for(admin.email, 2))
    admin.press(admin.button("Approve and release"))
    admin.becomes(scan_id, Status.REPORT_READY)
    admin.took(3, "administrator, one report, beside the code")


def test_a_patient_sends_a_scan(stack: Stack, new_page: NewPage, tmp_path: Path) -> None:
    patient = Counted(stack, new_page, "patient")
    file = tmp_path / "scan.png"
    file.write_bytes(picture())
    page = patient.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/patient/")
    send = page.get_by_role("link", name="Send a new scan")
    if send.is_visible():
        patient.press(send)
    patient.presses += 1  # the file, chosen in the telephone's own window
    page.get_by_label("Picture of the scan").set_input_files(file)
    patient.press(page.get_by_label("Chest X-ray"))
    patient.press(patient.button("Send scan"))

    def there() -> bool:
        with stack.app.app_context():
            mine = select(Scan).join(Scan.patient).where(Scan.patient.has(user_id=patient.id))
            return db.session.scalars(mine).first() is not None

    eventually(there, 60)
    patient.took(4, "patient, a scan is sent")
