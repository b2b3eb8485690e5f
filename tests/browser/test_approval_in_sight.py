"""Approving on the small screen of an old PC: what is approved and the button are seen at once."""

import uuid

import pytest
from playwright.sync_api import Page, expect

from csss.auth import accounts
from csss.database import db, transaction
from csss.people.models import User
from csss.scans.states import Status
from tests.browser.people import Person
from tests.browser.test_reading_page import NewPage
from tests.browser.test_workstation import SMALL, in_sight
from tests.factories import Clinic
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser, walks")]
ROLES = ("doctor", "pharmacist", "admin")


@pytest.fixture
def desk(stack: Stack, new_page: NewPage) -> tuple[Page, str]:
    """An administrator's page, and the address of a report that can be approved."""
    with stack.app.app_context():
        clinic = Clinic(stack.app)
        patient = clinic.person("patient", email=f"{uuid.uuid4().hex}@csss.example", name="Noor Fathima")
        with transaction():
            accounts.update_profile(
                db.session.get_one(User, patient.id), {"allergies": "Penicillin: rash all over as a baby"}
            )
        people = {role: clinic.person(role, email=f"{uuid.uuid4().hex}@csss.example") for role in ROLES}
        scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient, **people).id
        email = people["admin"].email
    page = new_page(stack)
    page.set_viewport_size(SMALL)
    Person(page, stack, email).sign_in_with_code()
    return page, f"/admin/scans/{scan_id}"


def test_what_is_approved_is_in_sight_beside_the_button(desk: tuple[Page, str]) -> None:
    page, address = desk
    page.goto(address)
    short = page.locator("#short")
    for part in (
        page.get_by_text("years, female"),
        short.get_by_role("img", name="Scan of Noor Fathima"),
        short.get_by_text("Normal chest"),
        short.get_by_text("Amoxicillin"),
        short.get_by_text("500 mg"),
        short.get_by_text("Asked for again."),
        short.get_by_text("Penicillin: rash all over as a baby"),
        page.get_by_role("button", name="Send me a code by e-mail"),
        page.get_by_role("button", name="Approve and release"),
    ):
        expect(part.first).to_be_visible()
        assert in_sight(page, part.first), part


def test_the_code_is_typed_without_a_further_press(desk: tuple[Page, str]) -> None:
    page, address = desk
    page.goto(address)
    page.get_by_role("button", name="Send me a code by e-mail").click()
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
