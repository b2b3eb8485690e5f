"""axe finds nothing on any page, in light and dark; nothing scrolls sideways at 320 pixels or with text at 200 %."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from playwright.sync_api import Locator, Page, expect
from werkzeug.serving import make_server

from csss import create_app
from csss.auth.accounts import by_email, confirmation_token
from tests.browser.accessibility import CONTRAST, Seen, new_violations, sideways, violations, widest
from tests.browser.people import Person
from tests.browser.ward import ROLES, NewPage, signed_in
from tests.conftest import settings_for
from tests.stack import Stack

# Three processes of the run have a browser and a stack: for these, for "browser, walks" and for "browser, pages".
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


@pytest.mark.parametrize("role", ["nobody", *ROLES])
def test_every_page_is_accessible_in_every_choice_of_colours_narrow_and_with_large_text(
    stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]], seen: Seen, role: str
) -> None:
    if role == "nobody":
        page = new_page(stack)
        with stack.app.app_context():
            admin = by_email(ward["admin"][0])
            assert admin is not None
            email, token = admin.email, confirmation_token(admin)
        Person(page, stack, email).try_to_sign_in()
        expect(page).to_have_url(re.compile("/login/code$"))
        addresses = [
            "/",
            "/login",
            "/login/code",
            "/register",
            "/forgot-password",
            "/colours",
            "/reset-password/too-late",
        ]
        addresses += [f"/confirm/{token}", "/confirm/too-late", "/offline", "/nothing-here"]
    else:
        page, addresses = signed_in(stack, new_page, ward, role), ward[role][1]
    found = []
    for address in addresses:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")
        page.goto(address, wait_until="load")
        found += new_violations(page, seen)
        page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        if sideways(page) > 0:
            found.append(f"{address} scrolls sideways with text at 200 %: {widest(page)}")
        page.evaluate("document.documentElement.style.removeProperty('font-size')")
        page.set_viewport_size({"width": 320, "height": 900})
        if sideways(page) > 0:
            found.append(f"{address} scrolls sideways at 320 pixels")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("role", ROLES)
def test_what_comes_into_an_open_page_is_accessible_too(
    stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]], role: str
) -> None:
    page = signed_in(stack, new_page, ward, role)
    for what in SWAPS[role](page, ward[role][1]):
        found = violations(page)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        found += violations(page, only=CONTRAST)
        assert not found, what + "\n" + "\n".join(found)


def _patient_swaps(page: Page, _: list[str]) -> Iterator[str]:
    page.goto("/patient/")
    page.get_by_role("button", name="Send scan").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    yield "a refused scan"
    page.goto("/assistant")
    for question in ("which files can I send?", "what is the best colour?", "is it cancer?"):
        page.get_by_label("Your question").fill(question)
        page.get_by_role("button", name="Ask").click()
        expect(page.locator("#conversation").get_by_text(question)).to_be_visible()
    yield "the answers of the assistant"


def _doctor_swaps(page: Page, addresses: list[str]) -> Iterator[str]:
    page.goto("/doctor/")
    page.locator("[name=q]").fill("nobody has this name")
    expect(page.get_by_text("No scan matches")).to_be_visible()
    yield "an empty worklist"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "the keys of the worklist"
    page.goto(next(each for each in addresses if "/scans/" in each and _can_verify(page, each)))
    page.get_by_role("button", name=re.compile("^Verify")).first.click()
    expect(page.get_by_label("Findings")).to_be_focused()
    page.get_by_label("Show heat map").check()
    expect(page.locator(".viewer__heatmap")).to_be_visible()
    yield "a refused reading with the heat map"


def _pharmacist_swaps(page: Page, addresses: list[str]) -> Iterator[str]:
    complete = page.get_by_role("button", name=re.compile("^Complete"))
    page.goto(next(each for each in addresses if "/scans/" in each and _has(page, each, complete)))
    page.get_by_role("button", name="Add a medicine").click()
    for line, frequency in enumerate(("twice a day", "at night")):
        page.locator("[name=drug]").nth(line).fill("Amoxicillin")
        page.locator("[name=dose]").nth(line).fill("500 mg")
        page.locator("[name=frequency]").nth(line).fill(frequency)
    complete.first.click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page.get_by_text("The same medicine is on another line").first).to_be_visible()
    yield "a warning about two equal medicines"


def _admin_swaps(page: Page, addresses: list[str]) -> Iterator[str]:
    approve = page.get_by_role("button", name="Approve and release")
    page.goto(next(each for each in addresses if "/scans/" in each and _has(page, each, approve)))
    page.get_by_label("Code").fill("000000")
    approve.click()
    expect(page.locator("#approval .field__error, #approval [role=alert]").first).to_be_visible()
    yield "a refused code"
    page.get_by_text("Put on hold …").click()
    page.get_by_role("button", name="Put on hold").click()
    expect(page.locator("#hold-form .field__error").first).to_be_visible()
    yield "a hold without a note"
    page.goto("/admin/audit")
    page.get_by_label("Person").fill("nobody has this name")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile("nobody"))
    yield "an empty audit log"


SWAPS: dict[str, Callable[[Page, list[str]], Iterator[str]]] = {
    "patient": _patient_swaps,
    "doctor": _doctor_swaps,
    "pharmacist": _pharmacist_swaps,
    "admin": _admin_swaps,
}


def _can_verify(page: Page, address: str) -> bool:
    return _has(page, address, page.get_by_role("button", name=re.compile("^Verify")))


def _has(page: Page, address: str, button: Locator) -> bool:
    page.goto(address)
    return button.count() > 0


@pytest.fixture
def guide(
    tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimpleNamespace]:
    """The server of somebody who works on the components."""
    shutil.copy(migrated_sqlite, tmp_path / "csss.db")
    monkeypatch.setenv("FLASK_DEBUG", "1")
    server = make_server("127.0.0.1", 0, create_app(settings_for(tmp_path)), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()


def test_every_component_in_every_state_is_accessible(guide: SimpleNamespace, new_page: NewPage) -> None:
    page = new_page(guide)
    page.route(
        "**/events", lambda route: route.fulfill(status=204)
    )  # nobody is signed in, and nothing is live
    page.goto("/styleguide")
    found = violations(page)
    for theme in ("dark", "contrast"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        found += violations(page, only=CONTRAST)
    page.set_viewport_size({"width": 320, "height": 900})
    assert not found, "\n".join(found)
    assert sideways(page) <= 0, widest(page)


def test_in_forced_colours_states_keep_their_edges(
    stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]]
) -> None:
    """The system takes all backgrounds away; a tag must still be a tag."""
    page = signed_in(stack, new_page, ward, "doctor")
    page.emulate_media(forced_colors="active")
    page.goto("/doctor/")
    tag = page.locator(".tag:not(.tag--quiet)").first
    assert tag.evaluate("element => getComputedStyle(element).borderTopWidth") == "1px"
    assert tag.evaluate("element => getComputedStyle(element).borderTopColor") != "rgba(0, 0, 0, 0)"


def test_on_paper_a_page_is_black_on_white_without_navigation(
    stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]]
) -> None:
    page = signed_in(stack, new_page, ward, "doctor")
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 700, "height": 1000})
    for address in ward["doctor"][1]:
        page.goto(address)
        expect(page.locator(".masthead")).to_be_hidden()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert not page.locator("main .button:visible").count()
        assert sideways(page) <= 0, address
