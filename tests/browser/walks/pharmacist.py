"""What a pharmacist does."""

import re
import uuid

from playwright.sync_api import expect

from csss.database import db, transaction
from csss.people.models import User
from csss.reports import services as reports
from csss.scans.models import Scan
from csss.scans.states import HoldFor, Status
from tests.browser.scene import Crowd, Scene

ROW = ".repeat__row >> nth={}"


def _line(scene: Scene, number: int, drug: str, dose: str = "500 mg", duration: str = "5 days") -> None:
    row = ROW.format(number)
    scene.hand.write("Medicine", drug, row)
    scene.hand.write("Dose", dose, row)
    scene.hand.pick("Route", "Oral", row)
    scene.hand.write("Frequency", "three times a day", row)
    scene.hand.write("Duration", duration, row)


def find_and_prescribe(scene: Scene) -> None:
    """Found in the queue; a second line is added, a third one taken away again."""
    scan_id = scene.case("pharmacist", Status.DOCTOR_VERIFIED)
    hand, page = scene.hand, scene.page
    hand.open("/pharmacist/")
    hand.pick("Order", "Newest first")
    hand.write("Patient’s name or MRN", scene.patient)
    hand.press("Search")
    expect(page.locator("#queue tbody tr")).to_have_count(1)
    hand.follow(scene.patient, "#queue")
    # The browser itself completes from these lists, by keys and without scripts; no test can press into what it opens.
    for field, words in (("drug", "Amoxicillin"), ("frequency", "twice a day"), ("duration", "5 days")):
        source = page.locator(f"[name={field}]").first.get_attribute("list")
        expect(page.locator(f"#{source} option[value='{words}']")).to_be_attached()
    _line(scene, 0, "Amoxicillin")
    hand.press("Add a medicine", ".repeat")
    expect(page.locator(".repeat__row")).to_have_count(2)
    _line(scene, 1, "Paracetamol")
    hand.press("Add a medicine", ".repeat")
    expect(page.locator(".repeat__row")).to_have_count(3)
    hand.press("Remove medicine 3")
    expect(page.locator(".repeat__row")).to_have_count(2)
    hand.write("Notes", "Take with food.")
    hand.tick("Show heat map")
    hand.press("Complete the prescription")
    scene.becomes(scan_id, Status.PHARMACIST_COMPLETED)
    scene.reads("Paracetamol")


def fill_in_from_a_template(scene: Scene) -> None:
    scan_id = scene.case("pharmacist", Status.DOCTOR_VERIFIED)
    scene.hand.open(f"/pharmacist/scans/{scan_id}")
    option = scene.page.locator("#template option").nth(1).inner_text()
    scene.hand.pick("Fill in from a template", option)
    scene.hand.press("Fill in this template")
    expect(scene.page.locator("[name=drug]").first).not_to_have_value("")
    scene.hand.press("Complete the prescription")
    scene.becomes(scan_id, Status.PHARMACIST_COMPLETED)


def override_a_warning(scene: Scene) -> None:
    """Against an allergy: refused without a reason, taken with one."""

    def allergic(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        with transaction():
            patient = db.session.get_one(User, people["patient"].id).patient
            assert patient is not None
            patient.allergies = "penicillin"

    scan_id = scene.case("pharmacist", Status.DOCTOR_VERIFIED, allergic)
    scene.hand.open(f"/pharmacist/scans/{scan_id}")
    _line(scene, 0, "Amoxicillin")
    scene.hand.press("Complete the prescription")
    expect(scene.page.locator("[data-error-summary]")).to_be_visible()
    scene.hand.write("Why it is right anyway", "Taken last year without harm.", ROW.format(0))
    scene.hand.press("Complete the prescription")
    scene.becomes(scan_id, Status.PHARMACIST_COMPLETED)


def say_that_none_is_needed(scene: Scene) -> None:
    scan_id = scene.case("pharmacist", Status.DOCTOR_VERIFIED)
    scene.hand.open(f"/pharmacist/scans/{scan_id}")
    scene.hand.tick("No medicine is needed")
    scene.hand.press("Complete the prescription")
    scene.becomes(scan_id, Status.PHARMACIST_COMPLETED)


def draft_complete_print_and_take_back(scene: Scene) -> None:
    scan_id = scene.case("pharmacist", Status.DOCTOR_VERIFIED)
    hand = scene.hand
    hand.open(f"/pharmacist/scans/{scan_id}")
    _line(scene, 0, "Amoxicillin")
    hand.press("Keep as a draft")
    scene.reads("Draft saved")
    hand.open(f"/pharmacist/scans/{scan_id}")
    expect(scene.page.locator("[name=drug]").first).to_have_value("Amoxicillin")
    hand.press("Discard the draft")
    scene.reads("The draft has been discarded")
    _line(scene, 0, "Amoxicillin")
    hand.press("Complete, and the next one")
    scene.becomes(scan_id, Status.PHARMACIST_COMPLETED)
    hand.open("/pharmacist/completed")
    hand.follow(scene.patient, "#completed")
    hand.follow("Print")
    scene.reads("Amoxicillin")
    hand.open(f"/pharmacist/scans/{scan_id}")
    hand.press("Take it back to correct it")
    scene.reads("The prescription is with you again")
    hand.write("Dose", "250 mg", ROW.format(0))
    hand.press("Save the correction")
    scene.reads("The correction is saved as a new version")


def answer_a_hold(scene: Scene) -> None:
    def held(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        with transaction():
            reports.hold(scan.id, to=HoldFor.PHARMACIST, note="Which dose?", by=people["admin"])

    scan_id = scene.case("pharmacist", Status.PHARMACIST_COMPLETED, held)
    scene.hand.open(f"/pharmacist/scans/{scan_id}")
    scene.reads("Which dose?")
    scene.hand.write("Dose", "250 mg", ROW.format(0))
    scene.hand.press("Save the correction")
    scene.reads("The correction is saved as a new version")


def keep_templates(scene: Scene) -> None:
    scene.as_a("pharmacist")
    hand, name = scene.hand, f"Cough {uuid.uuid4().hex[:6]}"
    hand.open("/pharmacist/")
    hand.follow("Templates", ".page-header")
    hand.follow("New template")
    hand.press("Save the template")
    expect(scene.page.locator("[data-error-summary]")).to_be_visible()
    hand.write("Name", name)
    hand.choose("Only me")
    _line(scene, 0, "Amoxicillin")
    hand.write("Notes", "With food.")
    hand.press("Save the template")
    hand.follow(name)
    hand.write("Dose", "250 mg", ROW.format(0))
    hand.press("Save the template")
    hand.follow(name)
    hand.press("Remove the template")
    expect(scene.page).to_have_url(re.compile("/pharmacist/templates$"))
    expect(hand.link(name)).to_have_count(0)
