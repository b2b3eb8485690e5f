"""Who may do what: every route × every role × nobody, against the table of routes.py."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from csss.audit.models import AuditEvent
from csss.auth import sessions
from csss.database import db, transaction
from csss.people.models import AccountState, User
from csss.people.permissions import ALLOWED, Permission
from csss.people.roles import Role
from tests.rules.routes import EVERYBODY, WHO, methods, rules, send
from tests.rules.site import ROLES, Site, make_site
from tests.visitor import words

pytestmark = pytest.mark.xdist_group("routes")


@pytest.fixture(scope="module")
def site(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One of our own: here forms are sent."""
    yield from make_site(tmp_path_factory.mktemp("routes"), migrated_sqlite)


def test_every_route_is_in_the_table_and_names_a_permission(site: Site) -> None:
    endpoints = {rule.endpoint for rule in rules(site.app)}
    assert endpoints - set(WHO) == set(), "add these to WHO in tests/rules/routes.py"
    assert set(WHO) - endpoints == set(), "these are gone: take them out of WHO in tests/rules/routes.py"
    for endpoint in endpoints:
        view = site.app.view_functions[endpoint]
        assert isinstance(getattr(view, "permission", None), Permission), f"{endpoint} names no permission"


def test_permissions_are_those_of_the_design() -> None:
    """Written out once more: the table in the code cannot be widened by mistake."""
    may = {role: {permission.value for permission in ALLOWED if role in ALLOWED[permission]} for role in Role}
    everybody = {"account.own", "scan.see", "report.download", "assistant.ask"}
    assert may == {
        Role.PATIENT: everybody | {"scan.upload"},
        Role.DOCTOR: everybody | {"scan.review", "model.read", "critical.see"},
        Role.PHARMACIST: everybody | {"scan.prescribe", "model.read", "critical.see", "critical.acknowledge"},
        Role.ADMIN: everybody
        | {
            "report.approve",
            "account.manage",
            "audit.read",
            "model.read",
            "model.choose",
            "model.watch",
            "patient.erase",
            "critical.see",
            "critical.acknowledge",
        }
        | {"hospital.change", "patient.manage"},
    }
    assert Permission.PUBLIC not in ALLOWED


@pytest.mark.parametrize("role", [None, *ROLES], ids=lambda role: role or "nobody")
def test_every_route_is_open_to_those_in_the_table_and_shut_to_all_others(
    site: Site, role: str | None
) -> None:
    for rule in rules(site.app):
        address = next(iter(site.addresses(rule).values()))
        for method in methods(rule):
            # A new session each time: some routes end it.
            status, target = send(site.visitor(role), method, address)
            told = f"{method} {rule.rule} as {role or 'nobody'} answered {status}"
            if role in WHO[rule.endpoint]:
                assert status < 500 or rule.endpoint == "status.readyz", told
                assert status not in {401, 403} or rule.endpoint in {"auth.login", "auth.passkey_login"}, told
                assert "/login" not in target or rule.endpoint.startswith("auth."), told
            elif role is None:
                assert status == 302 and target.startswith("/login"), told
            else:
                assert status == 403, told


@pytest.mark.parametrize("role", [None, *ROLES], ids=lambda role: role or "nobody")
def test_asking_for_the_head_of_a_page_is_asking_for_the_page(site: Site, role: str | None) -> None:
    """The same status and headers without the content; and never a form that was sent, which would be kept as a refusal."""
    before = _refusals()
    for rule in rules(site.app):
        if "GET" not in (rule.methods or set()) or rule.arguments:
            continue
        page = site.visitor(role).get(rule.rule)
        head = site.visitor(role).get(rule.rule, method="HEAD")
        told = f"HEAD {rule.rule} as {role or 'nobody'}"
        assert head.status_code == page.status_code, told
        assert head.headers.get("Location") == page.headers.get("Location"), told
        assert head.mimetype == page.mimetype and not head.data, told
    assert _refusals() == before


def _refusals() -> int:
    db.session.remove()
    refused = AuditEvent.action.in_(["session.refused", "code.refused", "account.registered"])
    return db.session.scalar(select(func.count()).select_from(AuditEvent).where(refused)) or 0


def test_htmx_without_a_session_is_told_to_sign_in_and_gets_no_page(site: Site) -> None:
    for rule in rules(site.app):
        if None in WHO[rule.endpoint]:
            continue
        address = next(iter(site.addresses(rule).values()))
        for method in methods(rule):
            status, target = send(site.visitor(None), method, address, **{"HX-Request": "true"})
            assert (status, target.partition("?")[0]) == (401, "/login"), f"{method} {rule.rule}"


def test_signing_in_leads_back_to_the_page_but_never_to_a_form(site: Site) -> None:
    assert send(site.visitor(None), "GET", "/doctor/?sort=newest")[1] == "/login?next=/doctor/?sort%3Dnewest"
    assert send(site.visitor(None), "POST", f"/doctor/scans/{uuid.uuid4()}/verify")[1] == "/login"


def test_a_form_without_its_token_is_refused_on_every_route(site: Site) -> None:
    for rule in rules(site.app):
        who = next((role for role in ROLES if role in WHO[rule.endpoint]), None)
        address = next(iter(site.addresses(rule).values()))
        for method in set(methods(rule)) - {"GET", "HEAD"}:
            response = site.visitor(who).post(address, {"csrf_token": ""}, method=method)
            assert response.status_code == 400, f"{method} {rule.rule} takes a form of another site"
            assert "This form is out of date" in words(response)


def test_a_view_that_names_no_permission_is_refused_to_everybody(site: Site) -> None:
    site.app.view_functions["status.healthz"], kept = (
        lambda: "open",
        site.app.view_functions["status.healthz"],
    )
    try:
        assert {site.visitor(role).get("/healthz").status_code for role in EVERYBODY} == {403}
    finally:
        site.app.view_functions["status.healthz"] = kept


# What belongs to others


FILES = ("/scans/{scan}/image", "/scans/{scan}/heatmap", "/patient/scans/{scan}", "/reports/{report}.pdf")


@pytest.mark.parametrize("address", FILES)
def test_what_belongs_to_another_patient_is_as_if_it_did_not_exist(site: Site, address: str) -> None:
    visitor = site.visitor("another patient")
    visitor.get("/patient/")  # sets the cookie
    theirs = visitor.get(address.format(scan=site.scans["released"], report=site.report))
    nothing = visitor.get(address.format(scan=uuid.uuid4(), report=uuid.uuid4()))
    assert (theirs.status_code, nothing.status_code) == (404, 404)
    assert _without_number(words(theirs)) == _without_number(words(nothing))
    assert set(theirs.headers.keys()) == set(nothing.headers.keys())


def _without_number(text: str) -> str:
    """Without the number of the request, which is another each time."""
    return re.sub(r"\b[0-9a-f]{10}\b", "", text)


@pytest.mark.parametrize("role", ROLES)
def test_who_may_see_a_released_report_sees_all_of_it(site: Site, role: str) -> None:
    visitor = site.visitor(role)
    for address in FILES:
        if role == "patient" or not address.startswith("/patient"):
            url = address.format(scan=site.scans["released"], report=site.report)
            assert visitor.get(url).status_code == 200, url


@pytest.mark.parametrize("name", ["analysed", "uncertain", "verified", "completed", "approved", "closed"])
def test_before_release_a_patient_sees_the_own_picture_but_no_heat_map(site: Site, name: str) -> None:
    scan = site.scans[name]
    patient, doctor = site.visitor("patient"), site.visitor("doctor")
    assert patient.get(f"/scans/{scan}/image").status_code == 200
    assert patient.get(f"/scans/{scan}/heatmap").status_code == 404
    assert patient.get(f"/scans/{scan}/heatmap/Effusion").status_code == 404
    assert doctor.get(f"/scans/{scan}/heatmap").status_code == 200


@pytest.mark.parametrize(
    "name",
    ["uploaded", "queued", "failed", "without classifier", "analysed", "uncertain", "verified", "approved"],
)
def test_before_release_no_page_of_the_patient_tells_the_prediction(site: Site, name: str) -> None:
    """Not even hidden, in an attribute or in a comment."""
    patient = site.visitor("patient")
    for address in ("/patient/", f"/patient/scans/{site.scans[name]}"):
        for response in (patient.get(address), patient.fragment(address)):
            html = re.sub(r'datetime="[^"]*"', "", response.get_data(as_text=True))
            assert response.status_code == 200
            for word in (
                "0.91",
                "91 %",
                "91%",
                "0.5",
                "50 %",
                "test-1",
                "Uncertain",
                "uncertain",
                "heatmap",
                "Normal",
                "Effusion",
            ):
                assert word not in html, f"{address} tells “{word}”"


def test_after_release_the_patient_reads_it(site: Site) -> None:
    text = words(site.visitor("patient").get(f"/patient/scans/{site.scans['released']}"))
    assert "Normal" in text


@pytest.mark.parametrize("role", ROLES)
def test_a_scan_that_does_not_exist_is_a_404_for_everybody(site: Site, role: str) -> None:
    visitor = site.visitor(role)
    for rule in rules(site.app):
        if role not in WHO[rule.endpoint] or "scan_id" not in rule.arguments:
            continue
        address = rule.rule.replace("<uuid:scan_id>", str(uuid.uuid4()))
        for method in methods(rule):
            assert send(visitor, method, address)[0] == 404, f"{method} {rule.rule}"


# The session


def test_what_an_account_may_is_read_from_the_database_each_time(site: Site) -> None:
    visitor = site.visitor("pharmacist")
    assert visitor.get("/pharmacist/").status_code == 200
    with transaction():
        user = db.session.get_one(User, site.people["pharmacist"])
        user.state = AccountState.DEACTIVATED
    assert visitor.get("/pharmacist/").status_code == 302
    with transaction():
        user = db.session.get_one(User, site.people["pharmacist"])
        user.state = AccountState.ACTIVE
    assert visitor.get("/pharmacist/").status_code == 200
    with transaction():
        sessions.end_all(db.session.get_one(User, site.people["pharmacist"]))
    assert visitor.get("/pharmacist/").status_code == 302


# What no browser sends


def test_a_zero_byte_in_an_address_is_refused(site: Site) -> None:
    """PostgreSQL takes none in a text, so it must never get that far."""
    visitor = site.visitor("admin")
    for rule in rules(site.app):
        if "GET" in methods(rule) and rule.endpoint not in {"static_file", "auth.confirm"}:
            address = next(iter(site.addresses(rule).values()))
            assert visitor.get(f"{address}?q=%00&name=a%00b").status_code == 400, rule.rule
    assert visitor.get("/static/%00").status_code == 400
    assert visitor.get("/confirm/%00").status_code == 400
