"""What is printed of a page with a form: what has been written, as text; no boxes, and nothing that is empty."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from csss.scans.states import Status
from tests.browser.hands import Plain
from tests.browser.scene import Scene
from tests.factories import reading
from tests.stack import Stack

# Three processes of the run have a browser and a stack: for these, for "browser, walks" and for "browser, pages".
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NewPage = Callable[..., Page]
CONTROLS = "main :is(input, textarea, select, button):not(.visually-hidden):visible"


def printed(
    stack: Stack, new_page: NewPage, folder: Path, role: str, status: Status
) -> tuple[Page, uuid.UUID]:
    page = new_page(stack)
    scan_id = Scene(stack, page, Plain(page), folder).case(role, status, result=reading("COVID", 0.5))
    page.set_viewport_size({"width": 700, "height": 1000})  # the width of A4 between its margins
    page.goto(f"/{role}/scans/{scan_id}")
    page.emulate_media(media="print")
    return page, scan_id


def test_of_a_reading_that_nobody_has_begun_nothing_is_printed(
    stack: Stack, new_page: NewPage, tmp_path: Path
) -> None:
    page, _ = printed(stack, new_page, tmp_path, "doctor", Status.AI_ANALYZED)
    expect(page.locator("#classifier")).to_be_visible()
    expect(page.locator("#reading-form")).to_be_hidden()
    expect(page.locator(CONTROLS)).to_have_count(0)


def test_what_a_doctor_has_typed_is_printed_as_text_that_nobody_has_signed(
    stack: Stack, new_page: NewPage, tmp_path: Path
) -> None:
    page, _ = printed(stack, new_page, tmp_path, "doctor", Status.AI_ANALYZED)
    page.emulate_media(media="screen")
    expect(page.get_by_text("Not signed")).to_be_hidden()
    page.get_by_label("Findings").fill("Patchy opacity in the left lower zone.\n" * 30)
    page.get_by_label("I agree in part").check()
    page.emulate_media(media="print")
    expect(page.get_by_text("Not signed")).to_be_visible()
    findings = page.get_by_label("Findings")
    expect(findings).to_be_visible()
    expect(findings).to_have_css("border-top-width", "0px")
    assert findings.evaluate("field => field.scrollHeight - field.clientHeight") < 2, "to the last line"
    expect(page.get_by_text("I agree in part")).to_be_visible()
    for words in ("Impression", "Diagnosis", "I disagree", "I have read this scan myself", "Template"):
        expect(page.locator("#reading-form label", has_text=words)).to_be_hidden()
    expect(page.locator(CONTROLS)).to_have_count(1)


def test_the_whole_picture_is_printed_however_it_stands_on_the_screen(
    stack: Stack, new_page: NewPage, tmp_path: Path
) -> None:
    page, _ = printed(stack, new_page, tmp_path, "doctor", Status.AI_ANALYZED)
    page.emulate_media(media="screen")
    page.keyboard.press("i")
    for _ in range(6):
        page.keyboard.press("+")
    expect(page.locator("[data-viewer-readout]")).to_contain_text("inverted")
    page.emulate_media(media="print")
    stage, base = page.locator("[data-viewer-stage]"), page.locator(".viewer__base")
    outer, inner = stage.bounding_box(), base.bounding_box()
    assert outer is not None and inner is not None
    assert outer["x"] <= inner["x"] and inner["x"] + inner["width"] <= outer["x"] + outer["width"]
    assert outer["y"] <= inner["y"] and inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1
    expect(base).to_have_css("filter", "none")


def test_of_an_empty_prescription_no_line_is_printed(stack: Stack, new_page: NewPage, tmp_path: Path) -> None:
    page, _ = printed(stack, new_page, tmp_path, "pharmacist", Status.DOCTOR_VERIFIED)
    expect(page.locator(CONTROLS)).to_have_count(0)
    page.emulate_media(media="screen")
    page.get_by_label("Dose").fill("500 mg")
    page.emulate_media(media="print")
    expect(page.get_by_label("Dose")).to_be_visible()
    expect(page.get_by_text("this is no prescription yet")).to_be_visible()
    expect(page.get_by_label("Frequency")).to_be_hidden()
