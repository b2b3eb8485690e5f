"""The way of a scan with the keyboard alone, and past the navigation with the first Tab."""

import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from csss.database import db
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.browser.ward import ROLES, NewPage, signed_in
from tests.factories import PASSWORD, Clinic
from tests.stack import Stack, eventually

# Three processes of the run have a browser and a stack: for these, for "browser, walks" and for "browser, pages".
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


# The keyboard alone


def reach(page: Page, target: Locator) -> None:
    """Tab until `target` has the focus, as somebody without a mouse does."""
    expect(target).to_be_attached()
    for _ in range(150):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached with the Tab key")


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    reach(page, target)
    expect(target).to_be_focused()
    target.press(key)  # unlike `page.keyboard` it waits for the page that this leads to


def write(page: Page, target: Locator, text: str) -> None:
    reach(page, target)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def choose(page: Page, name: str, value: str) -> None:
    """Choose a radio button: Tab into the group, then the arrow keys."""
    group = page.locator(f"input[type=radio][name={name}]")
    checked = page.locator(f"input[type=radio][name={name}]:checked")
    reach(page, checked if checked.count() else group.first)
    page.keyboard.press("Space")
    for _ in range(group.count()):
        if page.locator(f"input[name={name}][value={value}]").is_checked():
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"{value} cannot be chosen with the arrow keys")


def sign_in(page: Page, email: str) -> None:
    page.goto("/login")
    write(page, page.get_by_label("E-mail address"), email)
    write(page, page.get_by_label("Password"), PASSWORD)
    page.keyboard.press("Enter")


def test_the_whole_way_with_the_keyboard_alone(stack: Stack, new_page: NewPage, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "csss" / "demo" / "scans"
    picture = tmp_path / "scan.jpg"
    picture.write_bytes(next(iter(sorted(source.glob("Normal*.jpg")))).read_bytes())
    with stack.app.app_context():
        clinic = Clinic(stack.app)
        emails = {role: clinic.person(role).email for role in ROLES}

    page = new_page(stack)
    # Chromium hands the dialogue over only to a page that listens from the beginning.
    page.on("filechooser", lambda _: None)
    sign_in(page, emails["patient"])
    expect(page).to_have_url(re.compile("/patient/$"))
    reach(page, page.get_by_label("Picture of the scan"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(picture)
    choose(page, "kind", "chest_xray")
    write(page, page.get_by_label("Why was the scan made?"), "Cough")
    press(page, page.get_by_role("button", name=re.compile("Send scan")))
    page.wait_for_url(re.compile(r"/patient/scans/[0-9a-f-]{36}"))
    scan = page.url.rstrip("/").rpartition("/")[2]

    page = new_page(stack)
    sign_in(page, emails["doctor"])
    expect(page).to_have_url(re.compile("/doctor/$"))
    page.goto(f"/doctor/scans/{scan}")
    with page.expect_response(re.compile("/analyze$")):  # else the page.goto below might interrupt it
        press(page, page.get_by_role("button", name="Analyse").first)

    def analysed() -> bool:
        page.wait_for_timeout(400)
        page.goto(f"/doctor/scans/{scan}")
        return page.get_by_role("button", name="Verify").first.is_visible()

    eventually(analysed, 90)
    write(page, page.locator("[name=findings]"), "Clear lungs.")
    write(page, page.locator("[name=impression]"), "No active disease.")
    write(page, page.locator("[name=diagnosis]"), "Normal chest")
    choose(page, "agreement", "agree")
    if page.locator("[name=read_myself]").count():
        press(page, page.locator("[name=read_myself]").first, "Space")
    press(page, page.get_by_role("button", name="Verify").first)
    eventually(lambda: _status(stack, scan) is Status.DOCTOR_VERIFIED, 60)

    page = new_page(stack)
    sign_in(page, emails["pharmacist"])
    expect(page).to_have_url(re.compile("/pharmacist/$"))
    page.goto(f"/pharmacist/scans/{scan}")
    write(page, page.locator("[name=notes]"), "Nothing to take.")
    press(page, page.locator("[name=none_needed]"), "Space")
    press(page, page.get_by_role("button", name=re.compile("Complete")).first)
    eventually(lambda: _status(stack, scan) is Status.PHARMACIST_COMPLETED, 60)

    page = new_page(stack)
    sign_in(page, emails["admin"])
    expect(page.get_by_label("Six-digit code")).to_be_visible()
    write(page, page.get_by_label("Six-digit code"), stack.mailbox.code_for(emails["admin"]))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/admin/$"))
    page.goto(f"/admin/scans/{scan}")
    press(page, page.get_by_role("button", name="Send me").first)
    expect(page.get_by_role("button", name="Send me another code")).to_be_visible()
    code = stack.mailbox.code_for(emails["admin"], 2)
    write(page, page.locator("[name=code]").first, code)
    press(page, page.get_by_role("button", name=re.compile("^Approve")).first)
    eventually(lambda: _status(stack, scan) is Status.REPORT_READY, 60)


def _status(stack: Stack, scan_id: str) -> Status:

    with stack.app.app_context():
        return db.session.get_one(Scan, uuid.UUID(scan_id), populate_existing=True).status


def test_the_first_tab_leads_past_the_navigation(
    stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]]
) -> None:
    page = signed_in(stack, new_page, ward, "doctor")
    page.goto("/doctor/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
