"""The reading page in a real Chromium: the viewer by mouse, touch and keyboard, and the form that loses nothing."""

import gzip
import io
import re
import uuid
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from csss.database import db
from csss.paths import STATIC
from csss.people.models import User
from csss.scans import review_drafts
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.web.assets import build
from tests.browser.people import Person
from tests.factories import Clinic, picture, reading
from tests.stack import Stack, eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser, pages")]
NewPage = Callable[..., Page]
_DRAWN = """async stage => {
  const pictures = [...stage.querySelectorAll("img")].filter((each) => each.src && each.checkVisibility());
  await Promise.all(pictures.map((each) => each.decode()));
  for (let frames = 0; frames < 2; frames += 1) await new Promise(requestAnimationFrame);
}"""
ROUND_ABOUT = 100  # more than the black that lies above and below a wide picture in a high window
WIDE = picture(1600, 1200, "JPEG", quality=90)


class Desk:
    """A doctor with a patient's scans in front of them."""

    def __init__(self, stack: Stack, make: NewPage, **page: object) -> None:
        self.stack = stack
        with stack.app.app_context():
            doctor = Clinic(stack.app).person("doctor", email=f"{uuid.uuid4().hex}@csss.example")
            self.doctor_id, email = doctor.id, doctor.email
        self.scan_id = self.scan(Status.AI_ANALYZED)
        self.address = f"/doctor/scans/{self.scan_id}"
        self.page = make(stack, **page)
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        Person(self.page, stack, email).sign_in()

    def scan(self, status: Status = Status.PENDING_AI) -> uuid.UUID:
        """Another patient's; the stack is one for all tests."""
        with self.stack.app.app_context():
            clinic = Clinic(self.stack.app)
            patient = clinic.person("patient", email=f"{uuid.uuid4().hex}@csss.example")
            doctor = db.session.get_one(User, self.doctor_id)
            uncertain = reading("COVID", 0.5)
            return clinic.scan(status, patient=patient, doctor=doctor, image=WIDE, result=uncertain).id

    def open(self) -> Page:
        self.page.goto(self.address)
        return self.page

    def asked_for(self, ending: str) -> int:
        return sum(each.endswith(f"{self.scan_id}/{ending}") for each in self.asked)

    def draft(self, field: str = "findings") -> str:
        with self.stack.app.app_context():
            db.session.rollback()
            found = review_drafts.of(self.scan_id, db.session.get_one(User, self.doctor_id))
            return str(getattr(found, field)) if found else ""

    def status(self) -> Status:
        with self.stack.app.app_context():
            db.session.rollback()
            return db.session.get_one(Scan, self.scan_id, populate_existing=True).status


@pytest.fixture
def desk(stack: Stack, new_page: NewPage) -> Desk:
    return Desk(stack, new_page)


def pixels(stage: Locator, margin: int = 8) -> np.ndarray:
    """What the eye sees of the picture, without the line that tells zoom and window; a margin may be cut off."""
    stage.evaluate(_DRAWN)
    grey = np.asarray(Image.open(io.BytesIO(stage.screenshot())).convert("L"), float)
    return grey[margin : -max(margin, 40), margin:-margin]


def far(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.abs(one - other).mean())


def test_the_viewer_takes_at_most_8_kb() -> None:
    """Gzipped, as it is served: part of the 40 kB that the page may take beside the picture."""
    assert len(gzip.compress(build(STATIC)["viewer.js"].content, 9)) <= 8_000


def test_the_picture_is_read_with_the_mouse(desk: Desk) -> None:
    page = desk.open()
    stage, told = page.locator("[data-viewer-stage]"), page.locator("[data-viewer-readout]")
    expect(told).to_contain_text("preview only")
    box = stage.bounding_box()
    assert box is not None
    fitted = pixels(stage)
    assert desk.asked_for("image") == 0, "the whole picture is not asked for before anybody looks closely"

    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.wheel(0, -600)
    expect(page.get_by_text("Hold Ctrl and turn the wheel to zoom")).to_be_visible()
    assert far(pixels(stage), fitted) < 3, "without the key the wheel only scrolls"
    page.keyboard.down("Control")
    page.mouse.wheel(0, -600)
    page.keyboard.up("Control")
    expect(told).to_contain_text("full picture")
    zoomed = pixels(stage)
    assert desk.asked_for("image") == 1 and far(fitted, zoomed) > 3

    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 80, steps=4)
    page.mouse.up()
    moved = pixels(stage)
    # What was under the hand has gone with it.
    assert far(moved[10:130, 10:180], zoomed[80:200, 130:300]) < 3 < far(moved, zoomed)

    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 200, box["y"] + 160, steps=4)
    page.mouse.up(button="right")
    expect(told).not_to_contain_text("Window 255")
    assert far(pixels(stage), moved) > 5

    page.get_by_role("button", name="Everything as it came").click()
    assert far(pixels(stage), fitted) < 2
    page.mouse.dblclick(box["x"] + 200, box["y"] + 150)
    assert far(pixels(stage), fitted) > 3
    page.mouse.dblclick(box["x"] + 200, box["y"] + 150)
    assert far(pixels(stage), fitted) < 2


def test_the_picture_is_read_with_buttons_presets_and_sliders(desk: Desk) -> None:
    page = desk.open()
    stage = page.locator("[data-viewer-stage]")
    fitted = pixels(stage, ROUND_ABOUT)
    page.get_by_role("button", name="Invert").click()
    assert far(pixels(stage, ROUND_ABOUT), 255 - fitted) < 3, "black is white"
    page.get_by_role("button", name="Invert").click()
    page.get_by_label("Contrast preset").select_option("Lung-like")
    expected = np.clip((fitted - (70 - 75)) * 255 / 150, 0, 255)
    assert far(pixels(stage, ROUND_ABOUT), expected) < 3, "window 150, level 70, as in every textbook"
    page.get_by_label("Contrast preset").select_option("As uploaded")
    page.get_by_label("Level").fill("20")
    assert pixels(stage, ROUND_ABOUT).mean() > fitted.mean() + 20
    page.get_by_role("button", name="Everything as it came").click()
    page.get_by_role("button", name="Turn by 90°").click()
    expect(page.locator("[data-viewer-readout]")).to_contain_text("turned 90°")
    assert far(pixels(stage, ROUND_ABOUT), fitted) > 3
    page.get_by_role("button", name="One pixel").click()
    expect(page.locator("[data-viewer-readout]")).to_contain_text("Zoom 100 %")
    for button in page.locator(".viewer__tool").all():
        size = button.bounding_box()
        assert size is not None and min(size["width"], size["height"]) >= 24


def test_the_picture_is_read_with_the_keyboard_alone(desk: Desk) -> None:
    page = desk.open()
    stage, told = page.locator("[data-viewer-stage]"), page.locator("[data-viewer-readout]")
    fitted = pixels(stage)
    stage.focus()
    for _ in range(5):
        page.keyboard.press("+")
    zoomed = pixels(stage)
    assert far(fitted, zoomed) > 3
    page.keyboard.press("ArrowRight")
    assert far(pixels(stage), zoomed) > 1
    page.keyboard.press("i")
    expect(told).to_contain_text("inverted")
    page.keyboard.press("]")
    expect(told).to_contain_text("Level 120")
    page.keyboard.press("x")
    page.keyboard.press("r")
    expect(told).to_contain_text("turned 90°")
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Full screen")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Full screen")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-viewer-status]")).to_contain_text("turned 90°")
    page.get_by_label("Findings").focus()
    page.keyboard.type("i r f + d")
    expect(page.get_by_label("Findings")).to_have_value("i r f + d")
    expect(page.locator("[name=agreement]:checked")).to_have_count(0)


def test_two_fingers_zoom_and_one_moves(stack: Stack, browser: object, new_page: NewPage) -> None:
    desk = Desk(stack, new_page, width=390)
    page = desk.open()
    stage, told = page.locator("[data-viewer-stage]"), page.locator("[data-viewer-readout]")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    fitted = pixels(stage)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    line = page.context.new_cdp_session(page)
    line.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(points)]
        line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    touch("touchStart", (x - 20, y), (x + 20, y))
    for step in range(1, 6):
        touch("touchMove", (x - 20 - 12 * step, y), (x + 20 + 12 * step, y))
    touch("touchEnd")
    expect(told).to_contain_text("full picture")
    zoomed = pixels(stage)
    assert far(fitted, zoomed) > 3
    touch("touchStart", (x, y))
    for step in range(1, 6):
        touch("touchMove", (x - 12 * step, y - 8 * step))
    touch("touchEnd")
    assert far(pixels(stage), zoomed) > 1


def test_the_heat_map_is_asked_for_only_when_it_is_wanted(desk: Desk) -> None:
    page = desk.open()
    stage = page.locator("[data-viewer-stage]")
    plain = pixels(stage)
    assert desk.asked_for("heatmap") == 0
    page.keyboard.press("h")
    expect(page.locator(".viewer__heatmap")).to_be_visible()
    expect(page.locator(".viewer__heatmap")).to_have_js_property("complete", True)
    full = pixels(stage)
    assert desk.asked_for("heatmap") == 1 and far(full, plain) > 2
    page.get_by_label("Opacity").fill("10")
    assert far(pixels(stage), plain) < far(full, plain)
    page.get_by_label("Show heat map").uncheck()
    assert far(pixels(stage), plain) < 1 and desk.asked_for("heatmap") == 1


def test_what_is_typed_survives_the_window_and_agreement_is_one_key(desk: Desk) -> None:
    page = desk.open()
    page.get_by_label("Findings").fill("Patchy opacity, left base.")
    expect(page.locator("#draft-status")).to_have_text(re.compile(r"Draft saved \d\d:\d\d"))
    page.get_by_label("Findings").press("Tab")
    page.locator("[data-viewer-stage]").focus()
    page.keyboard.press("d")
    expect(page.get_by_label("I disagree")).to_be_checked()
    page.get_by_label("Impression").fill("Typed a moment before leaving")
    page.goto("/doctor/")
    eventually(lambda: desk.draft("impression").startswith("Typed a moment"))
    page.goto(desk.address)
    expect(page.get_by_label("Findings")).to_have_value("Patchy opacity, left base.")
    expect(page.get_by_label("Impression")).to_have_value("Typed a moment before leaving")
    expect(page.get_by_label("I disagree")).to_be_checked()

    page.get_by_label("Diagnosis").fill("Pneumonia")
    with page.expect_response(re.compile("/draft$")):
        page.keyboard.press("Enter")
    expect(page.locator("#draft-status")).to_have_text(re.compile("Draft saved"))
    assert desk.status() is Status.AI_ANALYZED, "Enter in a line keeps, it never signs"
    page.locator("h1").click()
    page.keyboard.press("?")
    page.get_by_label("Single keys work anywhere").uncheck()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.locator("h1").click()
    page.keyboard.press("a")
    expect(page.get_by_label("I disagree")).to_be_checked()


def test_a_template_lands_at_the_cursor_and_undo_takes_it_back(desk: Desk) -> None:
    page = desk.open()
    findings = page.get_by_label("Findings")
    findings.fill("Before. After.")
    findings.evaluate("field => field.setSelectionRange(8, 8)")
    page.get_by_label("Template").select_option("Consolidation")
    page.get_by_role("button", name="Insert").click()
    expect(findings).to_have_value(re.compile(r"^Before\. Airspace opacity in the \[right/left\].*After\.$"))
    expect(page.get_by_label("Impression")).to_have_value(re.compile("zone consolidation"))
    expect(findings).to_be_focused()
    page.keyboard.type("left")
    expect(findings).to_have_value(re.compile(r"^Before\. Airspace opacity in the left \["))
    for _ in range(2):
        page.keyboard.press("Control+z")
    expect(findings).not_to_have_value(re.compile("in the left"))
    eventually(lambda: "Before." in desk.draft())


def test_a_refused_form_keeps_picture_and_text_then_the_next_scan_opens(desk: Desk) -> None:
    page = desk.open()
    following = desk.scan(Status.AI_ANALYZED)
    page.keyboard.press("i")
    page.get_by_label("Impression").fill("Something")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#findings-error")).to_be_visible()
    expect(page.get_by_label("Impression")).to_have_value("Something")
    expect(page.locator("[data-viewer-readout]")).to_contain_text("inverted")
    page.get_by_label("Findings").fill("Clear.")
    page.get_by_label("Diagnosis").fill("Normal")
    page.get_by_label("I have read this scan myself").check()
    page.get_by_role("button", name="Verify and go to the next").click()
    page.wait_for_url(re.compile(r"/doctor/(scans/(?!" + str(desk.scan_id) + r")[0-9a-f-]{36})$"))
    assert desk.status() is Status.DOCTOR_VERIFIED and following
    assert desk.draft() == ""


def test_without_script_there_is_the_picture_a_link_and_every_button(stack: Stack, new_page: NewPage) -> None:
    desk = Desk(stack, new_page, javascript=False)
    page = desk.open()
    assert page.get_by_role("link", name="Open in full resolution").get_attribute("href") is not None
    expect(page.locator(".viewer__tools")).to_be_hidden()
    page.get_by_label("Show heat map").check()
    expect(page.locator(".viewer__layer")).to_be_visible()
    page.get_by_label("Template").select_option("Normal chest")
    page.get_by_role("button", name="Insert").click()
    expect(page.get_by_label("Findings")).to_have_value(re.compile("Both lungs are clear"))
    page.get_by_label("Diagnosis").fill("Normal")
    page.get_by_role("button", name="Save draft").click()
    assert desk.draft().startswith("Trachea central")
    page.get_by_label("I have read this scan myself").check()
    page.get_by_role("button", name="Verify and sign").click()
    expect(page).to_have_url(re.compile(r"/doctor/$"))
    assert desk.status() is Status.DOCTOR_VERIFIED


def test_a_finished_analysis_appears_by_itself_and_keeps_what_is_typed(desk: Desk) -> None:
    waiting = desk.scan()
    page = desk.page
    page.goto(f"/doctor/scans/{waiting}")
    page.keyboard.press("i")
    page.get_by_role("button", name="Analyse").click()
    expect(page.get_by_role("button", name="Verify and sign")).to_be_visible(timeout=30_000)
    expect(page.get_by_label("Show heat map")).to_be_visible()
    expect(page.locator("[data-viewer-readout]")).to_contain_text("inverted")
    page.keyboard.press("h")
    expect(page.locator(".viewer__heatmap")).to_be_visible()
