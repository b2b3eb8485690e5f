"""What a patient does."""

import re
import uuid
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Route, expect

from csss.clock import now, pretending
from csss.database import transaction
from csss.scans import services
from csss.scans.states import Status
from tests.browser.scene import Scene
from tests.factories import picture


def _picture(scene: Scene) -> Path:
    path = scene.folder / "scan.png"
    path.write_bytes(picture())
    return path


def _fill_in(scene: Scene) -> None:
    scene.hand.give("Picture of the scan", _picture(scene))
    scene.hand.choose("Chest X-ray")
    scene.hand.write("Why was the scan made?", "Cough for two weeks")


def send_a_scan(scene: Scene) -> None:
    """Refused first, without a picture; then sent."""
    scene.as_a("patient")
    scene.hand.open("/patient/")
    scene.hand.press("Send scan")
    expect(scene.page.locator("[data-error-summary]")).to_be_visible()
    _fill_in(scene)
    scene.hand.press("Send scan")
    expect(scene.page).to_have_url(re.compile(r"/patient/scans/[0-9a-f-]{36}$"))
    scene.hand.follow("My scans", ".page-header")
    scene.hand.follow(re.compile("^Chest X-ray of"), "#scans")
    scene.reads("Progress of your scan")


def tell_the_pharmacist(scene: Scene) -> None:
    """After the upload: a few questions, refused once; then changed, and skipped at one press."""
    scene.case("patient", Status.PENDING_AI)
    hand = scene.hand
    hand.open("/patient/")
    hand.follow(re.compile("^Chest X-ray of"), "#scans")
    hand.follow("Answer a few questions")
    hand.write("Weight in kg", "heavy")
    hand.press("Keep the answers")
    expect(scene.page.locator("[data-error-summary]")).to_be_visible()
    hand.write("Weight in kg", "72")
    hand.write("Medicines taken now", "Warfarin")
    hand.press("Keep the answers")
    scene.reads("The pharmacist sees what you wrote")
    hand.follow("Change what you told the pharmacist")
    hand.follow("Skip")
    scene.reads("Change what you told the pharmacist")


def send_it_all_the_same(scene: Scene) -> None:
    """A picture that was sent an hour ago: asked about, and sent with one more press, nothing typed twice."""
    with pretending(now() - timedelta(hours=1)):
        scene.case("patient", Status.PENDING_AI)
    with scene.clinic():
        scene.come_in(scene.me())  # now: a session of an hour ago has ended
    scene.hand.open("/patient/")
    _fill_in(scene)
    scene.hand.press("Send scan")
    scene.reads("You have sent this picture before")
    expect(scene.page.get_by_label("Why was the scan made?")).to_have_value("Cough for two weeks")
    scene.hand.press("Send it all the same")
    expect(scene.page).to_have_url(re.compile(r"/patient/scans/[0-9a-f-]{36}$"))


def withdraw(scene: Scene) -> None:
    scene.case("patient", Status.PENDING_AI)
    scene.hand.open("/patient/")
    scene.hand.follow(re.compile("^Chest X-ray of"), "#scans")
    scene.hand.unfold("Withdraw this scan")
    scene.hand.press("Withdraw it")
    scene.reads("You have withdrawn this scan")


def cancel_an_upload(scene: Scene) -> None:
    scene.as_a("patient")
    held: list[Route] = []

    def hold(route: Route) -> None:
        """The line stands still; only the first pieces are kept from arriving."""
        if route.request.method == "PATCH":
            held.append(route)
        else:
            route.continue_()

    scene.page.route("**/patient/uploads/*", hold)
    scene.hand.open("/patient/")
    _fill_in(scene)
    scene.hand.press("Send scan")
    expect(scene.hand.button("Cancel")).to_be_visible()
    scene.hand.press("Cancel")
    scene.reads("The upload was cancelled")
    for route in held:
        route.abort()


def resume_an_upload(scene: Scene) -> None:
    """The line breaks once; the page asks how far it has come, and goes on by itself."""
    scene.as_a("patient")
    broken: list[str] = []

    def breaks(route: Route) -> None:
        if route.request.method == "PATCH" and not broken:
            broken.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    scene.page.route("**/patient/uploads/*", breaks)
    scene.hand.open("/patient/")
    _fill_in(scene)
    scene.hand.press("Send scan")
    expect(scene.page).to_have_url(re.compile(r"/patient/scans/[0-9a-f-]{36}$"), timeout=40_000)
    assert broken


def follow_a_scan_and_get_the_report(scene: Scene) -> None:
    scene.case("patient", Status.REPORT_READY, lambda clinic, *_: clinic.run_jobs("render_report"))
    scene.hand.open("/patient/")
    scene.hand.follow(re.compile("^Chest X-ray of"), "#scans")
    scene.reads("What to do now")
    scene.hand.tick("Show heat map")
    expect(scene.page.locator(".viewer__layer")).to_be_visible()
    report = scene.hand.fetch(scene.hand.link("Download the report"), r"/reports/.*\.pdf")
    assert report.headers["content-type"] == "application/pdf"
    picture = scene.page.get_by_role("link", name=re.compile("^Open the full picture"))
    scene.hand.fetch(picture, "/image$")


def send_again_what_was_closed(scene: Scene) -> None:
    scene.case(
        "patient",
        Status.AI_ANALYZED,
        lambda clinic, people, scan: _close(scan.id, people),
    )
    scene.hand.open("/patient/")
    scene.hand.follow(re.compile("^Chest X-ray of"), "#scans")
    scene.hand.follow("Upload again")
    scene.hand.give("Picture of the scan", _picture(scene))
    scene.hand.press("Send scan")
    expect(scene.page).to_have_url(re.compile(r"/patient/scans/[0-9a-f-]{36}$"))


def _close(scan_id: uuid.UUID, people: dict) -> None:  # type: ignore[type-arg]
    with transaction():
        services.close(scan_id, reason="It shows a hand.", by=people["doctor"])
