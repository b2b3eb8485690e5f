"""A patient sends a picture: over a line that breaks, with a page loaded anew, by dropping it, and taken back."""

import io
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from csss.auth.accounts import by_email
from csss.database import db
from csss.scans.models import Scan
from csss.scans.uploads.models import Upload
from tests.browser.line import Line, breaking_line
from tests.browser.people import Person
from tests.browser.told import told
from tests.factories import Clinic, picture
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser, pages")]
NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def large_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, so that it stays just under 10 MB."""
    noise = np.random.default_rng(4).integers(0, 256, (3_150, 3_140), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(noise).save(target, "PNG", compress_level=1)
    path = tmp_path_factory.mktemp("large") / "mira-chest.png"
    path.write_bytes(target.getvalue())
    assert 9_500_000 < path.stat().st_size <= 10_000_000
    return path


@pytest.fixture
def small_picture(tmp_path: Path) -> Path:
    path = tmp_path / "scan.png"
    path.write_bytes(picture())
    return path


def patient(stack: Stack, new_page: NewPage, line: Line | None = None, **more: Any) -> Person:
    """Signed in, in front of the own page, with the line between."""
    with stack.app.app_context():
        email = Clinic(stack.app).person("patient", email=f"p-{uuid.uuid4().hex[:8]}@csss.example").email
    page = new_page(SimpleNamespace(url=line.url if line else stack.url), may_break=line is not None, **more)
    person = Person(page, stack, email)
    person.sign_in()
    page.goto("/patient/")
    return person


def fill_in(page: Page, picture: Path) -> None:
    page.get_by_label("Picture of the scan").set_input_files(picture)
    page.get_by_label("Chest X-ray").check()
    page.get_by_label("Why was the scan made?").fill("Cough")


def count(stack: Stack, email: str, of: Any) -> int:
    with stack.app.app_context():
        db.session.rollback()
        person = by_email(email)
        assert person is not None and person.patient is not None
        return db.session.scalar(select(func.count()).where(of.patient_id == person.patient.id)) or 0


def storage_of(page: Page) -> int:
    return int(page.evaluate("localStorage.length + sessionStorage.length"))


def test_ten_megabytes_arrive_though_the_line_breaks_three_times(
    stack: Stack, new_page: NewPage, large_picture: Path
) -> None:
    with breaking_line(stack.settings.port, 2_500_000, 5_100_000, 7_700_000) as line:
        person = patient(stack, new_page, line)
        page = person.page
        fill_in(page, large_picture)
        line.stays_broken = True
        heard: list[str] = []
        breaks: list[str] = []

        def hear(words: str) -> None:
            if not words.startswith("The connection was interrupted at"):
                return
            heard.append(words)
            if line.is_down:  # a server that is too busy to answer is told of in the same words
                breaks.append(words)
                line.mend()

        told(page, "[data-upload-status]", hear)
        page.get_by_role("button", name="Send scan").click()
        page.wait_for_url(re.compile(r"/patient/scans/[0-9a-f-]{36}"), timeout=120_000)
        # Each time the patient is told, and it goes on by itself: so the words stand there only for a moment.
        assert line.breaks == len(breaks) == 3 and all(
            "The upload continues automatically" in words for words in breaks
        )
        # It went on each time: far less than a second and a third time from the beginning.
        assert line.sent < large_picture.stat().st_size + len(heard) * 4_300_000
        assert storage_of(page) == 0
    assert count(stack, person.email, Scan) == 1


def test_an_upload_goes_on_after_the_page_was_loaded_anew(
    stack: Stack, new_page: NewPage, large_picture: Path
) -> None:
    with breaking_line(stack.settings.port, 4_000_000) as line:
        line.stays_broken = True
        person = patient(stack, new_page, line)
        page = person.page
        fill_in(page, large_picture)
        page.get_by_role("button", name="Send scan").click()
        expect(page.locator("[data-upload-status]")).to_contain_text(
            "The connection was interrupted at", timeout=30_000
        )
        line.mend()
        page.goto("/patient/")
        offsets: list[int] = []
        page.on(
            "request",
            lambda request: (
                offsets.append(int(request.headers["upload-offset"])) if request.method == "PATCH" else None
            ),
        )
        fill_in(page, large_picture)
        page.get_by_role("button", name="Send scan").click()
        page.wait_for_url(re.compile(r"/patient/scans/[0-9a-f-]{36}"), timeout=120_000)
        assert offsets[0] > 200_000
    assert count(stack, person.email, Scan) == 1


def test_no_scan_is_refused_beside_the_field_and_the_chosen_file_stays(
    stack: Stack, new_page: NewPage, tmp_path: Path
) -> None:
    person = patient(stack, new_page)
    page = person.page
    (tmp_path / "words.png").write_bytes(b"these are words, not a picture")
    fill_in(page, tmp_path / "words.png")
    page.get_by_role("button", name="Send scan").click()
    expect(page.locator("#file-error")).to_contain_text("no picture that can be read here")
    expect(page.locator("[data-error-summary]")).to_be_focused()
    assert page.evaluate("document.querySelector('#file').files[0].name") == "words.png"
    expect(page.get_by_label("Why was the scan made?")).to_have_value("Cough")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
    assert found.response["violations"] == []
    assert count(stack, person.email, Upload) == 0


def test_cancelled_nothing_is_kept(stack: Stack, new_page: NewPage, large_picture: Path) -> None:
    person = patient(stack, new_page)
    page = person.page
    session = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 20, "downloadThroughput": 400_000, "uploadThroughput": 400_000}
    session.send("Network.emulateNetworkConditions", slow)
    fill_in(page, large_picture)
    page.get_by_role("button", name="Send scan").click()
    expect(page.locator("[data-upload-status]")).to_have_text(re.compile(r"Sending: [1-9]0? %"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#page-message")).to_have_text("The upload was cancelled. Nothing has been kept.")
    expect(page.get_by_role("button", name="Send scan")).to_be_enabled()
    assert page.evaluate("document.querySelector('#file').files.length") == 1
    assert count(stack, person.email, Upload) == 0


def test_a_picture_can_be_dropped_on_the_form(stack: Stack, new_page: NewPage) -> None:
    page = patient(stack, new_page).page
    page.evaluate(
        """() => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(2000)], "dropped.png", {type: "image/png"}));
          const target = document.querySelector(".upload__drop");
          for (const name of ["dragover", "drop"]) {
            target.dispatchEvent(new DragEvent(name, {dataTransfer: files, bubbles: true, cancelable: true}));
          }
        }"""
    )
    expect(page.locator("[data-upload-preview] figcaption")).to_have_text("dropped.png, 2 kB")


def test_after_signing_out_nothing_is_left_in_the_browser(
    stack: Stack, new_page: NewPage, small_picture: Path
) -> None:
    page = patient(stack, new_page).page
    fill_in(page, small_picture)
    page.get_by_role("button", name="Send scan").click()
    page.wait_for_url(re.compile(r"/patient/scans/[0-9a-f-]{36}"), timeout=60_000)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    assert storage_of(page) == 0
    assert page.evaluate("indexedDB.databases().then((all) => all.length)") == 0


def test_the_plain_form_takes_it_without_script(stack: Stack, new_page: NewPage, small_picture: Path) -> None:
    page = patient(stack, new_page, javascript=False).page
    fill_in(page, small_picture)
    page.get_by_role("button", name="Send scan").click()
    expect(page).to_have_url(re.compile(r"/patient/scans/[0-9a-f-]{36}"), timeout=60_000)
