"""Passkeys in a real Chromium, whose virtual authenticator stands for the device with its fingerprint."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, Route, expect
from sqlalchemy import update

from csss.auth.models import UserSession
from csss.clock import now
from csss.database import db, transaction
from csss.outbox import DISPATCHER
from csss.people.models import User
from csss.reports import queries as reports
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.browser.accessibility import sideways, violations
from tests.factories import PASSWORD, Clinic
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser, pages")]


@dataclass
class Device:
    """A browser with a device that can ask for a finger. Browsers make no passkeys for an IP address, so the site is
    opened by its name."""

    page: Page
    site: str
    cdp: CDPSession
    id: str

    def open(self, path: str) -> None:
        self.page.goto(f"{self.site}{path}")

    def finger(self, right: bool) -> None:
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": right})

    def sign_in(self, email: str) -> None:
        self.open("/login")
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out", exact=True).first.click()
        expect(self.page.get_by_text("You are signed out.")).to_be_visible()

    def register(self, name: str, password: str = PASSWORD) -> None:
        self.page.get_by_label("Name of this passkey").fill(name)
        self.page.get_by_label("Current password").fill(password)
        self.page.get_by_role("button", name="Register a passkey").click()


@pytest.fixture
def device(stack: Stack, new_page: Callable[..., Page]) -> Device:
    page = new_page(stack)
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    added = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Device(page, stack.url.replace("127.0.0.1", "localhost"), cdp, added["authenticatorId"])


def test_the_name_stays_when_the_session_has_ended_meanwhile(stack: Stack, device: Device) -> None:
    with stack.app.app_context():
        person = Clinic(stack.app).person("doctor", email="passkey-late@csss.example")
        email, user_id = person.email, person.id
        db.session.remove()
    page = device.page
    device.sign_in(email)
    expect(page).to_have_url(f"{device.site}/doctor/")
    device.open("/account/passkeys/new")
    with stack.app.app_context(), transaction():
        mine = update(UserSession).where(UserSession.user_id == user_id)
        db.session.execute(mine.values(last_used_at=now() - timedelta(minutes=61)))
    device.register("Ward tablet")
    notice = page.get_by_role("alert").filter(has_text="Your session has ended")
    with page.expect_popup() as opened:
        notice.get_by_role("link", name="Sign in again").click()
    again = opened.value
    again.get_by_label("E-mail address").fill(email)
    again.get_by_label("Password").fill(PASSWORD)
    again.get_by_role("button", name="Sign in", exact=True).click()
    expect(again.get_by_role("button", name="Sign out")).to_be_visible()
    again.close()
    expect(page.get_by_label("Name of this passkey")).to_have_value("Ward tablet")
    page.get_by_role("button", name="Register a passkey").click()
    expect(page.get_by_text("The passkey is registered.")).to_be_visible()


def test_a_doctor_registers_a_passkey_and_signs_in_with_it(
    stack: Stack, device: Device, new_page: Callable[..., Page]
) -> None:
    with stack.app.app_context():
        email = Clinic(stack.app).person("doctor", email="passkey-doctor@csss.example").email
        db.session.remove()
    page = device.page
    problem = page.locator("[data-passkey-problem]")
    device.sign_in(email)
    device.open("/account")
    page.get_by_role("link", name="Register a passkey").click()
    expect(page.get_by_label("Name of this passkey")).to_have_value("Chrome on Linux")
    assert not violations(page)
    device.register("Ward tablet", password="not this one, certainly")
    expect(problem).to_have_text("This is not your current password.")
    expect(page.get_by_label("Current password")).to_be_focused()
    device.finger(False)
    device.register("Ward tablet")
    expect(problem).to_contain_text("No passkey was used")
    device.finger(True)
    device.register("Ward tablet")
    expect(page.get_by_text("The passkey is registered.")).to_be_visible()
    expect(page.locator("#passkeys")).to_contain_text("Ward tablet")
    assert not violations(page)
    page.get_by_role("link", name="Add another passkey").click()
    device.register("Twice")
    expect(problem).to_have_text("This device has a passkey for this account already.")
    device.sign_out()

    device.sign_in(email)
    expect(page.get_by_role("heading", name="Show your passkey")).to_be_visible()
    assert not violations(page)
    page.set_viewport_size({"width": 320, "height": 800})
    assert sideways(page) <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
    device.finger(False)
    page.get_by_role("button", name="Use your passkey").click()
    expect(problem).to_contain_text("No passkey was used")
    device.finger(True)
    page.get_by_role("button", name="Use your passkey").click()
    expect(page).to_have_url(f"{device.site}/doctor/")
    device.sign_out()

    device.open("/login")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    assert not violations(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{device.site}/doctor/")

    # Where passkeys cannot work, by the machine's number or without script, the page says so and codes do.
    for page, sentence in (
        (new_page(stack), f"Passkeys work only at {device.site}. Open this page there."),
        (new_page(stack, javascript=False), "A passkey needs JavaScript"),
    ):
        Device(page, stack.url, device.cdp, "").sign_in(email)
        expect(page.locator("#login-code")).to_contain_text(sentence)
        expect(page.get_by_role("button", name="Use your passkey")).to_be_hidden()
        page.get_by_role("button", name="Send a code by e-mail").click()
        expect(page.get_by_label("Six-digit code")).to_be_visible()


def test_an_administrator_approves_with_a_passkey(stack: Stack, device: Device) -> None:
    with stack.app.app_context():
        clinic = Clinic(stack.app)
        email = clinic.person("admin", email="passkey-admin@csss.example").email
        kept, stack.app.extensions[DISPATCHER] = stack.app.extensions[DISPATCHER], lambda row_id, queue: None
        scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
        stack.app.extensions[DISPATCHER] = kept
        db.session.remove()
    page = device.page
    device.sign_in(email)
    page.get_by_label("Six-digit code").fill(stack.mailbox.code_for(email))
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{device.site}/admin/")
    device.open("/account/passkeys/new")
    device.register("Office key")
    expect(page.get_by_text("The passkey is registered.")).to_be_visible()
    device.open(f"/admin/scans/{scan_id}")
    assert not violations(page)
    button = page.get_by_role("button", name="Approve with your passkey")

    def another_question(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "challenge": "QUJD" * 11})

    page.route(f"**/admin/scans/{scan_id}/passkey", another_question)
    button.click()
    expect(page.locator("[data-passkey-problem]")).to_contain_text("was not accepted")
    page.unroute(f"**/admin/scans/{scan_id}/passkey")
    button.click()
    expect(page.get_by_text("The report is released.")).to_be_visible()
    assert _approved_with(stack, scan_id, email) == "passkey"


def test_an_administrator_erases_with_a_passkey_and_may_still_type_a_code(
    stack: Stack, device: Device
) -> None:
    with stack.app.app_context():
        clinic = Clinic(stack.app)
        email = clinic.person("admin", email="erasing-admin@csss.example").email
        people = [clinic.person("patient", email=f"erased{at}@csss.example") for at in range(2)]
        known = [(each.id, each.patient.mrn) for each in people if each.patient]
        db.session.remove()
    page = device.page
    device.sign_in(email)
    page.get_by_label("Six-digit code").fill(stack.mailbox.code_for(email))
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{device.site}/admin/")
    device.open("/account/passkeys/new")
    device.register("Office key")
    expect(page.get_by_text("The passkey is registered.")).to_be_visible()

    (first, mrn), (second, _) = known
    device.open(f"/admin/patients/{first}/erase")
    assert not violations(page)
    button = page.get_by_role("button", name="Erase this patient permanently, with your passkey")
    page.get_by_label("Reason").fill("Asked for by letter")
    page.get_by_label("MRN of this patient").fill("12345678")
    button.click()
    expect(page.locator("[data-passkey-problem]")).to_contain_text("This is not the MRN of this patient")
    expect(page.get_by_label("MRN of this patient")).to_be_focused()
    page.get_by_label("MRN of this patient").fill(mrn)
    button.click()
    expect(page.get_by_text("This patient has been erased")).to_be_visible()

    # A code that was typed is meant when Enter is pressed, and no passkey is asked for.
    device.open(f"/admin/patients/{second}/erase")
    page.get_by_label("Reason").fill("Asked for by letter")
    page.get_by_label("MRN of this patient").fill(known[1][1])
    page.get_by_label("Code", exact=True).fill("123456")
    page.get_by_label("Code", exact=True).press("Enter")
    expect(page.locator("#code-error")).to_contain_text("This code is not right")
    expect(page.get_by_label("Reason")).to_have_value("Asked for by letter")


def _approved_with(stack: Stack, scan_id: uuid.UUID, email: str) -> str:
    with stack.app.app_context():
        approval = reports.approval(db.session.get_one(Scan, scan_id))
        assert approval is not None and db.session.get_one(User, approval.admin_id).email == email
        return approval.second_factor
