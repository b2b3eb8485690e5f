"""axe finds nothing on any page, in light and dark; nothing scrolls sideways at 320 pixels or with text at 200 %; and every
task of every role is done with the keyboard alone."""

import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Locator, Page, expect
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from csss import create_app
from csss.auth.accounts import by_email, confirmation_token
from csss.database import db, transaction
from csss.outbox import DISPATCHER
from csss.people.models import User
from csss.people.permissions import PUBLIC
from csss.reports import batches
from csss.reports import services as reports
from csss.scans import analysis, services
from csss.scans.models import Scan
from csss.scans.states import HoldFor, Status
from tests.browser.people import Person
from tests.conftest import settings_for
from tests.factories import PASSWORD, Clinic, reading
from tests.stack import Stack, eventually

# Two processes of the run have a browser and a stack: one for these, one for "browser, walks".
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NewPage = Callable[..., Page]
ROLES = ("patient", "doctor", "pharmacist", "admin")
WCAG = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
CONTRAST: dict[str, object] = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


@pytest.fixture(scope="module")
def ward(stack: Stack) -> dict[str, tuple[str, list[str]]]:
    """For each role an e-mail address and every page it can open, with a scan in every stage behind them."""
    app = stack.app
    with app.app_context():
        clinic = Clinic(app)
        people = {role: clinic.person(role, email=f"axe-{role}@csss.example") for role in ROLES}
        kept, app.extensions[DISPATCHER] = app.extensions[DISPATCHER], lambda row_id, queue: None
        scans = _scans(clinic, people)
        with transaction():
            batches.prepare(
                [scan.id for scan in scans if scan.status is Status.PHARMACIST_COMPLETED], by=people["admin"]
            )
        app.extensions[DISPATCHER] = kept
        emails = {role: user.email for role, user in people.items()}
        return {role: (emails[role], _pages(clinic, app, role, scans)) for role in ROLES}


def _scans(clinic: Clinic, people: dict[str, User]) -> list[Scan]:
    """One in each stage; then one that is uncertain, one whose analysis has failed, one on hold, and a closed one."""
    patient, doctor, admin = people["patient"], people["doctor"], people["admin"]
    stages = [clinic.scan(status, patient=patient, doctor=doctor) for status in Status]
    clinic.run_jobs("render_report")
    uncertain = clinic.scan(Status.AI_ANALYZED, patient=patient, result=reading(confidence=0.5))
    failed, closed = clinic.scan(patient=patient), clinic.scan(patient=patient)
    held = clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient, doctor=doctor)
    with transaction():
        run_id = analysis.start(failed.id, by=doctor).id
    with transaction():
        analysis.keep_failure(run_id, "The picture could not be read.")
    with transaction():
        services.close(closed.id, reason="It shows a hand.", by=doctor)
        reports.hold(held.id, to=HoldFor.DOCTOR, note="Which side?", by=admin)
    return [*stages, uncertain, failed, held, closed]


def _pages(clinic: Clinic, app: Flask, role: str, scans: list[Scan]) -> list[str]:
    """Every address that answers this role with a whole page; one of each route for each stage of a scan, and one of each
    that the pages themselves lead to (an account, a template, a model, reports chosen together)."""
    user = by_email(f"axe-{role}@csss.example")
    assert user is not None
    visitor, routes = clinic.visitor(user), app.url_map.bind("")
    queue = [
        rule.rule.replace("<uuid:scan_id>", str(scan.id))
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
        if "GET" in (rule.methods or ()) and not rule.arguments - {"scan_id"}
        for scan in (scans if rule.arguments else scans[:1])
        if getattr(app.view_functions[rule.endpoint], "permission", None) is not PUBLIC
        and not rule.rule.startswith("/events")
    ]
    if role == "doctor":
        queue.append(f"/doctor/scans/{scans[1].id}?compare={scans[0].id}")
    found, examples = [], set[str]()
    for address in queue:
        answer = visitor.get(address)
        if answer.status_code != 200 or b"<html" not in answer.get_data()[:200]:
            continue
        found.append(address)
        for link in re.findall(r'href="(/[^"#?]*)"', answer.get_data(as_text=True)):
            try:
                endpoint, values = routes.match(link)
            except HTTPException:
                continue
            if set(values) - {"scan_id"} and endpoint not in examples:
                examples.add(endpoint)
                queue.append(link)
    db.session.remove()
    return found


def signed_in(stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]], role: str) -> Page:
    """A page of somebody who has come in, by the cookie: signing in by hand is tried elsewhere."""
    page = new_page(stack)
    with stack.app.app_context():
        user = by_email(ward[role][0])
        assert user is not None
        cookie = Clinic(stack.app).visitor(user).client.get_cookie("csss")
        assert cookie is not None
    page.context.add_cookies([{"name": "csss", "value": cookie.value, "url": stack.url}])
    return page


def violations(page: Page, *, only: dict[str, object] | None = None) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    options = {**(only or {"runOnly": WCAG}), "resultTypes": ["violations"]}
    found = page.evaluate("async (options) => (await axe.run(document, options)).violations", options)
    return [f"{page.url} {each['id']} {each['nodes'][0]['html'][:140]}" for each in found]


# What gives an element its colours: its own classes and states, and those of everything around it.
_LOOKS = """(states) => [...new Set([...document.querySelectorAll("body *")].map((each) => {
  const path = [];
  for (let at = each; at; at = at.parentElement) {
    path.push([at.localName, ...at.classList, ...states.map((name) => at.getAttribute(name))]);
  }
  return JSON.stringify(path);
}))]"""


_STATES = ["type", "disabled", "hidden", "open", "aria-current", "aria-invalid"]


def has_new_looks(page: Page, seen: set[str]) -> bool:
    """Whether anything on the page could have colours that were not seen before: one scan's page resembles another's."""
    looks = set(page.evaluate(_LOOKS, _STATES))
    new = not looks <= seen
    seen |= looks
    return new


def sideways(page: Page) -> int:
    """How many pixels of the page lie beyond its right edge."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def widest(page: Page) -> str:
    """The innermost element that reaches farthest to the right, for whoever has to mend it."""
    return str(
        page.evaluate(
            """() => { let far = 0, found; for (const each of document.querySelectorAll("main *")) {
            const { right } = each.getBoundingClientRect(); if (right >= far) { far = right; found = each; } }
            return `${found.outerHTML.slice(0, 160)} in ${found.parentElement.className}, ${Math.round(far)} px`; }"""
        )
    )


@pytest.mark.parametrize("role", ["nobody", *ROLES])
def test_every_page_is_accessible_in_every_choice_of_colours_narrow_and_with_large_text(
    stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]], role: str
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
    found, seen = [], set[str]()
    for address in addresses:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")
        page.goto(address, wait_until="load")
        found += violations(page)
        if has_new_looks(page, seen):
            page.emulate_media(color_scheme="dark")
            found += violations(page, only=CONTRAST)
            page.evaluate("document.documentElement.dataset.theme = 'contrast'")
            found += violations(page, only=CONTRAST)
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
    expect(page.get_by_text("The same medicine stands on another line").first).to_be_visible()
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
    page.get_by_role("button", name="Show").click()
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


# The keyboard alone


def reach(page: Page, target: Locator) -> None:
    """Tab until `target` has the focus, as somebody without a mouse does."""
    expect(target).to_be_attached()
    for _ in range(150):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached with the Tab key")


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    reach(page, target)
    expect(target).to_be_focused()
    target.press(key)  # unlike `page.keyboard` it waits for the page that this leads to


def write(page: Page, target: Locator, text: str) -> None:
    reach(page, target)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def choose(page: Page, name: str, value: str) -> None:
    """A radio button: Tab into the group, then the arrow keys."""
    group = page.locator(f"input[type=radio][name={name}]")
    checked = page.locator(f"input[type=radio][name={name}]:checked")
    reach(page, checked if checked.count() else group.first)
    page.keyboard.press("Space")
    for _ in range(group.count()):
        if page.locator(f"input[name={name}][value={value}]").is_checked():
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"{value} cannot be chosen with the arrow keys")


def sign_in(page: Page, email: str) -> None:
    page.goto("/login")
    write(page, page.get_by_label("E-mail address"), email)
    write(page, page.get_by_label("Password"), PASSWORD)
    page.keyboard.press("Enter")


def test_the_whole_way_with_the_keyboard_alone(stack: Stack, new_page: NewPage, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "csss" / "demo" / "scans"
    picture = tmp_path / "scan.jpg"
    picture.write_bytes(next(iter(sorted(source.glob("Normal*.jpg")))).read_bytes())
    with stack.app.app_context():
        clinic = Clinic(stack.app)
        emails = {role: clinic.person(role).email for role in ROLES}

    page = new_page(stack)
    # Listened to from the beginning: only then does Chromium hand the dialogue over, and the key would be too early.
    page.on("filechooser", lambda _: None)
    sign_in(page, emails["patient"])
    expect(page).to_have_url(re.compile("/patient/$"))
    reach(page, page.get_by_label("Picture of the scan"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(picture)
    choose(page, "kind", "chest_xray")
    write(page, page.get_by_label("Why was the scan made?"), "Cough")
    press(page, page.get_by_role("button", name=re.compile("Send scan")))
    page.wait_for_url(re.compile(r"/patient/scans/[0-9a-f-]{36}"))
    scan = page.url.rstrip("/").rpartition("/")[2]

    page = new_page(stack)
    sign_in(page, emails["doctor"])
    expect(page).to_have_url(re.compile("/doctor/$"))
    page.goto(f"/doctor/scans/{scan}")
    with page.expect_response(re.compile("/analyze$")):  # else the look below might break it off
        press(page, page.get_by_role("button", name="Analyse").first)

    def analysed() -> bool:
        page.wait_for_timeout(400)
        page.goto(f"/doctor/scans/{scan}")
        return page.get_by_role("button", name="Verify").first.is_visible()

    eventually(analysed, 90)
    write(page, page.locator("[name=findings]"), "Clear lungs.")
    write(page, page.locator("[name=impression]"), "No active disease.")
    write(page, page.locator("[name=diagnosis]"), "Normal chest")
    choose(page, "agreement", "agree")
    if page.locator("[name=read_myself]").count():
        press(page, page.locator("[name=read_myself]").first, "Space")
    press(page, page.get_by_role("button", name="Verify").first)
    eventually(lambda: _status(stack, scan) is Status.DOCTOR_VERIFIED, 60)

    page = new_page(stack)
    sign_in(page, emails["pharmacist"])
    expect(page).to_have_url(re.compile("/pharmacist/$"))
    page.goto(f"/pharmacist/scans/{scan}")
    write(page, page.locator("[name=notes]"), "Nothing to take.")
    press(page, page.locator("[name=none_needed]"), "Space")
    press(page, page.get_by_role("button", name=re.compile("Complete")).first)
    eventually(lambda: _status(stack, scan) is Status.PHARMACIST_COMPLETED, 60)

    page = new_page(stack)
    sign_in(page, emails["admin"])
    expect(page.get_by_label("Six-digit code")).to_be_visible()
    write(page, page.get_by_label("Six-digit code"), stack.mailbox.code_for(emails["admin"]))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/admin/$"))
    page.goto(f"/admin/scans/{scan}")
    press(page, page.get_by_role("button", name="Send me").first)
    expect(page.get_by_role("button", name="Send me another code")).to_be_visible()
    code = stack.mailbox.code_for(emails["admin"], 2)
    write(page, page.locator("[name=code]").first, code)
    press(page, page.get_by_role("button", name=re.compile("^Approve")).first)
    eventually(lambda: _status(stack, scan) is Status.REPORT_READY, 60)


def _status(stack: Stack, scan_id: str) -> Status:

    with stack.app.app_context():
        return db.session.get_one(Scan, uuid.UUID(scan_id), populate_existing=True).status


def test_the_first_tab_leads_past_the_navigation(
    stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]]
) -> None:
    page = signed_in(stack, new_page, ward, "doctor")
    page.goto("/doctor/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


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
