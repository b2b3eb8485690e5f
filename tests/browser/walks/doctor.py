"""What a doctor does."""

import re
import uuid

from playwright.sync_api import expect

from csss.database import db, transaction
from csss.people.models import User
from csss.reports import services as reports
from csss.scans import claims
from csss.scans.models import Scan
from csss.scans.states import HoldFor, Priority, Status
from tests.browser.scene import Crowd, Scene
from tests.factories import reading
from tests.findings import reading_with_findings
from tests.stack import eventually


def find_and_open(scene: Scene) -> None:
    """By search, order and list; then opened from its row."""
    scan_id = scene.case("doctor", Status.AI_ANALYZED)
    scene.hand.open("/doctor/")
    scene.hand.pick("Order", "Newest")
    scene.hand.press("Search")
    scene.hand.write("Name or MRN", scene.patient)
    scene.hand.press("Search")
    expect(scene.page.locator("#worklist tbody tr")).to_have_count(1)
    scene.hand.follow(re.compile("^All"), ".tabs")
    expect(scene.page).to_have_url(re.compile("status="))
    scene.hand.follow(scene.patient, f"#scan-{scan_id}")
    expect(scene.page.locator("h1")).to_have_text(scene.patient)


def filter_sort_and_save(scene: Scene) -> None:
    """By filters and by a heading; saved as the own view, with which the list then opens, and forgotten again."""
    scan_id = scene.case("doctor", Status.AI_ANALYZED)
    hand, page = scene.hand, scene.page
    hand.open(f"/doctor/?q={scene.patient}")
    hand.unfold("More filters")
    hand.pick("Kind of scan", "Chest X-ray")
    hand.press("Search")
    expect(page).to_have_url(re.compile("kind=chest_xray"))
    expect(page.locator(f"#scan-{scan_id}")).to_be_visible()
    hand.follow("Uploaded", "#worklist thead")
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Uploaded")
    hand.press("Save as my view")
    scene.reads("The worklist now opens with this list")
    hand.open("/doctor/")
    expect(page).to_have_url(re.compile("kind=chest_xray"))
    hand.press("Delete my view")
    scene.reads("Your view has been deleted")
    hand.open("/doctor/")
    expect(page).to_have_url(re.compile("/doctor/$"))


def turn_the_pages(scene: Scene) -> None:
    """More scans than one page of the list shows."""
    scene.case("doctor", Status.PENDING_AI, _twenty_six_more)
    scene.hand.open(f"/doctor/?status=all&q={scene.patient}")
    scene.hand.follow("Next")
    scene.reads("26–27 of 27 scans")
    scene.hand.follow("Previous")
    scene.reads("1–25 of 27 scans")


def _twenty_six_more(clinic: Crowd, people: dict[str, User], _: Scan) -> None:
    for _number in range(26):
        clinic.scan(patient=people["patient"])


def analyse_from_the_list(scene: Scene) -> None:
    scan_id = scene.case("doctor", Status.PENDING_AI)
    scene.hand.open(f"/doctor/?q={scene.patient}")
    scene.hand.press(f"Analyse the scan of {scene.patient}")
    scene.becomes(scan_id, Status.AI_ANALYZED)


def analyse_while_looking(scene: Scene) -> None:
    scan_id = scene.case("doctor", Status.PENDING_AI)
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.hand.press("Analyse")
    scene.until("Your reading")
    scene.becomes(scan_id, Status.AI_ANALYZED)


def analyse_all_that_wait(scene: Scene) -> None:
    def another(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        clinic.scan(patient=people["patient"])

    scan_id = scene.case("doctor", Status.PENDING_AI, another)
    scene.hand.open("/doctor/")
    scene.hand.press(re.compile("^Analyse all .* waiting scans"))
    scene.becomes(scan_id, Status.AI_ANALYZED)


def read_with_draft_and_template(scene: Scene) -> None:
    """Uncertain, so with an own diagnosis: a block of text, a draft kept and thrown away, and then signed."""
    scan_id = scene.case("doctor", Status.AI_ANALYZED, result=reading("COVID", 0.5))
    hand, page = scene.hand, scene.page
    hand.open(f"/doctor/scans/{scan_id}")
    if not scene.runs_script:
        hand.press("Read this scan")
    scene.reads("Colleagues see that you are reading this scan")
    hand.tick("Show heat map")
    hand.pick("Template", "Normal chest")
    hand.press("Insert", "#reading-form")
    expect(page.locator("[name=findings]")).to_have_value(re.compile("Both lungs are clear"))
    hand.press("Save draft")
    expect(page.locator("#draft-status")).to_have_text(re.compile("Draft saved"))
    hand.open(f"/doctor/scans/{scan_id}")
    hand.write("Impression", "Not meant to stay")
    hand.press("Discard draft")
    for name in ("findings", "impression"):
        expect(page.locator(f"[name={name}]")).to_have_value("")
    hand.press("Verify and sign")
    expect(page.locator("[data-error-summary]")).to_be_visible()
    hand.write("Findings", "Patchy opacity in the left lower zone.")
    hand.write("Impression", "Pneumonia is likely.")
    hand.write("Diagnosis", "Community-acquired pneumonia")
    hand.choose("I agree in part")
    hand.tick("I have read this scan myself")
    hand.press("Verify and sign")
    scene.becomes(scan_id, Status.DOCTOR_VERIFIED)


def look_where_a_finding_was_seen(scene: Scene) -> None:
    """The map of a finding instead of the whole answer's, and away again by the same link."""
    scan_id = scene.case("doctor", Status.AI_ANALYZED, result=reading_with_findings(Effusion=0.62, Mass=0.41))
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.reads("Findings to look for")
    switch = scene.page.locator("[data-heat-switch]")
    for name in ("Pleural effusion", "Mass"):
        scene.hand.follow(f"Heat map of: {name}", ".findings")
        expect(scene.page.locator(".findings a[aria-current=true]")).to_have_text(re.compile(name))
        expect(switch).to_be_checked()
        expect(scene.page.locator("[data-heat-of]")).to_have_text(name)
    scene.hand.follow("Heat map of: Mass", ".findings")
    expect(switch).not_to_be_checked()
    expect(scene.page.locator(".findings a[aria-current]")).to_have_count(0)


def verify_and_go_on(scene: Scene) -> None:
    def another(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        clinic.scan(Status.AI_ANALYZED, patient=people["patient"], doctor=people["doctor"])

    scan_id = scene.case("doctor", Status.AI_ANALYZED, another)
    scene.hand.open("/doctor/")
    scene.hand.follow("Read the next one")
    expect(scene.page).to_have_url(re.compile("/doctor/scans/"))
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.hand.press("Skip this scan")
    expect(scene.page).to_have_url(re.compile(rf"/doctor/scans/(?!{scan_id})"))
    scene.hand.follow("Previous scan")
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.hand.write("Findings", "A mass in the right upper lobe.")
    scene.hand.choose("I disagree")
    scene.hand.write("Diagnosis", "A mass, probably malignant")
    scene.hand.press("Verify and go to the next")
    scene.becomes(scan_id, Status.DOCTOR_VERIFIED)
    expect(scene.page).to_have_url(re.compile(rf"/doctor/scans/(?!{scan_id})"))


def take_over_and_give_back(scene: Scene) -> None:
    """A colleague has the scan. It is free again once the page has been left, or the button pressed."""

    def taken(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        before = clinic.person("doctor", name="Dr Before")
        with transaction():
            claims.take(scan.id, by=before)

    scan_id = scene.case("doctor", Status.AI_ANALYZED, taken)
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.reads("Dr Before is reading this scan")
    scene.hand.press("Take over the reading")
    scene.reads("Colleagues see that you are reading this scan")
    if scene.runs_script:
        scene.hand.open("/doctor/")
    else:
        scene.hand.press("Stop reading this scan")
    # A page that is left says it with a beacon, which no tool sees going out.
    eventually(lambda: scene.look(lambda: claims.standing(scan_id)) is None)


def read_without_the_classifier(scene: Scene) -> None:
    scan_id = scene.case("doctor", Status.PENDING_AI)
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.hand.unfold("Read without the classifier")
    scene.hand.write("Reason", "A photograph of a film", "#classifier")
    scene.hand.press("Read without the classifier", "#classifier form")
    scene.becomes(scan_id, Status.AI_ANALYZED)
    scene.reads("Your reading")


def set_the_priority_and_close(scene: Scene) -> None:
    scan_id = scene.case("doctor", Status.AI_ANALYZED)

    def scan() -> Scan:
        return db.session.get_one(Scan, scan_id, populate_existing=True)

    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.hand.choose("Urgent")
    scene.hand.press("Set priority")
    scene.reads("The priority has been changed")
    assert scene.look(lambda: scan().priority) is Priority.URGENT
    scene.hand.unfold("Close this scan")
    scene.hand.write("Reason", "It shows a hand.", "#close")
    scene.hand.press("Close for good")
    scene.reads("This scan is closed")


def correct_the_kind(scene: Scene) -> None:
    scan_id = scene.case("doctor", Status.AI_ANALYZED)
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.hand.unfold("Correct the kind")
    scene.hand.write("Reason", "It shows a heart.", "#correct-kind")
    scene.hand.press("Change it to Cardiac MRI")
    scene.reads("The kind of the scan has been corrected")
    scene.reads("Cardiac MRI (sent as Chest X-ray)")
    scene.reads("the answer counts as it was given")
    assert scene.look(lambda: db.session.get_one(Scan, scan_id, populate_existing=True).kind) == "cardiac_mri"


def answer_a_hold(scene: Scene) -> None:
    def held(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        with transaction():
            reports.hold(scan.id, to=HoldFor.DOCTOR, note="Which side?", by=people["admin"])

    scan_id = scene.case("doctor", Status.PHARMACIST_COMPLETED, held)
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.reads("Which side?")
    scene.hand.write("Findings", "Opacity in the left lower zone.")
    scene.hand.press("Add the corrected reading")
    scene.reads("The corrected reading has been added")


def add_an_addendum(scene: Scene) -> None:
    scan_id = scene.case("doctor", Status.REPORT_READY, lambda clinic, *_: clinic.run_jobs("render_report"))
    scene.hand.open(f"/doctor/scans/{scan_id}")
    report = scene.page.locator("#report a").first
    scene.hand.fetch(report, r"/reports/.*\.pdf")
    scene.hand.unfold("Add an addendum")
    scene.hand.write("Addendum", "The scan was made a day earlier.")
    scene.hand.press("Sign the addendum")
    scene.reads("The addendum has been added")


def compare_with_an_earlier_scan(scene: Scene) -> None:
    def earlier(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        clinic.scan(Status.AI_ANALYZED, patient=people["patient"], doctor=people["doctor"])

    scan_id = scene.case("doctor", Status.AI_ANALYZED, earlier)
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.hand.follow(re.compile("^Compare with"))
    scene.hand.follow("Close comparison")
    expect(scene.page.locator(".compare")).to_have_count(0)


def keep_report_templates(scene: Scene) -> None:
    scene.as_a("doctor")
    hand, title = scene.hand, f"Nodule {uuid.uuid4().hex[:6]}"
    hand.open("/doctor/")
    hand.follow("Templates", ".main-nav")
    hand.press("Add the template")
    expect(scene.page.locator("[data-error-summary]")).to_be_visible()
    hand.write("Name", title)
    hand.pick("For", "Chest X-ray")
    hand.write("Text for the findings", "A nodule in the [right/left] lung.")
    hand.write("Text for the impression", "Follow-up is suggested.")
    hand.press("Add the template")
    scene.reads("The template has been added")
    hand.press(f"Move up: {title}")
    expect(hand.button(f"Move down: {title}")).to_be_visible()
    hand.follow(f"Change: {title}")
    hand.write("Name", f"{title} again")
    hand.press("Save the template")
    hand.press(f"Delete: {title} again")
    scene.reads("The template has been deleted")
    expect(hand.button(f"Delete: {title} again")).to_have_count(0)


def take_a_signature_back(scene: Scene) -> None:
    """Signed, taken back before a pharmacist has opened the scan, and signed again."""
    scan_id = scene.case("doctor", Status.DOCTOR_VERIFIED)
    scene.hand.open(f"/doctor/scans/{scan_id}")
    scene.hand.unfold("Take the signature back")
    scene.hand.press("Take it back")
    scene.reads("Your signature has been taken back")
    scene.hand.write("Findings", "Opacity in the left lower zone.")
    scene.hand.press("Sign again")
    scene.reads("The reading has been signed again")


def write_a_first_impression(scene: Scene) -> None:
    """Where the classifier speaks after the reading: first what the doctor sees, then the answer, then the signature."""
    scan_id = scene.case("doctor", Status.AI_ANALYZED, result=reading("Viral_Pneumonia", 0.95))
    hand, page = scene.hand, scene.page
    hand.open(f"/doctor/scans/{scan_id}")
    expect(page.locator("#classifier")).to_have_count(0)
    expect(page.get_by_label("Show heat map")).to_have_count(0)
    hand.write("Findings", "Hazy on both sides.")
    hand.press("Keep it and show the classifier’s answer")
    expect(page.locator("[data-error-summary]")).to_be_visible()
    hand.write("Diagnosis", "Bronchitis")
    hand.choose("Unsure")
    hand.press("Keep it and show the classifier’s answer")
    scene.reads("Your first impression is kept")
    expect(page.locator("#classifier")).to_contain_text("Viral pneumonia")
    hand.tick("Show heat map")
    expect(page.locator("[name=diagnosis]")).to_have_value("Bronchitis")
    hand.choose("I agree")
    hand.write("Diagnosis", "Viral pneumonia")
    hand.press("Verify and sign")
    scene.becomes(scan_id, Status.DOCTOR_VERIFIED)
