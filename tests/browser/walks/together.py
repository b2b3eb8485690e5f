"""What people do for each other: critical results, scans for a colleague, second readings."""

import re
import uuid

from playwright.sync_api import expect

from csss.database import db, transaction
from csss.people.models import User
from csss.scans import assignments, critical_results, second_readings
from csss.scans.models import Scan
from csss.scans.review_text import ReviewText
from csss.scans.states import Status
from tests.browser.scene import Crowd, Scene

NOTE = re.compile("^I have taken note")


def mark_a_critical_result(scene: Scene) -> None:
    """The tick asks for its sentence; the page then says that nobody has taken note yet."""
    scan_id = scene.case("doctor", Status.AI_ANALYZED)
    hand, page = scene.hand, scene.page
    hand.open(f"/doctor/scans/{scan_id}")
    hand.write("Findings", "Air beside the left lung.")
    hand.write("Diagnosis", "Pneumothorax")
    hand.tick("Critical result: somebody must act now")
    hand.choose("I disagree")
    hand.press("Verify and sign")
    expect(page.locator("#critical_action-error")).to_contain_text("Write what must be done now")
    hand.write("What must be done now, and by whom", "Call the patient in today.")
    hand.press("Verify and sign")
    expect(page).to_have_url(re.compile("/doctor/$"))
    scene.becomes(scan_id, Status.DOCTOR_VERIFIED)
    hand.open(f"/doctor/scans/{scan_id}")
    scene.reads("Nobody has taken note yet", "#critical-result")


def take_note_as_pharmacist(scene: Scene) -> None:
    """From the top of the list."""
    scan_id = scene.case("pharmacist", Status.AI_ANALYZED, _critical)
    scene.hand.open("/pharmacist/")
    scene.hand.press(re.compile(f"^I have taken note.*{scene.patient}"))
    scene.reads("It is recorded that you have taken note")
    assert scene.look(lambda: _taken_by(scan_id)) == scene.look(lambda: scene.me().name)


def take_note_as_administrator(scene: Scene) -> None:
    """From the page of the scan, where it then says who has taken note."""
    scan_id = scene.case("admin", Status.AI_ANALYZED, _critical)
    scene.hand.open("/admin/")
    scene.hand.follow(scene.patient, "#critical-notices")
    scene.hand.press(NOTE, "#critical-result")
    scene.reads("Taken note of by", "#critical-result")
    assert scene.look(lambda: _taken_by(scan_id))


def _critical(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
    from csss.scans import services
    from tests.integration.critical import URGENT_TEXT

    scan_id, doctor_id = scan.id, people["doctor"].id
    with transaction():
        services.verify(scan_id, URGENT_TEXT, by=db.session.get_one(User, doctor_id))


def _taken_by(scan_id: uuid.UUID) -> str:
    result = critical_results.standing(scan_id)
    assert result is not None and result.acknowledgement is not None
    assert result.acknowledgement.person is not None
    return result.acknowledgement.person.name


def assign_and_give_back(scene: Scene) -> None:
    """Assigned to oneself by one press in the row, given back, and assigned to a colleague with a note."""
    scan_id = scene.case("doctor", Status.AI_ANALYZED)
    hand, page = scene.hand, scene.page
    with scene.clinic() as clinic:
        colleague = f"Cora {uuid.uuid4().hex[:6].title()}"
        clinic.person("doctor", name=colleague)
    hand.open(f"/doctor/?q={scene.patient}")
    hand.pick("Assign to", "Myself")
    hand.press(f"Assign the scan of {scene.patient}")
    scene.reads("You have taken the scan on")
    hand.open(f"/doctor/scans/{scan_id}")
    hand.press("Give it back")
    scene.reads("any doctor can read it")
    hand.pick("Colleague", colleague)
    hand.write("Note", "You know her.")
    hand.press("Assign", "#reading")
    scene.reads(f"You have assigned this scan to {colleague}")
    expect(page.locator("#assigned")).to_contain_text("You know her.")
    assert scene.look(lambda: assignments.standing(db.session.get_one(Scan, scan_id)))


def ask_for_a_second_reading(scene: Scene) -> None:
    """Asked for with a conclusion, ended, asked for again, and signed without one."""
    scan_id = scene.case("doctor", Status.AI_ANALYZED)
    hand, page = scene.hand, scene.page
    hand.open(f"/doctor/scans/{scan_id}")
    hand.write("Findings", "A shadow on the left.")
    hand.press("Ask for a second reading")
    expect(page.locator("#diagnosis-error")).to_contain_text("Write your conclusion")
    hand.write("Diagnosis", "Carcinoma")
    hand.press("Ask for a second reading")
    scene.reads("A second reading is asked for")
    hand.press("End the request")
    scene.reads("The request for a second reading has ended")
    hand.press("Ask for a second reading")
    scene.reads("Nobody has written it yet", "#second-reading-asked")
    assert scene.look(lambda: second_readings.standing(db.session.get_one(Scan, scan_id)))
    hand.choose("I agree")
    hand.press("Verify and sign")
    scene.becomes(scan_id, Status.DOCTOR_VERIFIED)


def write_a_second_reading(scene: Scene) -> None:
    """Without knowing the first; then both stand side by side."""
    scan_id = scene.case("doctor", Status.AI_ANALYZED, _asked_by_a_colleague)
    hand, page = scene.hand, scene.page
    hand.open(f"/doctor/scans/{scan_id}")
    expect(page.locator("body")).not_to_contain_text("Carcinoma")
    hand.write("Findings", "Old scar, left.")
    hand.write("Diagnosis", "Scar")
    hand.press("Keep the second reading")
    scene.reads("The conclusions differ: “Carcinoma” and “Scar”.", "#both-readings")


def _asked_by_a_colleague(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
    scan_id, asker_id = scan.id, clinic.person("doctor").id
    with transaction():
        text = ReviewText("A shadow on the left.", "", "Carcinoma")
        second_readings.ask(scan_id, text, by=db.session.get_one(User, asker_id))
