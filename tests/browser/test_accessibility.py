"""axe finds nothing on the pages people spend their day on, in light and dark, on a phone and on a desk."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from csss.scans.states import Status
from tests.browser.people import Person
from tests.factories import Clinic, reading
from tests.stack import Stack

# One process of the run has the browser and the stack.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def ward(stack: Stack) -> dict[str, tuple[str, list[str]]]:
    """For each role an e-mail address and the pages to look at, with a scan in every stage behind them."""
    with stack.app.app_context():
        clinic = Clinic(stack.app)
        people = {
            role: clinic.person(role, email=f"axe-{role}@csss.example")
            for role in ("patient", "doctor", "pharmacist")
        }
        scans = {
            status: clinic.scan(status, patient=people["patient"], doctor=people["doctor"]).id
            for status in list(Status)[:4]
        }
        uncertain = clinic.scan(
            Status.AI_ANALYZED, patient=people["patient"], result=reading(confidence=0.5)
        ).id
        waiting, completed = scans[Status.PENDING_AI], scans[Status.PHARMACIST_COMPLETED]
        pages = {
            "patient": ["/patient/", f"/patient/scans/{waiting}", "/account"],
            "doctor": ["/doctor/", f"/doctor/scans/{waiting}", f"/doctor/scans/{uncertain}"],
            "pharmacist": ["/pharmacist/", f"/pharmacist/scans/{scans[Status.DOCTOR_VERIFIED]}"],
            "admin": ["/admin/", f"/admin/scans/{completed}", "/admin/users", "/admin/mail", "/admin/audit"],
        }
        emails = {role: user.email for role, user in people.items()}
        emails["admin"] = clinic.person("admin", email="axe-admin@csss.example").email
        return {role: (emails[role], addresses) for role, addresses in pages.items()}


@pytest.mark.parametrize("role", ["nobody", "patient", "doctor", "pharmacist", "admin"])
def test_axe_finds_nothing_and_no_page_scrolls_sideways(
    stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]], role: str
) -> None:
    page = new_page(stack)
    addresses = ["/", "/login", "/register", "/nothing-here"]
    if role != "nobody":
        email, addresses = ward[role]
        person = Person(page, stack, email)
        if role == "admin":
            person.sign_in_with_code()
        else:
            person.sign_in()
    found = []
    for scheme, width in (("light", 1440), ("dark", 360)):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for address in addresses:
            page.goto(address)
            result = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
            found += [
                f"{address} {scheme} {width}: {violation['id']} {violation['nodes'][0]['html'][:120]}"
                for violation in result.response["violations"]
            ]
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append(f"{address} {width}: scrolls sideways")
    assert not found, "\n".join(found)
