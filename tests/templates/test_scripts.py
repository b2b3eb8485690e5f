"""Our scripts and the forms they help, in a real Chromium: with script, and without it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

# As in tests/browser/conftest.py, which is not read when this file runs alone.
expect.set_options(timeout=30_000)

# The browser is in one process of a parallel run.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def page(browser: Browser, shell_url: str) -> Iterator[Page]:
    """A page that fails the test when the browser refuses something because of the policy."""
    refused: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if re.search(r"Content.Security|Permissions-Policy|Refused", message.text):
            refused.append(message.text)

    context = browser.new_context(base_url=shell_url)
    page = context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: refused.append(str(error)))
    yield page
    context.close()
    assert not refused


def test_a_refused_form_comes_back_in_place_with_the_focus_on_the_summary(page: Page) -> None:
    page.goto("/review")
    page.get_by_label("Name (optional)").fill("Mira")
    page.get_by_role("button", name="Send").click()
    summary = page.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    expect(page.get_by_label("Name (optional)")).to_have_value("Mira")
    expect(page.locator("#page-message")).to_be_empty()
    summary.get_by_role("link", name="Say which.").click()
    expect(page.get_by_label("Agree", exact=True)).to_be_focused()


def test_an_accepted_form_leads_on(page: Page) -> None:
    page.goto("/review")
    page.get_by_label("Findings").fill("Clear.")
    page.get_by_label("Agree", exact=True).check()
    page.get_by_label("I have read this scan myself").check()
    page.get_by_role("button", name="Send").click()
    expect(page).to_have_title("Arrived · CSSS")


def test_an_error_page_is_never_swapped_in_but_somebody_speaks(page: Page) -> None:
    page.goto("/review")
    message = page.locator("#page-message")
    page.get_by_role("button", name="Fail").click()
    expect(message).to_have_text("It has been recorded. Try again in a minute.")
    page.get_by_role("button", name="Conflict").click()
    expect(message).to_have_text("Dr Lee verified this scan at 10:42.")
    page.route("**/fail/500", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.get_by_role("button", name="Fail").click()
    expect(message).to_contain_text("The server could not answer.")
    page.route("**/fail/500", lambda route: route.abort())
    page.get_by_role("button", name="Fail").click()
    expect(message).to_contain_text("The connection to the server is broken.")
    expect(page.get_by_label("Findings")).to_be_visible()


def test_an_ended_session_leads_to_another_page(page: Page) -> None:
    page.goto("/review")
    page.get_by_role("button", name="Gone").click()
    expect(page).to_have_title("Arrived · CSSS")


def test_lines_are_added_and_removed_on_the_spot(page: Page) -> None:
    page.goto("/review")
    page.get_by_label("Medicine").nth(1).fill("Amoxicillin")
    page.get_by_role("button", name="Add a medicine").click()
    third = page.locator("[name='items-2-drug']")
    expect(third).to_be_focused()
    expect(third).to_have_value("")
    page.get_by_role("button", name="Add a medicine").click()
    expect(page.get_by_role("button", name="Add a medicine")).to_be_hidden()  # max=4
    page.get_by_role("button", name="Remove medicine 1").click()
    expect(page.locator("[name='items-0-drug']")).to_have_value("Amoxicillin")
    expect(page.locator("label[for='items-2-route']")).to_be_visible()
    expect(page.locator("[data-repeat-row]")).to_have_count(3)


def test_a_password_can_be_shown(page: Page) -> None:
    page.goto("/review")
    page.get_by_label("Password").fill("secret word")
    page.get_by_role("button", name="Show password").click()
    expect(page.locator("#password")).to_have_attribute("type", "text")


def test_the_theme_is_remembered_and_nothing_else_is_kept(page: Page) -> None:
    page.goto("/review")
    page.locator(".colour-menu summary").click()
    page.get_by_role("button", name="Dark", exact=True).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark", exact=True)).to_be_hidden()
    expect(page.locator(".colour-menu summary")).to_be_focused()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}["theme"] == "dark"
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_an_upload_that_is_refused_keeps_its_file(page: Page) -> None:
    page.goto("/upload")
    picture = {"name": "chest.png", "mimeType": "image/png", "buffer": b"\x89PNG" + b"0" * 5000}
    page.get_by_label("Scan").set_input_files(picture)  # type: ignore[arg-type]
    expect(page.locator("[data-upload-preview] figcaption")).to_have_text("chest.png, 6 kB")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page.locator("#indication-error")).to_contain_text("Say why the scan was made.")
    assert page.evaluate("document.querySelector('#file').files[0].name") == "chest.png"
    page.get_by_label("Indication").fill("Cough")
    page.get_by_role("button", name="Upload").click()
    expect(page).to_have_url(re.compile(r"/arrived\?bytes=5004$"))


def test_a_picture_that_is_too_large_is_not_even_sent(page: Page) -> None:
    page.goto("/upload")
    large = {"name": "large.png", "mimeType": "image/png", "buffer": b"0" * 1_200_000}
    page.get_by_label("Scan").set_input_files(large)  # type: ignore[arg-type]
    page.on("request", lambda request: pytest.fail("sent") if request.method == "POST" else None)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#file-error")).to_have_text("The file has 1.2 MB; at most 1 MB can be sent.")


def test_progress_moves_and_the_upload_can_be_cancelled(page: Page) -> None:
    page.goto("/upload")
    session = page.context.new_cdp_session(page)
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 50, "downloadThroughput": 60_000, "uploadThroughput": 15_000},
    )
    picture = {"name": "slow.png", "mimeType": "image/png", "buffer": b"0" * 400_000}
    page.get_by_label("Scan").set_input_files(picture)  # type: ignore[arg-type]
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("[data-upload-status]")).to_have_text(re.compile("Sending: [1-9]0 %"))
    expect(page.get_by_role("button", name="Upload")).to_be_disabled()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#page-message")).to_have_text("The upload was cancelled. Nothing has been kept.")
    expect(page.get_by_role("button", name="Upload")).to_be_enabled()


def test_everything_works_without_script(browser: Browser, shell_url: str, tmp_path: Path) -> None:
    context = browser.new_context(base_url=shell_url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/review")
    expect(page.get_by_role("button", name="Show password")).to_be_hidden()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-error-summary]")).to_be_visible()
    page.goto("/upload")
    (tmp_path / "a.png").write_bytes(b"12345")
    page.get_by_label("Scan").set_input_files(tmp_path / "a.png")
    page.get_by_label("Indication").fill("Cough")
    page.get_by_role("button", name="Upload").click()
    expect(page).to_have_url(re.compile(r"/arrived\?bytes=5$"))
    context.close()


@pytest.mark.parametrize(("width", "zoom"), [(320, 100), (360, 100), (640, 200), (1440, 100)])
def test_nothing_scrolls_sideways(page: Page, width: int, zoom: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/in")
    for path in ("/review", "/upload", "/fail/404"):
        page.goto(path)
        page.evaluate(f"document.documentElement.style.fontSize = '{zoom}%'")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
