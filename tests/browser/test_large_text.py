"""Letters twice as large, as people set them in their browser (WCAG 1.4.4, 1.4.10): all can be read and done."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import sideways, widest
from tests.browser.test_workstation import box, in_sight
from tests.browser.ward import ROLES, NewPage, signed_in
from tests.conftest import CHROMIUM
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
LETTERS = "--blink-settings=defaultFontSize=32,defaultFixedFontSize=26"
PHONE, OLD_PC = {"width": 360, "height": 640}, {"width": 1280, "height": 720}
Ward = dict[str, tuple[str, list[str]]]


@pytest.fixture(scope="module")
def magnified(browser: Browser) -> Iterator[Browser]:
    large = browser.browser_type.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", LETTERS])
    yield large
    large.close()


@pytest.fixture
def large_page(magnified: Browser) -> Iterator[NewPage]:
    contexts = []

    def make(stack: Stack, **more: object) -> Page:
        contexts.append(magnified.new_context(base_url=stack.url, service_workers="block"))
        return contexts[-1].new_page()

    yield make
    for context in contexts:
        context.close()


def first(ward: Ward, role: str, page: Page, holds: str) -> None:
    """Open the first page of this role about a scan that has this."""
    for address in ward[role][1]:
        if f"/{role}/scans/" in address and "." not in address and "-state" not in address:
            page.goto(address)
            if page.locator(holds).count():
                return
    raise AssertionError(f"no page of the {role} has {holds}")


@pytest.mark.parametrize("role", ROLES)
def test_nothing_scrolls_sideways_on_a_phone(
    stack: Stack, large_page: NewPage, ward: Ward, role: str
) -> None:
    page, found = signed_in(stack, large_page, ward, role), []
    page.set_viewport_size(PHONE)
    for address in ward[role][1]:
        page.goto(address)
        if sideways(page) > 0:
            found.append(f"{address}: {widest(page)}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("screen", [PHONE, OLD_PC], ids=["phone", "old PC"])
def test_a_scan_is_read_and_signed(
    stack: Stack, large_page: NewPage, ward: Ward, screen: dict[str, int]
) -> None:
    page = signed_in(stack, large_page, ward, "doctor")
    page.set_viewport_size(screen)  # type: ignore[arg-type]
    first(ward, "doctor", page, "[data-sign]")
    picture = box(page.locator(".viewer__base").first)
    assert picture["height"] > 200 and picture["y"] < screen["height"] * 2 / 3, "the picture comes first"
    for part in (page.get_by_label("Findings"), page.get_by_role("button", name="Verify and sign")):
        part.scroll_into_view_if_needed()
        assert in_sight(page, part), part


def test_a_report_is_seen_and_approved(stack: Stack, large_page: NewPage, ward: Ward) -> None:
    page = signed_in(stack, large_page, ward, "admin")
    page.set_viewport_size(PHONE)
    first(ward, "admin", page, "form[action$=approve]")
    for part in (
        page.locator("#short").get_by_text("Normal chest"),
        page.locator("#short").get_by_text("Amoxicillin"),
        page.get_by_role("button", name="Approve and release"),
    ):
        part.scroll_into_view_if_needed()
        assert in_sight(page, part), part


def test_a_scan_is_sent(stack: Stack, large_page: NewPage, ward: Ward) -> None:
    page = signed_in(stack, large_page, ward, "patient")
    page.set_viewport_size(PHONE)
    page.goto("/patient/")
    page.get_by_role("link", name="Send a new scan").click()
    send = page.get_by_role("button", name="Send scan")
    expect(send).to_be_visible()
    send.scroll_into_view_if_needed()
    assert in_sight(page, send)
