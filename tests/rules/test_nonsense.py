"""Nonsense in an address is answered like any other filter that finds nothing: no address brings the system down."""

import pytest
from werkzeug.routing import Rule

from csss.scans.states import Status
from tests.factories import Clinic
from tests.rules.conftest import ROLES
from tests.rules.test_routes import WHO, methods, rules
from tests.visitor import Visitor, soup

NONSENSE = ("99999999999999999999", "é" * 3000, "-1%\\_'\"><b>١", "0001-01-01", "9999-12-31")
ALWAYS = {"page", "before", "q", "sort", "status", "show", "next"}


def filters_of(visitor: Visitor, address: str) -> set[str]:
    """The fields of a page's search forms, and the ones that links carry."""
    forms = soup(visitor.get(address))("form")
    searches = [form for form in forms if str(form.get("method", "get")).lower() == "get"]
    return ALWAYS | {
        field["name"] for form in searches for field in form(["input", "select"]) if field.get("name")
    }


def is_list(rule: Rule) -> bool:
    return (
        "GET" in methods(rule)
        and not rule.arguments
        and not rule.endpoint.startswith(("status.", "account."))
    )


@pytest.mark.both_databases
@pytest.mark.parametrize("role", ROLES)
def test_nonsense_in_a_filter_finds_nothing_and_breaks_nothing(clinic: Clinic, role: str) -> None:
    clinic.scan(Status.PHARMACIST_COMPLETED)
    visitor = clinic.visitor(clinic.person(role))
    for rule in rules(clinic.app):
        if not is_list(rule) or role not in WHO[rule.endpoint]:
            continue
        names = filters_of(visitor, rule.rule)
        for text in NONSENSE:
            status = visitor.get(rule.rule, query_string=dict.fromkeys(names, text)).status_code
            assert status in {200, 204, 302, 303, 404}, f"{rule.rule} with {text[:30]!r} answered {status}"


@pytest.mark.both_databases
def test_each_filter_of_the_logs_by_itself(clinic: Clinic) -> None:
    """Together, one that is refused might keep the others from being tried."""
    visitor = clinic.visitor(clinic.person("admin"))
    for address in ("/admin/audit", "/admin/users", "/admin/mail"):
        for name in sorted(filters_of(visitor, address)):
            for text in ("99999999999999999999", "0001-01-01", "9999-12-31", "é" * 300):
                status = visitor.get(address, query_string={name: text}).status_code
                assert status == 200, f"{address}?{name}={text[:30]} answered {status}"
