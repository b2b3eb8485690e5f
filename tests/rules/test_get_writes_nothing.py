"""Opening an address changes nothing: links are prefetched, scanned and opened twice."""

from pathlib import Path

import pytest

from tests.integration.world import changed_tables, snapshot
from tests.rules.routes import WHO, methods, rules
from tests.rules.site import ROLES, Site

pytestmark = pytest.mark.xdist_group("site")
# What is kept of looking: who looked, which doctor and which pharmacist did so first, and that the session was used.
MAY_CHANGE = {"audit_events", "audit_seals", "doctor_openings", "pharmacist_openings", "user_sessions"}


@pytest.mark.parametrize("role", [None, *ROLES], ids=lambda role: role or "nobody")
def test_get_changes_nothing_but_audit_and_session(site: Site, role: str | None) -> None:
    visitor = site.visitor(role)
    before, files = snapshot(), stored(site)
    for rule in rules(site.app):
        if "GET" not in methods(rule) or role not in WHO[rule.endpoint]:
            continue
        for about, address in site.addresses(rule).items():
            # Files are files to everybody; the preview takes a while.
            for headers in ({},) if address.endswith(".pdf") else ({}, {"HX-Request": "true"}):
                status = visitor.get(address, headers=headers).status_code
                told = f"GET {rule.rule} ({about or 'as it is'}) answered {status}"
                assert status in {200, 204, 302, 303, 404, 409} or rule.endpoint == "status.readyz", told
                after = snapshot()
                assert changed_tables(before, after) <= MAY_CHANGE, told
                before = after
    # readyz tries whether the storage can be written, and cleans up behind itself.
    assert stored(site) == files


def stored(site: Site) -> set[Path]:
    folder = site.app.config["CSSS"].storage_folder
    return {path for path in folder.rglob("*") if path.is_file()}
