"""To all pages of all roles the erased person is a stranger and the scans are gone."""

from csss.database import db
from csss.erasing import services
from csss.people.models import User
from csss.reports import services as reports
from tests.factories import PASSWORD
from tests.integration.erasing.life import CANARY, Life, erase
from tests.rules.routes import WHO, methods, rules
from tests.rules.site import Site
from tests.visitor import Visitor, words


def test_to_sign_in_the_erased_person_is_a_stranger(life: Life, nobody: Visitor) -> None:
    erase(life)
    sent = {"email": f"{CANARY}@csss.example", "password": PASSWORD}
    known, unknown = nobody.post("/login", sent), nobody.post("/login", {**sent, "email": "who@csss.example"})
    assert (known.status_code, unknown.status_code) == (401, 401)
    assert words(known).replace(CANARY, "who") == words(unknown)
    left = db.session.get_one(User, life.patient).email
    assert nobody.post("/login", {**sent, "email": left}).status_code == 401
    # The address is free again.
    life.clinic.person("patient", email=f"{CANARY}@csss.example")


def test_all_pages_of_all_roles_work_afterwards_and_the_scans_are_gone_for_everyone(life: Life) -> None:
    clinic, (released, *_others) = life.clinic, life.scans
    report = reports.report_id(released, 1)
    people = {role: clinic.person(role).id for role in ("patient", "doctor", "pharmacist")}
    people |= {"admin": life.admin, "waiting": life.patient}
    site = Site(clinic.app, clinic, people, {"gone": released}, report, token="x")
    theirs = clinic.visitor(db.session.get_one(User, life.patient))
    erase(life)
    assert theirs.get("/patient/").status_code == 302  # signed out
    for role in ("patient", "doctor", "pharmacist", "admin"):
        visitor = site.visitor(role)
        _walk(site, visitor, role)
        assert visitor.get(f"/reports/{report}.pdf").status_code == 404
    admin = site.visitor("admin")
    for address in ("/admin/audit", "/admin/mail", "/admin/users?q=erased"):
        page = admin.page(address)
        assert services.NOBODY.lower() in page.get_text(" ").lower(), address
        links = {str(link["href"]) for link in page("a", href=True) if "/scans/" in str(link["href"])}
        assert {admin.get(link).status_code for link in links} <= {200}, address


def _walk(site: Site, visitor: Visitor, role: str) -> None:
    """Every page, as itself and as a fragment; every address of an erased scan."""
    for rule in rules(site.app):
        if "GET" not in methods(rule) or role not in WHO[rule.endpoint] or rule.endpoint == "events.stream":
            continue
        *_staff, address = site.addresses(rule).values()
        allowed = {404} if "scan_id" in rule.arguments else {200, 204, 302, 303, 404, 503}
        for headers in ({}, {"HX-Request": "true"}):
            response = visitor.get(address, headers=headers, buffered=True)
            assert response.status_code in allowed, f"{address} answered {response.status_code} to the {role}"
