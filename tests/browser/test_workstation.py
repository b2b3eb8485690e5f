"""The reading page as a workplace: what is in sight, measuring, comparing, and going on without the mouse."""

import gzip
import re
import uuid
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from csss.clock import now
from csss.database import db, transaction
from csss.paths import STATIC
from csss.people.models import User
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.web.assets import build
from tests.browser.test_reading_page import Desk, NewPage, far, pixels
from tests.factories import Clinic, picture, reading
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser, pages")]
SMALL = {"width": 1280, "height": 720}


@pytest.fixture
def desk(stack: Stack, new_page: NewPage) -> Desk:
    desk = Desk(stack, new_page)
    desk.page.set_viewport_size(SMALL)
    return desk


def box(part: Locator) -> dict[str, float]:
    found = part.bounding_box()
    assert found is not None, part
    x, y, width, height = found["x"], found["y"], found["width"], found["height"]
    return {"x": x, "y": y, "width": width, "height": height, "right": x + width, "bottom": y + height}


def in_sight(page: Page, part: Locator) -> bool:
    assert page.viewport_size is not None
    it = box(part)
    across, down = page.viewport_size["width"], page.viewport_size["height"]
    return it["x"] >= 0 and it["y"] >= 0 and it["right"] <= across and it["bottom"] <= down


@pytest.mark.parametrize("compared", [False, True], ids=["alone", "beside another"])
def test_picture_findings_and_signature_are_in_sight_at_once(desk: Desk, compared: bool) -> None:
    """On the small screen of an old PC, 1280 by 720 pixels."""
    address = f"{desk.address}?compare={earlier_scan(desk)}" if compared else desk.address
    desk.page.goto(address)
    page = desk.page
    for part in (
        page.locator(".viewer__base").first,
        page.get_by_label("Findings"),
        page.get_by_role("button", name="Verify and sign"),
        page.get_by_role("link", name="Worklist"),
    ):
        expect(part).to_be_visible()
        assert in_sight(page, part), part
    bar = box(page.locator(".desk__bar"))
    assert bar["height"] <= 44
    for words in ("MRN", "Indication", "Allergies"):
        assert box(page.locator(".desk__bar").get_by_text(words))["bottom"] <= bar["bottom"]
    assert box(page.locator("[data-viewer-stage]").first)["height"] > 500
    assert page.evaluate("document.documentElement.scrollHeight") == 720, "the page itself does not scroll"
    page.locator("#report-column").evaluate("column => column.scrollTo(0, 9999)")
    expect(page.get_by_text("Uploaded by the patient")).to_be_in_viewport()
    assert in_sight(page, page.get_by_role("button", name="Verify and sign")), "however far one has scrolled"


def test_on_a_phone_the_picture_comes_first_and_the_tools_below_it(stack: Stack, new_page: NewPage) -> None:
    desk = Desk(stack, new_page, width=360)
    desk.page.set_viewport_size({"width": 360, "height": 640})
    page = desk.open()
    stage, tool = page.locator("[data-viewer-stage]"), page.get_by_role("button", name="Zoom in")
    assert box(stage)["y"] <= 112 and in_sight(page, stage), "below the header and one line with the patient"
    assert box(page.get_by_role("heading", level=1).locator(".."))["height"] <= 44
    assert box(stage)["bottom"] <= box(tool)["y"] < box(page.get_by_label("Findings"))["y"]
    for words in ("MRN", "Indication", "Allergies"):
        assert box(page.locator(".desk__facts").get_by_text(words))["y"] > box(tool)["bottom"]
    page.get_by_label("Findings").focus()
    name = page.get_by_role("heading", level=1)
    assert in_sight(page, name), "who is written about is seen while one writes"
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(
        page.get_by_role("link", name="Sign out").or_(page.get_by_role("button", name="Sign out"))
    ).to_be_visible()


def test_the_cardiothoracic_ratio_is_drawn_and_put_into_the_findings(desk: Desk) -> None:
    page = desk.open()
    stage = box(page.locator("[data-viewer-stage]"))
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.get_by_role("button", name="Cardiothoracic ratio").click()
    expect(page.get_by_text("Draw on the picture")).to_be_visible()
    for half, height in ((60, 0), (150, 40)):
        page.mouse.move(x - half, y + height)
        page.mouse.down()
        page.mouse.move(x + half, y + height, steps=4)
        page.mouse.up()
    expect(page.get_by_role("list", name="Measurements")).to_contain_text(
        re.compile(r"Cardiothoracic ratio 0\.(39|40|41)")
    )
    page.get_by_label("Findings").fill("Heart not enlarged.")
    page.get_by_role("button", name="Put into the findings").click()
    expect(page.get_by_label("Findings")).to_have_value(
        re.compile(r"^Heart not enlarged\.\nCardiothoracic ratio 0\.(39|40|41)\.$")
    )
    page.get_by_role("button", name="Remove: Cardiothoracic ratio").click()
    expect(page.get_by_role("list", name="Measurements")).not_to_contain_text("Cardiothoracic")


def test_a_length_and_an_angle_are_measured_with_keys_alone(desk: Desk) -> None:
    page = desk.open()
    stage, told = page.locator("[data-viewer-stage]"), page.get_by_role("list", name="Measurements")
    page.keyboard.press("l")
    stage.focus()
    page.keyboard.press("Enter")
    expect(told).to_contain_text(re.compile(r"Length \d+ px"))
    before = told.inner_text()
    expect(page.get_by_role("button", name="Length, end 1")).to_be_focused()
    for _ in range(5):
        page.keyboard.press("Shift+ArrowLeft")
    expect(told).not_to_contain_text(before.split(" px")[0])
    page.keyboard.press("Delete")
    expect(told).not_to_contain_text("Length")
    page.keyboard.press("g")
    page.keyboard.press("Enter")
    expect(told).to_contain_text(re.compile(r"Angle \d+°"))


def test_lines_stay_on_the_picture_when_it_is_zoomed_turned_and_flipped(desk: Desk) -> None:
    page = desk.open()
    page.keyboard.press("l")
    page.locator("[data-viewer-stage]").focus()
    page.keyboard.press("Enter")
    told = page.get_by_role("list", name="Measurements")
    expect(told).to_contain_text("px")
    length = told.inner_text()
    for key in ("+", "r", "v"):
        page.locator("[data-viewer-stage]").focus()
        page.keyboard.press(key)
    expect(page.locator("[data-viewer-readout]")).to_contain_text("turned 90° · MIRRORED")
    expect(page.locator(".viewer__mirrored")).to_be_visible()
    assert told.inner_text() == length


def test_the_magnifier_shows_what_lies_below_it(desk: Desk) -> None:
    page = desk.open()
    stage = page.locator("[data-viewer-stage]")
    plain = pixels(stage)
    page.get_by_role("button", name="Magnifier").click()
    expect(page.locator(".viewer__lens")).to_be_visible()
    there = box(stage)
    page.mouse.move(there["x"] + 300, there["y"] + 250)
    expect(page.locator(".viewer__lens")).to_be_visible()
    assert far(pixels(stage), plain) > 0.5
    page.keyboard.press("m")
    expect(page.locator(".viewer__lens")).to_have_count(0)


def earlier_scan(desk: Desk, days: int = 30, kind: str = "chest_xray") -> object:
    """Of the same patient."""
    with desk.stack.app.app_context():
        clinic = Clinic(desk.stack.app)
        patient = db.session.get_one(Scan, desk.scan_id).patient.user
        doctor = db.session.get_one(User, desk.doctor_id)
        other = clinic.scan(
            Status.AI_ANALYZED, patient=patient, doctor=doctor, image=picture(1200, 1200, "JPEG")
        )
        with transaction():
            other.uploaded_at = now() - timedelta(days=days)
        return other.id


def test_two_pictures_are_zoomed_and_windowed_together_until_they_are_parted(desk: Desk) -> None:
    other = earlier_scan(desk)
    page = desk.open()
    page.get_by_label("Findings").fill("Written before comparing.")
    column = page.locator("#report-column")
    column.evaluate("each => each.scrollTo(0, 120)")
    page.get_by_role("link", name=re.compile("^Compare with")).first.evaluate("link => link.click()")
    expect(page.get_by_role("heading", name=re.compile("^For comparison"))).to_be_visible()
    expect(page).to_have_url(re.compile(f"compare={other}"))
    expect(page.get_by_label("Findings")).to_have_value("Written before comparing.")
    expect(column).to_have_js_property("scrollTop", 120)  # the form stands where it was
    readouts = page.locator("[data-viewer-readout]")
    zooms = readouts.all_inner_texts()
    first = page.locator("[data-viewer-stage]").first
    first.focus()
    for key in ("+", "+", "]"):
        page.keyboard.press(key)
    for number in range(2):
        expect(readouts.nth(number)).not_to_have_text(zooms[number])
        expect(readouts.nth(number)).to_contain_text("Level 120")
    page.keyboard.press("y")
    kept = readouts.nth(1).inner_text()
    page.keyboard.press("]")
    expect(readouts.nth(0)).to_contain_text("Level 112")
    assert readouts.nth(1).inner_text() == kept


def test_letters_lead_to_findings_templates_and_other_scans(desk: Desk) -> None:
    desk.scan(Status.AI_ANALYZED)
    page = desk.open()
    page.keyboard.press("e")
    expect(page.get_by_label("Findings")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.get_by_label("Template")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Findings")).to_have_value(re.compile("."))
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys of the reading page")
    for words in ("next scan", "skip", "back to the worklist", "choose a template", "write the findings"):
        expect(dialog.get_by_text(words)).to_be_visible()
    page.keyboard.press("i")
    page.keyboard.press("Escape")
    expect(page.locator("[data-viewer-readout]")).not_to_contain_text("inverted")
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile(rf"/doctor/scans/(?!{desk.scan_id})"))
    page.keyboard.press("u")
    expect(page).to_have_url(re.compile("/doctor/$"))


def test_the_page_takes_at_most_40_kb_beside_the_picture(desk: Desk) -> None:
    """For a doctor who comes from the worklist, compressed as a proxy sends it; the tools over the picture come later."""
    page = desk.open()
    own = ("scan.css", "reading.css", "viewer.js", "reading.js", "session.js")
    sent = sum(len(build(STATIC)[name].body("br")) for name in own)
    # How many colleagues may be asked depends on the hospital; the other tests have made dozens.
    words = re.sub(r'<option value="[0-9a-f-]{36}">[^<]*</option>', "", page.request.get(desk.address).text())
    page_itself = len(gzip.compress(words.encode()))
    assert sent + page_itself <= 24_000
    assert not [each for each in desk.asked if "/tools." in each]


def test_an_error_has_the_cursor_and_goes_when_it_is_mended(desk: Desk) -> None:
    page = desk.open()
    page.get_by_role("button", name="Verify and sign").click()
    findings = page.get_by_label("Findings")
    expect(findings).to_be_focused()
    expect(page.locator("#findings-error")).to_be_in_viewport()
    page.keyboard.type("Clear.")
    expect(page.locator("#findings-error")).to_have_count(0)
    expect(page.locator("[data-error-summary]").get_by_role("link")).to_have_count(2)
    page.get_by_label("Diagnosis").fill("Normal chest")
    page.get_by_label("I have read this scan myself").check()
    expect(page.locator("[data-error-summary]")).to_have_count(0)
    page.get_by_role("button", name="Verify and sign").click()
    expect(page).to_have_url(re.compile("/doctor/$"))
    assert desk.status() is Status.DOCTOR_VERIFIED


def test_who_agrees_is_offered_the_class_and_who_does_not_any_more_is_not(desk: Desk) -> None:
    with desk.stack.app.app_context():
        clinic = Clinic(desk.stack.app)
        patient = clinic.person("patient", email=f"{uuid.uuid4().hex}@csss.example")
        doctor = db.session.get_one(User, desk.doctor_id)
        answer = reading("Viral_Pneumonia", 0.95)
        scan_id = clinic.scan(Status.AI_ANALYZED, patient=patient, doctor=doctor, result=answer).id
    page = desk.page
    page.goto(f"/doctor/scans/{scan_id}")
    page.keyboard.press("a")
    expect(page.get_by_label("Diagnosis")).to_have_value("Viral pneumonia")
    page.get_by_label("I disagree").check()
    expect(page.get_by_label("Diagnosis")).to_have_value("")
    page.get_by_label("Diagnosis").fill("Tuberculosis")
    page.get_by_label("I agree", exact=True).check()
    expect(page.get_by_label("Diagnosis")).to_have_value("Tuberculosis")
