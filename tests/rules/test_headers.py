"""What the browser is told with every answer, on every route, and what other sites can do with it: nothing."""

import re
from pathlib import Path

import pytest
from flask import Flask, abort
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from csss import create_app
from csss.web.assets import STATIC_ENDPOINT
from csss.web.headers import BARE_CSP, CSP, FILE_CSP, PERMISSIONS_POLICY
from tests.conftest import settings_for
from tests.factories import PASSWORD, Clinic
from tests.rules.routes import WHO, methods, rules
from tests.rules.site import ROLES, Site
from tests.visitor import Visitor, soup

pytestmark = pytest.mark.xdist_group("site")

HTTPS = "https://localhost"
# Files of people: sandboxed, and not to be opened from elsewhere. Which situation of a scan has one.
FILES = {
    "admin.audit_csv": "",
    "admin.preview": "completed",
    "admin.statistics_csv": "",
    "files.finding_map": "released",
    "files.heatmap": "released",
    "files.image": "released",
    "files.report": "",
    "models.plot": "",
}
SAFE = {"GET", "HEAD", "OPTIONS"}


def who_may(rule: Rule) -> str | None:
    return None if None in WHO[rule.endpoint] else next(role for role in ROLES if role in WHO[rule.endpoint])


def address(site: Site, rule: Rule) -> str:
    about = site.addresses(rule)
    return about.get(FILES.get(rule.endpoint, ""), next(iter(about.values())))


def directives(policy: str) -> dict[str, set[str]]:
    parts = (part.split() for part in policy.split(";"))
    return {part[0]: set(part[1:]) for part in parts}


def check(answer: TestResponse, policy: str, told: str, *, lean: bool = False, kept: bool = False) -> None:
    headers = answer.headers
    assert headers.getlist("Content-Security-Policy") == [policy], told
    assert headers.getlist("X-Content-Type-Options") == ["nosniff"], told
    assert headers.getlist("Cross-Origin-Resource-Policy") == ["same-origin"], told
    assert headers.getlist("Strict-Transport-Security") == ["max-age=31536000; includeSubDomains"], told
    assert ("no-store" in headers["Cache-Control"]) != kept, told
    if not lean:
        assert headers.getlist("Referrer-Policy") == ["same-origin"], told
        assert headers.getlist("Permissions-Policy") == [PERMISSIONS_POLICY], told
        assert headers.getlist("Cross-Origin-Opener-Policy") == ["same-origin"], told
        assert re.fullmatch(r"[0-9a-f]{10}", headers["X-Request-ID"]), told
    if answer.data:
        assert answer.content_type, told
        assert not answer.content_type.startswith("text/") or "charset=utf-8" in answer.content_type, told
    assert not [name for name, _ in headers if name.lower().startswith("access-control-")], told


def test_the_policies_allow_nothing_unsafe() -> None:
    for policy in (CSP, BARE_CSP, FILE_CSP):
        found = directives(policy)
        assert found["default-src"] == found["frame-ancestors"] == {"'none'"}
        for sources in found.values():
            assert sources <= {"'none'", "'self'", "blob:"}, policy
    assert directives(CSP)["script-src"] == directives(CSP)["style-src"] == {"'self'"}
    assert directives(CSP)["base-uri"] == {"'none'"} and directives(CSP)["form-action"] == {"'self'"}
    assert directives(FILE_CSP)["sandbox"] == set(), "nothing is given back to a file"


def test_every_route_sends_every_header(site: Site) -> None:
    seen = set()
    for rule in rules(site.app):
        visitor = site.visitor(who_may(rule))
        for method in methods(rule):
            told, url = f"{method} {rule.rule}", address(site, rule)
            if method in {"GET", "HEAD"}:
                origin = {"Origin": "https://evil.example"}
                answer = visitor.get(url, method=method, base_url=HTTPS, headers=origin)
            else:  # without its token, so that nothing changes here
                answer = visitor.post(url, {"csrf_token": ""}, method=method, base_url=HTTPS)
                assert answer.status_code == 400, told
            if rule.endpoint == STATIC_ENDPOINT:
                check(answer, BARE_CSP, told, lean=True, kept=True)
            elif rule.endpoint in FILES:
                assert answer.status_code == 200, f"{told} answered {answer.status_code}"
                check(answer, FILE_CSP, told)
                shown = answer.headers["Content-Disposition"] if rule.endpoint != "models.plot" else "inline"
                assert re.fullmatch(r'(inline|attachment)(; filename="[A-Za-z0-9.-]+")?', shown), told
            else:
                check(answer, CSP, told)
            seen.add(answer.status_code)
    assert {200, 303, 400} <= seen


def test_a_fragment_that_a_region_fetches_by_itself_carries_what_matters(site: Site) -> None:
    headers = {"HX-Request": "true", "X-CSSS-Refresh": "x"}
    for rule in rules(site.app):
        if "GET" in methods(rule) and rule.endpoint not in FILES and rule.endpoint != STATIC_ENDPOINT:
            answer = site.visitor(who_may(rule)).get(address(site, rule), base_url=HTTPS, headers=headers)
            if answer.status_code < 400:
                check(answer, BARE_CSP, rule.rule, lean=True)


def test_no_preflight_of_another_site_is_answered(site: Site) -> None:
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for rule in rules(site.app):
        answer = site.visitor(who_may(rule)).post(
            address(site, rule), method="OPTIONS", headers=asks, base_url=HTTPS
        )
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")], (
            rule.rule
        )


@pytest.mark.parametrize("code", [401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503])
def test_every_error_carries_every_header(site: Site, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    app = site.app
    monkeypatch.setitem(app.view_functions, "status.healthz", _failing(app, code))
    monkeypatch.setattr(app, "testing", False)
    answer = site.visitor(None).get("/healthz", base_url=HTTPS)
    assert answer.status_code == code
    check(answer, CSP, str(code))
    assert "Traceback" not in answer.get_data(as_text=True) and "on purpose" not in answer.get_data(
        as_text=True
    )


def _failing(app: Flask, code: int) -> object:
    def view() -> None:
        if code == 500:
            raise RuntimeError("broken on purpose")
        abort(code)

    view.permission = app.view_functions["status.healthz"].permission  # type: ignore[attr-defined]
    return view


def test_real_refusals_carry_every_header(site: Site) -> None:
    patient, nobody = site.visitor("patient"), site.visitor(None)
    too_large = {"CONTENT_LENGTH": "71000000"}
    for answer, code in (
        (nobody.get("/nowhere", base_url=HTTPS), 404),
        (nobody.get("/static/nothing.css", base_url=HTTPS), 404),
        (nobody.post("/healthz", base_url=HTTPS), 405),
        (patient.get("/admin/", base_url=HTTPS), 403),
        (patient.post("/patient/scans", base_url=HTTPS, environ_overrides=too_large), 422),
        (patient.post("/patient/uploads", headers={"Upload-Length": "99999999"}, base_url=HTTPS), 413),
        (patient.get("/login?next=%00", base_url=HTTPS), 400),
    ):
        assert answer.status_code == code
        check(answer, CSP, str(code))


# Sec-Fetch


@pytest.mark.parametrize("from_where", ["cross-site", "same-site"])
def test_no_form_of_another_site_is_taken_not_even_with_a_token(site: Site, from_where: str) -> None:
    for rule in rules(site.app):
        for method in methods(rule):
            if method in SAFE:
                continue
            answer = site.visitor(who_may(rule)).post(
                address(site, rule),
                method=method,
                headers={"Sec-Fetch-Site": from_where, "Sec-Fetch-Mode": "navigate"},
            )
            assert answer.status_code == 403, f"{method} {rule.rule}"


def test_other_sites_may_lead_to_pages_but_embed_and_read_nothing(site: Site) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    others = [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {**link, "Sec-Fetch-Dest": "iframe"},
    ]
    for rule in rules(site.app):
        if "GET" not in methods(rule):
            continue
        visitor, url = site.visitor(who_may(rule)), address(site, rule)
        for headers in others:
            assert visitor.get(url, headers=headers).status_code == 403, f"{rule.rule}: {headers}"
        followed = visitor.get(url, headers=link)
        assert (followed.status_code == 403) == (rule.endpoint in FILES), rule.rule


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}])
def test_files_open_from_our_pages_and_for_browsers_that_say_nothing(
    site: Site, headers: dict[str, str]
) -> None:
    doctor = site.visitor("doctor")
    for url in (f"/scans/{site.scans['released']}/image", f"/reports/{site.report}.pdf"):
        assert doctor.get(url, headers=headers).status_code == 200


# Cookies


def test_every_cookie_is_bound_to_the_host_and_hidden_from_scripts(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    (tmp_path / "csss.db").write_bytes(migrated_sqlite.read_bytes())
    app = create_app(settings_for(tmp_path, base_url="https://csss.example"))
    app.testing = True
    with app.app_context():
        email, base = Clinic(app).person("patient").email, "https://csss.example"
        visitor = Visitor(app)
        form = soup(visitor.get("/login", base_url=base))
        token = form.select_one("[name=csrf_token]")["value"]  # type: ignore[index]
        fields = {"email": email, "password": PASSWORD, "csrf_token": token}
        with app.app_context():
            signed_in = visitor.client.post(
                "/login", data=fields, base_url=base, headers={"Referer": f"{base}/login"}
            )
        pages = [signed_in, visitor.get("/patient/", base_url=base), visitor.get("/account", base_url=base)]
        cookies = [cookie for page in pages for cookie in page.headers.getlist("Set-Cookie")]
        assert signed_in.status_code in {302, 303} and pages[1].status_code == 200 and cookies
    for cookie in cookies:
        name, *rest = [part.strip() for part in cookie.split(";")]
        assert name.startswith("__Host-csss="), cookie
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(rest), cookie
        assert not [part for part in rest if part.lower().startswith("domain")], cookie


# Development


def test_no_variable_in_the_environment_opens_helpers_of_development(
    tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`FLASK_DEBUG=1`, left over where gunicorn is started: no style guide, no traceback, the usual error page."""
    (tmp_path / "csss.db").write_bytes(migrated_sqlite.read_bytes())
    for name in ("FLASK_DEBUG", "FLASK_ENV", "DEBUG", "TESTING", "FLASK_TESTING", "CSSS_DEBUG"):
        monkeypatch.setenv(name, "development" if name == "FLASK_ENV" else "1")
    app = create_app(settings_for(tmp_path))
    assert not app.debug and not app.testing
    app.view_functions["status.healthz"] = _failing(app, 500)  # type: ignore[assignment]
    client = app.test_client()
    assert client.get("/styleguide").status_code == 404
    broken = client.get("/healthz")
    assert broken.status_code == 500 and "Something went wrong on our side" in broken.text
    assert "Traceback" not in broken.text and "on purpose" not in broken.text
    assert not [rule for rule in rules(app) if re.search(r"styleguide|debug|console", rule.rule)]


def test_nothing_that_serves_people_uses_the_module_for_development() -> None:
    root = Path(__file__).resolve().parents[2]
    files = [*(root / "csss").rglob("*.py"), root / "wsgi.py"]
    using = [
        path.name
        for path in files
        if re.search(r"development=True|csss\.development|csss import development", path.read_text("utf-8"))
    ]
    assert sorted(using) == ["development.py", "factory.py", "styleguide.py"], (
        "only itself, and words about it"
    )
