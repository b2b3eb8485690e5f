"""What nobody means, in every form and every filter: refused, kept as text or ignored, and never an error of ours.

The table is tests/odd_values.py. `make fuzz` tries all of it everywhere; here each place gets a part of it.
"""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.routing import Rule

from tests.factories import picture
from tests.odd_values import COMMANDS, DATES, LONG, NUMBERS, TEXTS
from tests.rules.copied_site import BOTH, LONG_RUN, POSTGRESQL, Known, People, is_fine
from tests.rules.routes import WHO, methods, rules
from tests.rules.site import ROLES, Site
from tests.visitor import Visitor, soup

pytestmark = pytest.mark.xdist_group("site")


# Filters: what finds nothing finds nothing, and no address brings the system down


ALWAYS = {"page", "before", "q", "sort", "status", "show", "next"}
# The ones that a database has once stumbled over: numbers, days, lengths, and signs of LIKE.
FILTERS = TEXTS if LONG_RUN else (NUMBERS[2], DATES[0], DATES[1], LONG[0], COMMANDS[2])


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


@BOTH
@pytest.mark.parametrize("role", ROLES)
def test_nonsense_in_a_filter_finds_nothing_and_breaks_nothing(fuzzed: Site, role: str) -> None:
    visitor = fuzzed.visitor(role)
    for rule in rules(fuzzed.app):
        if not is_list(rule) or role not in WHO[rule.endpoint]:
            continue
        names = filters_of(visitor, rule.rule)
        for text in FILTERS:
            status = visitor.get(rule.rule, query_string=dict.fromkeys(names, text)).status_code
            fine = {400} if "\0" in text else {200, 204, 302, 303, 404}
            assert status in fine, f"{rule.rule} with {text[:30]!r} answered {status}"


@BOTH
def test_each_filter_of_the_logs_by_itself(fuzzed: Site) -> None:
    """Together, one that is refused might keep the others from being tried."""
    visitor = fuzzed.visitor("admin")
    for address in ("/admin/audit", "/admin/users", "/admin/mail"):
        for name in sorted(filters_of(visitor, address)):
            for text in FILTERS:
                status = visitor.get(address, query_string={name: text}).status_code
                assert status == (400 if "\0" in text else 200), (
                    f"{address}?{name}={text[:30]} answered {status}"
                )


# Forms


@(BOTH if LONG_RUN else pytest.mark.parametrize("fuzzed", [POSTGRESQL], indirect=True))
@pytest.mark.parametrize("role", ROLES)
def test_nonsense_in_every_field_of_every_form_is_answered(fuzzed: Site, known: Known, role: str) -> None:
    people = People(fuzzed)
    for rule in rules(fuzzed.app):
        sending = set(methods(rule)) - {"GET", "HEAD"}
        # Each route once, as somebody who gets past the guard.
        if not sending or role != next((each for each in ROLES if each in WHO[rule.endpoint]), None):
            continue
        names = known.names(rule.endpoint)
        offered = known.addresses.get(rule.endpoint, ()) or fuzzed.addresses(rule).values()
        for address in sorted(offered)[: 3 if LONG_RUN else 1]:
            for body in _bodies(names):
                for method in sending:
                    told = f"{method} {address} with {str(body)[:120]}"
                    is_fine(people.send(role, method, address, {}, **body), told)


def _bodies(names: list[str]) -> list[dict[str, Any]]:
    """All of them in the long run; else a few of each sort, others for each route."""
    texts = [{"data": dict.fromkeys(names, text)} for text in TEXTS]
    shapes = list(_shapes(names))
    if LONG_RUN:
        return texts + shapes
    places = {name: 7 * place + len(names) for place, name in enumerate(names)}
    mixed = [
        {"data": {name: TEXTS[(place + shift) % len(TEXTS)] for name, place in places.items()}}
        for shift in (0, 16, 32)
    ]
    return mixed + texts[len(names) % 16 :: 16] + shapes[len(names) % 4 :: 4]


def _shapes(names: list[str]) -> Iterator[dict[str, Any]]:
    """Bodies that no browser sends."""
    yield {"data": {name: (io.BytesIO(picture(64, 64)), 'a"b\r\n.png') for name in names}}
    yield {"data": {name: (io.BytesIO(b"\x89PNG\r\n\x1a\n"), "") for name in names}}
    yield {"data": {name: ["1", "", "x" * 300] for name in names}}
    yield {"data": {f"{name}[]": "1" for name in names} | {"": "", "csrf_token": "\ufeff"}}
    yield {"data": "&".join(f"{name}=%ff%fe%c0%80%ED%A0%80" for name in names), "content_type": FORM}
    yield {"data": b"\xff\xfe%zz&=&&&;" * 50, "content_type": FORM}
    yield {"json": {name: {"$ne": [None, 1e308, True]} for name in names}}
    yield {"data": b"[" * 5000, "content_type": "application/json"}
    yield {
        "data": b'--x\r\nContent-Disposition: form-data; name="q',
        "content_type": "multipart/form-data; boundary=x",
    }
    yield {"data": _charset(names), "content_type": "multipart/form-data; boundary=x; charset=utf-7"}
    yield {"data": b"a=b", "content_type": "multipart/form-data"}
    yield {"data": {str(number): "1" for number in range(600)}}
    yield {"data": {"findings": "x" * 1_100_000}}


FORM = "application/x-www-form-urlencoded; charset=utf-16"


def _charset(names: list[str]) -> bytes:
    """Parts that name strange encodings of their own."""
    parts = (
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: text/plain; charset=idna\r\n\r\n'
        for name in names
    )
    return "".join(f"{part}\xe9\xff\r\n" for part in parts).encode("latin-1") + b"--x--\r\n"
