"""What people do on the pages, in their words; the tests read like the steps of a person."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.factories import PASSPHRASE, PASSWORD
from tests.stack import Stack, eventually


class Person:
    """Somebody in front of a browser."""

    def __init__(self, page: Page, stack: Stack, email: str) -> None:
        self.page, self.stack, self.email = page, stack, email

    def register(self, role: str, name: str) -> None:
        page = self.page
        page.goto("/register")
        page.get_by_label(role, exact=True).check()
        page.get_by_label("Full name").fill(name)
        page.get_by_label("E-mail address").fill(self.email)
        page.get_by_label("Password").fill(PASSWORD)
        if role == "Patient":
            page.get_by_label("Date of birth").fill("1984-05-06")
            page.get_by_label("Sex").select_option("female")
            page.get_by_label("Phone").fill("+91 44 5550 0199")
        page.get_by_role("button", name="Register").click()
        expect(page).to_have_url(re.compile("/login"))

    def confirm_address(self) -> None:
        """Follow the link in the mail."""
        mails = eventually(lambda: self.stack.mailbox.to(self.email, "Confirm"))
        link = re.search(r"https?://\S+/confirm/\S+", mails[-1].get_content())  # type: ignore[index]
        assert link is not None
        self.page.goto(link[0])
        self.page.get_by_role("button", name="Confirm this address").click()
        expect(self.page.get_by_text("confirmed").first).to_be_visible()

    def try_to_sign_in(self, password: str = PASSWORD) -> None:
        self.page.goto("/login")
        self.page.get_by_label("E-mail address").fill(self.email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def sign_in(self) -> None:
        self.try_to_sign_in()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def sign_in_with_code(self, number: int = 1) -> None:
        """An administrator's way in; the code is the `number`-th that this person is sent."""
        self.try_to_sign_in()
        self.enter_code(self.stack.mailbox.code_for(self.email, number))
        expect(self.page).to_have_url(re.compile(r"/admin/$"))

    def enter_code(self, code: str) -> None:
        self.page.get_by_label("Six-digit code").fill(code)
        self.page.get_by_role("button", name="Continue").first.click()

    def set_passphrase(self) -> None:
        self.page.goto("/account")
        self.page.locator("[name=report_passphrase]").first.fill(PASSPHRASE)
        self.page.locator("#passphrase-password").fill(PASSWORD)
        self.page.get_by_role("button", name="Set the pass phrase").first.click()
        expect(self.page.locator("#remove-passphrase summary")).to_be_visible()

    def upload(self, picture: Path, indication: str = "Cough and fever for a week") -> str:
        """Send a scan; returns its id."""
        page = self.page
        page.goto("/patient/")
        page.get_by_label("Picture of the scan").set_input_files(picture)
        page.get_by_label("Chest X-ray").check()
        page.get_by_label("Why was the scan made?").fill(indication)
        page.get_by_role("button", name=re.compile("Send|Upload")).first.click()
        page.wait_for_url(re.compile(r"/patient/scans/[0-9a-f-]{36}"))
        return page.url.rstrip("/").rpartition("/")[2]

    def analyse(self, scan_id: str) -> None:
        page = self.page
        page.goto(f"/doctor/scans/{scan_id}")
        with page.expect_response(re.compile("/analyze$")):  # else the page.goto below might interrupt it
            page.get_by_role("button", name="Analyse").first.click()
        # The page asks again by itself where scripts run; where they do not, the doctor does.
        verify = page.get_by_role("button", name="Verify").first

        def there() -> bool:
            page.wait_for_timeout(300)
            if not verify.is_visible():
                page.goto(f"/doctor/scans/{scan_id}")
            return verify.is_visible()

        eventually(there, 90)

    def verify(self, scan_id: str, findings: str = "Patchy opacity in the left lower zone.") -> None:
        page = self.page
        page.goto(f"/doctor/scans/{scan_id}")
        page.locator("[name=findings]").fill(findings)
        page.locator("[name=impression]").fill("Pneumonia is likely.")
        page.locator("[name=diagnosis]").fill("Community-acquired pneumonia")
        page.locator("[name=agreement][value=partly]").check()
        own_reading = page.locator("[name=read_myself]")
        if own_reading.count():
            own_reading.first.check()
        page.get_by_role("button", name="Verify").first.click()

    def complete(self, scan_id: str) -> None:
        page = self.page
        page.goto(f"/pharmacist/scans/{scan_id}")
        page.locator("[name=drug]").first.fill("Amoxicillin")
        page.locator("[name=dose]").first.fill("500 mg")
        page.locator("[name=route]").first.select_option("oral")
        page.locator("[name=frequency]").first.fill("three times a day")
        page.locator("[name=duration]").first.fill("5 days")
        page.locator("[name=notes]").fill("Take with food.")
        page.get_by_role("button", name=re.compile("Complete")).first.click()

    def ask_for_approval_code(self, scan_id: str) -> None:
        self.page.goto(f"/admin/scans/{scan_id}")
        self.page.get_by_role("button", name="Send me").first.click()
        # What is typed before the answer has come is lost with it, and the mail may be quicker.
        expect(self.page.get_by_role("button", name="Send me another code")).to_be_visible()

    def approve(self, scan_id: str, code: str) -> None:
        self.page.locator("[name=code]").first.fill(code)
        self.page.get_by_role("button", name=re.compile("^Approve")).first.click()
