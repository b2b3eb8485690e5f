"""Who may do what: every route × every role × nobody, against the one table below (section 3 of the design)."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.routing import Rule

from csss.audit.models import AuditEvent
from csss.auth import sessions
from csss.database import db, transaction
from csss.people.models import AccountState, User
from csss.people.permissions import ALLOWED, Permission
from csss.people.roles import Role
from tests.rules.conftest import ROLES, Site, make_site
from tests.visitor import Visitor, words

pytestmark = pytest.mark.xdist_group("routes")
EVERYBODY = {None, *ROLES}
SIGNED_IN = set(ROLES)
PATIENT, DOCTOR, PHARMACIST, ADMIN = {"patient"}, {"doctor"}, {"pharmacist"}, {"admin"}
STAFF = DOCTOR | PHARMACIST | ADMIN


class Own(set[str | None]):
    """Roles of which those in `own` reach only what belongs to them: to another of that role it does not exist."""

    def __init__(self, roles: set[str], own: set[str]) -> None:
        super().__init__(roles)
        self.own = own


# Add a new route here. One that is missing fails, and so does one that names no permission. Where an address names
# something that belongs to one person, say so with `Own`: test_strangers.py tries it as somebody else.
WHO: dict[str, set[str | None]] = {
    "account.add_passkey": SIGNED_IN,
    "account.authenticator": SIGNED_IN,
    "account.change": SIGNED_IN,
    "account.confirm_authenticator": SIGNED_IN,
    "account.end_other_sessions": SIGNED_IN,
    "account.end_session": Own(SIGNED_IN, own=SIGNED_IN),
    "account.make_recovery_codes": SIGNED_IN,
    "account.new_passkey": SIGNED_IN,
    "account.page": SIGNED_IN,
    "account.passkey_question": SIGNED_IN,
    "account.recovery_codes": SIGNED_IN,
    "account.remove_authenticator": SIGNED_IN,
    "account.remove_passkey": Own(SIGNED_IN, own=SIGNED_IN),
    "account.remove_passphrase": SIGNED_IN,
    "account.send_confirmation": SIGNED_IN,
    "admin.approve": ADMIN,
    "admin.approve_batch": Own(ADMIN, own=ADMIN),
    "admin.approve_user": ADMIN,
    "admin.audit_log": ADMIN,
    "admin.batch": Own(ADMIN, own=ADMIN),
    "admin.batch_code_state": Own(ADMIN, own=ADMIN),
    "admin.batch_passkey_question": Own(ADMIN, own=ADMIN),
    "admin.code_state": ADMIN,
    "admin.deactivate_user": ADMIN,
    "admin.end_user_sessions": ADMIN,
    "admin.erase": ADMIN,
    "admin.erase_code_state": ADMIN,
    "admin.erase_form": ADMIN,
    "admin.erase_passkey_question": ADMIN,
    "admin.erasures": ADMIN,
    "admin.hold": ADMIN,
    "admin.leave_out": Own(ADMIN, own=ADMIN),
    "admin.lift": ADMIN,
    "admin.lift_legal_hold": ADMIN,
    "admin.mail_log": ADMIN,
    "admin.passkey_question": ADMIN,
    "admin.place_legal_hold": ADMIN,
    "admin.prepare_batch": ADMIN,
    "admin.preview": ADMIN,
    "admin.queue": ADMIN,
    "admin.statistics_csv": ADMIN,
    "admin.statistics": ADMIN,
    "admin.retry_job": ADMIN,
    "admin.set_job_aside": ADMIN,
    "admin.jobs": ADMIN,
    "admin.audit_csv": ADMIN,
    "admin.reactivate_user": ADMIN,
    "admin.refuse_user": ADMIN,
    "admin.release_state": ADMIN,
    "admin.resend_mail": ADMIN,
    "admin.reset_second_factor": ADMIN,
    "admin.scan": ADMIN,
    "admin.send_batch_code": Own(ADMIN, own=ADMIN),
    "admin.send_code": ADMIN,
    "admin.send_erase_code": ADMIN,
    "admin.user": ADMIN,
    "admin.users": ADMIN,
    "assistant.ask": SIGNED_IN,
    "assistant.page": SIGNED_IN,
    "auth.confirm": EVERYBODY,
    "auth.forgot_password": EVERYBODY,
    "auth.home": EVERYBODY,
    "auth.login": EVERYBODY,
    "auth.login_code": EVERYBODY,
    "auth.login_code_state": EVERYBODY,
    "auth.logout": EVERYBODY,
    "auth.passkey_login": EVERYBODY,
    "auth.passkey_login_question": EVERYBODY,
    "auth.passkey_question": EVERYBODY,
    "auth.register": EVERYBODY,
    "auth.reset_password": EVERYBODY,
    "auth.send_login_code": EVERYBODY,
    "doctor.add_template": DOCTOR,
    "doctor.addendum": DOCTOR,
    "doctor.analysis_state": DOCTOR,
    "doctor.analyze": DOCTOR,
    "doctor.analyze_all": DOCTOR,
    "doctor.claim": DOCTOR,
    "doctor.claim_state": DOCTOR,
    "doctor.change_template": Own(DOCTOR, own=DOCTOR),
    "doctor.close": DOCTOR,
    "doctor.correct": DOCTOR,
    "doctor.correct_kind": DOCTOR,
    "doctor.delete_template": Own(DOCTOR, own=DOCTOR),
    "doctor.discard_draft": DOCTOR,
    "doctor.insert_template": DOCTOR,
    "doctor.move_template": Own(DOCTOR, own=DOCTOR),
    "doctor.next_scan": DOCTOR,
    "doctor.priority": DOCTOR,
    "doctor.read_without_ai": DOCTOR,
    "doctor.save_draft": DOCTOR,
    "doctor.release": DOCTOR,
    "doctor.scan": DOCTOR,
    "doctor.skip": DOCTOR,
    "doctor.template": Own(DOCTOR, own=DOCTOR),
    "doctor.templates": DOCTOR,
    "doctor.verify": DOCTOR,
    "doctor.worklist": DOCTOR,
    "events.stream": SIGNED_IN,  # what is told to whom: tests/integration/test_live.py
    "files.heatmap": Own(SIGNED_IN, own=PATIENT),  # and only once the report is released: below
    "files.image": Own(SIGNED_IN, own=PATIENT),
    "files.report": Own(SIGNED_IN, own=PATIENT),
    "models.card": STAFF,
    "models.index": STAFF,
    "models.plot": STAFF,
    "patient.add_piece": Own(PATIENT, own=PATIENT),
    "patient.begin_upload": PATIENT,
    "patient.cancel_upload": Own(PATIENT, own=PATIENT),
    "patient.home": PATIENT,
    "patient.scan": Own(PATIENT, own=PATIENT),
    "patient.upload": PATIENT,
    "patient.upload_state": Own(PATIENT, own=PATIENT),
    "pharmacist.add_template": PHARMACIST,
    "pharmacist.change_template": Own(PHARMACIST, own=PHARMACIST),
    "pharmacist.complete": PHARMACIST,
    "pharmacist.correct": PHARMACIST,
    "pharmacist.line": PHARMACIST,
    "pharmacist.new_template": PHARMACIST,
    "pharmacist.queue": PHARMACIST,
    "pharmacist.remove_template": Own(PHARMACIST, own=PHARMACIST),
    "pharmacist.scan": PHARMACIST,
    "pharmacist.template": Own(PHARMACIST, own=PHARMACIST),
    "pharmacist.template_list": PHARMACIST,
    "shell.colours": EVERYBODY,
    "shell.keep_colours": EVERYBODY,
    "shell.offline": EVERYBODY,
    "shell.worker": EVERYBODY,
    "static_file": EVERYBODY,
    "status.healthz": EVERYBODY,
    "status.metrics": EVERYBODY,
    "status.readyz": EVERYBODY,
}


@pytest.fixture(scope="module")
def site(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One of our own: here forms are sent."""
    yield from make_site(tmp_path_factory.mktemp("routes"), migrated_sqlite)


def rules(app: Flask) -> list[Rule]:
    return sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))


def methods(rule: Rule) -> list[str]:
    """The methods that do something: HEAD only where it stands alone, OPTIONS never."""
    found = (rule.methods or set()) - {"OPTIONS"}
    return sorted(found - {"HEAD"} if "GET" in found else found)


def send(visitor: Visitor, method: str, address: str, **headers: str) -> tuple[int, str]:
    """The status and where it leads."""
    if method == "GET":
        response = visitor.get(address, headers=headers)
    else:
        response = visitor.post(address, headers=headers, method=method)
    return response.status_code, response.headers.get("Location", response.headers.get("HX-Redirect", ""))


def test_every_route_is_in_the_table_and_names_a_permission(site: Site) -> None:
    endpoints = {rule.endpoint for rule in rules(site.app)}
    assert endpoints - set(WHO) == set(), "add these to the table above"
    assert set(WHO) - endpoints == set(), "these are gone"
    for endpoint in endpoints:
        view = site.app.view_functions[endpoint]
        assert isinstance(getattr(view, "permission", None), Permission), f"{endpoint} names no permission"


def test_permissions_are_those_of_the_design() -> None:
    """Section 3, written out once more: the table in the code cannot be widened by mistake."""
    may = {role: {permission.value for permission in ALLOWED if role in ALLOWED[permission]} for role in Role}
    everybody = {"account.own", "scan.see", "report.download", "assistant.ask"}
    assert may == {
        Role.PATIENT: everybody | {"scan.upload"},
        Role.DOCTOR: everybody | {"scan.review", "model.read"},
        Role.PHARMACIST: everybody | {"scan.prescribe", "model.read"},
        Role.ADMIN: everybody
        | {"report.approve", "account.manage", "audit.read", "model.read", "patient.erase"},
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
