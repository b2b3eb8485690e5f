"""The session ends while somebody writes: with script the page stays, without it the text comes back. And what the page of
the second step says of a mailed code changes by itself."""

import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from playwright.sync_api import Error, Page, expect
from sqlalchemy import select, update

from csss.auth.models import UnsentForm, UserSession
from csss.clock import now
from csss.database import db, transaction
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.browser.people import Person
from tests.factories import PASSWORD, Clinic
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser, walks")]
NewPage = Callable[..., Page]


class Writer:
    """Somebody who writes on a scan's page; the session may end meanwhile."""

    def __init__(self, stack: Stack, make: NewPage, role: str, status: Status, **page: object) -> None:
        self.stack = stack
        with stack.app.app_context():
            clinic = Clinic(stack.app)
            person = clinic.person(role, email=f"{uuid.uuid4().hex}@csss.example")
            patient = clinic.person("patient", email=f"{uuid.uuid4().hex}@csss.example")
            staff = {}
            for each in ("doctor", "pharmacist"):
                staff[each] = (
                    person if each == role else clinic.person(each, email=f"{uuid.uuid4().hex}@csss.example")
                )
            self.user_id, self.email = person.id, person.email
            self.scan_id = clinic.scan(status, patient=patient, **staff).id
        self.page = make(stack, **page)
        Person(self.page, stack, self.email).sign_in()
        self.address = f"/{role}/scans/{self.scan_id}"
        self.page.goto(self.address)

    def end_session(self) -> None:
        """By not being used for an hour."""
        with self.stack.app.app_context(), transaction():
            mine = update(UserSession).where(UserSession.user_id == self.user_id)
            db.session.execute(mine.values(last_used_at=now() - timedelta(minutes=61)))

    def sign_in(self, page: Page) -> None:
        page.get_by_label("E-mail address").fill(self.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    def status(self) -> Status:
        with self.stack.app.app_context():
            db.session.rollback()
            return db.session.get_one(Scan, self.scan_id, populate_existing=True).status


def prescribe(page: Page) -> None:
    page.get_by_label("Medicine", exact=True).fill("Paracetamol")
    page.get_by_label("Dose").fill("500 mg")
    page.get_by_label("Frequency").fill("twice a day")
    page.get_by_label(re.compile("^Notes")).fill("After meals")


def read(page: Page) -> None:
    page.get_by_label("Findings").fill("Opacity in the left lower zone")
    page.get_by_label(re.compile("^Diagnosis")).fill("Pneumonia")
    page.get_by_label("I agree in part").check()


def test_with_script_a_prescription_stays_on_the_page_and_is_sent_after_signing_in(
    stack: Stack, new_page: NewPage
) -> None:
    writer = Writer(stack, new_page, "pharmacist", Status.DOCTOR_VERIFIED)
    page = writer.page
    prescribe(page)
    writer.end_session()
    button = page.get_by_role("button", name="Complete the prescription")
    button.click()
    notice = page.get_by_role("alert").filter(has_text="Your session has ended")
    expect(notice).to_contain_text("what you have entered is still here")
    expect(page).to_have_url(re.compile(writer.address))
    expect(page.get_by_label("Medicine", exact=True)).to_have_value("Paracetamol")
    with page.expect_popup() as opened:
        notice.get_by_role("link", name="Sign in again").click()
    writer.sign_in(opened.value)
    opened.value.close()
    assert writer.status() is Status.DOCTOR_VERIFIED, "nothing is sent by itself"
    button.click()
    expect(page.get_by_text("The prescription is complete")).to_be_visible()
    assert writer.status() is Status.PHARMACIST_COMPLETED
    leftovers = page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert "Paracetamol" not in leftovers


def test_with_script_a_reading_stays_on_the_page_and_is_signed_after_signing_in(
    stack: Stack, new_page: NewPage
) -> None:
    writer = Writer(stack, new_page, "doctor", Status.AI_ANALYZED)
    page = writer.page
    page.get_by_label("Findings").fill("Opacity")
    writer.end_session()
    read(page)  # after the last draft that could be kept: none is kept any more
    notice = page.get_by_role("alert").filter(has_text="Your session has ended")
    expect(notice).to_be_visible()  # already while writing
    with page.expect_popup() as opened:
        notice.get_by_role("link", name="Sign in again").click()
    writer.sign_in(opened.value)
    opened.value.close()
    expect(page.get_by_label("Findings")).to_have_value("Opacity in the left lower zone")
    page.get_by_role("button", name="Verify and sign").click()
    expect(page.get_by_text("The scan has been verified")).to_be_visible()
    assert writer.status() is Status.DOCTOR_VERIFIED


def test_with_script_a_page_on_which_nothing_was_typed_is_left(stack: Stack, new_page: NewPage) -> None:
    writer = Writer(stack, new_page, "doctor", Status.AI_ANALYZED)
    writer.end_session()
    with suppress(Error):  # a part of the page that asks by itself may have been quicker
        writer.page.evaluate("document.querySelector('[data-draft]').dispatchEvent(new Event('input'))")
    expect(writer.page).to_have_url(re.compile("/login"))


@pytest.mark.parametrize(
    ("role", "status", "write", "button", "moved_on"),
    [
        (
            "pharmacist",
            Status.DOCTOR_VERIFIED,
            prescribe,
            "Complete the prescription",
            Status.PHARMACIST_COMPLETED,
        ),
        ("doctor", Status.AI_ANALYZED, read, "Verify and sign", Status.DOCTOR_VERIFIED),
    ],
)
def test_without_script_the_text_comes_back_in_the_form(
    stack: Stack,
    new_page: NewPage,
    role: str,
    status: Status,
    write: Callable[[Page], None],
    button: str,
    moved_on: Status,
) -> None:
    writer = Writer(stack, new_page, role, status, javascript=False)
    page = writer.page
    write(page)
    names = "textarea, main input[name=drug], main input[name=dose], main input[name=diagnosis]"
    before = [each.input_value() for each in page.locator(names).all()]
    assert any(before)
    writer.end_session()
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text("the form then shows what you had entered")).to_be_visible()
    writer.sign_in(page)
    expect(page).to_have_url(re.compile(writer.address))
    expect(page.get_by_text("What you had entered is in the form again")).to_be_visible()
    assert [each.input_value() for each in page.locator(names).all()] == before
    assert writer.status() is status, "nothing is sent by itself"
    page.get_by_role("button", name=button).click()
    expect(page.locator("#messages").get_by_text(re.compile("complete|verified"))).to_be_visible()
    assert writer.status() is moved_on
    with stack.app.app_context():
        db.session.rollback()
        assert db.session.scalar(select(UnsentForm.id).where(UnsentForm.user_id == writer.user_id)) is None


def test_the_page_tells_by_itself_when_the_mail_server_has_taken_the_code(
    stack: Stack, new_page: NewPage
) -> None:
    with stack.app.app_context():
        email = Clinic(stack.app).person("admin", email=f"{uuid.uuid4().hex}@csss.example").email
    page = new_page(stack)
    admin = Person(page, stack, email)
    admin.try_to_sign_in()
    page.get_by_label("Six-digit code").fill("12")
    state = page.locator("#code-state")
    expect(state).to_contain_text("We sent a six-digit code")
    expect(page.get_by_label("Six-digit code")).to_have_value("12")  # nothing that is typed is lost
    admin.enter_code(stack.mailbox.code_for(email, 1))
    expect(page).to_have_url(re.compile(r"/admin/$"))
