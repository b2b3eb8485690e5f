"""What doctors see of each other's work without doing anything, and the worklist by keyboard alone."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from csss.auth import sessions
from csss.auth.accounts import by_email
from csss.database import db, transaction
from csss.people.models import User
from csss.scans.states import Status
from tests.ears import cookie_for, streaming
from tests.factories import Clinic
from tests.stack import Stack, eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NewPage = Callable[..., Page]
WORKLIST = "[data-live=queue]"


@pytest.fixture(scope="module")
def live(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path
) -> Iterator[Stack]:
    with streaming(tmp_path_factory.mktemp("livepages"), migrated_sqlite) as stack:
        yield stack


@pytest.fixture
def clinic(live: Stack) -> Iterator[Clinic]:
    with live.app.app_context():
        clinic = Clinic(live.app)
        clinic._people = time.monotonic_ns()
        yield clinic
        db.session.remove()


def signed_in(live: Stack, new_page: NewPage, user: User, **more: object) -> Page:
    page = new_page(live, **more)
    name, _, value = cookie_for(live, user).partition("=")
    page.context.add_cookies([{"name": name, "value": value, "url": live.url}])
    return page


def opened(page: Page, address: str = "/doctor/") -> Page:
    """The page, and its stream has begun."""
    with page.expect_request(re.compile("/events$")):
        page.goto(address)
    expect(page.locator("#live-notice")).to_be_empty()
    return page


def test_a_new_scan_appears_while_a_search_is_typed(live: Stack, new_page: NewPage, clinic: Clinic) -> None:
    page = opened(signed_in(live, new_page, clinic.person("doctor")))
    field = page.get_by_label("Name or MRN")
    field.focus()
    page.keyboard.type("x", delay=0)
    page.wait_for_url(re.compile(r"q=x"))
    field.fill("")
    page.wait_for_url(re.compile(r"/doctor/(\?[^x]*)?$"))
    page.wait_for_timeout(600)
    page.set_viewport_size({"width": 1280, "height": 360})
    page.evaluate("scrollTo(0, 80)")
    page.evaluate("document.querySelector('input[type=search]').value = 'Okaf'")  # typed, not yet sent
    page.evaluate("document.querySelector('input[type=search]').setSelectionRange(2, 4)")
    scan = clinic.scan(patient=clinic.person("patient", name="Chioma Okafor"))
    expect(page.locator(f"#scan-{scan.id}")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_value("Okaf")
    expect(field).to_have_js_property("selectionStart", 2)
    expect(field).to_have_js_property("selectionEnd", 4)
    expect(page.locator("html")).to_have_js_property("scrollTop", 80)


def test_many_changes_at_once_are_gathered(live: Stack, new_page: NewPage, clinic: Clinic) -> None:
    page = opened(signed_in(live, new_page, clinic.person("doctor")), "/doctor/?sort=newest")
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if "x-csss-refresh" in request.headers else None
    )
    patient = clinic.person("patient")
    begun = time.monotonic()
    scans = [clinic.scan(patient=patient).id for _ in range(15)]
    for scan_id in scans:
        expect(page.locator(f"#scan-{scan_id}")).to_be_visible()
    # Four at once, then one in two seconds (and what was missed before the stream began).
    assert 1 <= len(asked) <= 6 + (time.monotonic() - begun) / 2


def test_a_colleagues_claim_shows_by_itself_and_goes_when_the_page_is_left(
    live: Stack, new_page: NewPage, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    watcher = opened(signed_in(live, new_page, clinic.person("doctor")))
    row = watcher.locator(f"#scan-{scan_id}")
    row.get_by_role("link").first.focus()
    reader = signed_in(live, new_page, clinic.person("doctor", name="Ada Lindqvist"))
    reader.goto(f"/doctor/scans/{scan_id}")
    expect(row.get_by_text("Ada Lindqvist is reading it")).to_be_visible()
    expect(row.get_by_role("link").first).to_be_focused()

    third = signed_in(live, new_page, clinic.person("doctor", name="Third"))
    third.goto(f"/doctor/scans/{scan_id}")
    expect(third.get_by_text("Ada Lindqvist is reading this scan")).to_be_visible()
    third.get_by_role("button", name="Take over the reading").click()
    expect(row.get_by_text("Third is reading it")).to_be_visible()
    expect(reader.get_by_text("Third is reading this scan")).to_be_visible()
    third.goto("/account")
    expect(row.get_by_text("Ada Lindqvist is reading it")).to_be_visible()  # whose page is open still
    reader.goto("/account")
    expect(row.get_by_text("is reading it")).to_have_count(0)


def test_the_worklist_by_keyboard_alone(live: Stack, new_page: NewPage, clinic: Clinic) -> None:
    ready = clinic.scan(Status.AI_ANALYZED).id
    clinic.scan(Status.AI_ANALYZED)  # one to go on to, whatever other tests have left
    page = opened(signed_in(live, new_page, clinic.person("doctor")))
    links = page.locator("#worklist tbody td.main a")
    page.keyboard.press("j")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Name or MRN")).to_be_focused()
    page.keyboard.type("jk?n")
    expect(page.get_by_label("Name or MRN")).to_have_value("jk?n")
    page.goto("/doctor/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Use these letters as keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("#worklist tbody :focus")).to_have_count(0)
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Use these letters as keys").check()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.wait_for_url(re.compile(r"/doctor/scans/"))
    page.goto(f"/doctor/?q={clinic.scan().patient.mrn}")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/doctor/scans/"))
    assert ready


def test_a_session_that_ends_takes_its_page_to_the_sign_in(
    live: Stack, new_page: NewPage, clinic: Clinic
) -> None:
    doctor = clinic.person("doctor")
    page = opened(signed_in(live, new_page, doctor))
    with transaction():
        sessions.end_all(doctor)
    page.wait_for_url(re.compile("/login"))


def test_a_session_that_ends_before_the_stream_begins_leads_to_the_sign_in_too(
    live: Stack, new_page: NewPage, clinic: Clinic
) -> None:
    doctor = clinic.person("doctor")
    email = doctor.email
    page = signed_in(live, new_page, doctor)
    db.session.remove()  # its transaction would lock out the one below

    def late(route: Route) -> None:
        with live.app.app_context(), transaction():
            sessions.end_all(cast(User, by_email(email)))
        route.continue_()

    page.route("**/events", late)
    page.goto("/doctor/")
    page.wait_for_url(re.compile("/login"))


def test_without_redis_the_page_says_so_and_recovers(live: Stack, new_page: NewPage, clinic: Clinic) -> None:
    # The newest first: what other tests have left fills the first page.
    page = opened(signed_in(live, new_page, clinic.person("doctor")), "/doctor/?sort=newest")
    live.kill("redis")
    notice = page.get_by_text("Live updates are not available at the moment.")
    expect(notice).to_be_visible()
    missed = clinic.scan().id
    live.start_redis()
    expect(notice).to_have_count(0)
    expect(page.locator(f"#scan-{missed}")).to_be_visible()

    made: list[uuid.UUID] = []

    def comes() -> bool:
        # Whoever writes lets a Redis that was dead rest for a few seconds.
        made.append(clinic.scan().id)
        page.wait_for_timeout(2500)
        return any(page.locator(f"#scan-{each}").count() for each in made)

    eventually(comes, 40)


def test_what_is_unfolded_in_a_list_stays_so_when_the_list_changes(
    live: Stack, new_page: NewPage, clinic: Clinic
) -> None:
    first = clinic.person("doctor", name="Ada First", active=False)
    page = opened(signed_in(live, new_page, clinic.person("admin")), "/admin/users")
    row = page.locator(f"#user-{first.id}")
    row.get_by_text("Refuse …").click()
    button = row.get_by_role("button", name="Refuse Ada First")
    button.focus()
    second = clinic.person("doctor", name="Bo Second", active=False)
    expect(page.locator(f"#user-{second.id}")).to_be_visible()
    expect(button).to_be_visible()
    expect(button).to_be_focused()
