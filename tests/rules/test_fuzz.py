"""Requests drawn at random, with odd ids, filters, headers and fields: refused, ignored or kept, never an error of ours.

`make fuzz` tries for minutes what is tried for seconds here (the hypothesis profile "fuzz" of tests/conftest.py).
"""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.routing import Rule

from tests.odd_values import HEADER_NAMES, HEADERS, PLACES, TEXTS
from tests.rules.copied_site import BOTH, LONG_RUN, Known, People, is_fine
from tests.rules.routes import WHO, methods, rules
from tests.rules.site import ROLES, Site

pytestmark = pytest.mark.xdist_group("site")
EXAMPLES = trying.default.max_examples if LONG_RUN else 120
FUZZ = trying(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


_letters = st.characters(codec="utf-8")
_text = st.one_of(st.sampled_from(TEXTS), st.text(_letters, max_size=40))
_header_letters = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")
_header_text = st.one_of(
    st.sampled_from(HEADERS),
    st.text(_header_letters, max_size=60),
)


@st.composite
def requests(
    draw: st.DrawFn, site: Site, known: Known, addresses: dict[str, list[str]]
) -> tuple[str | None, str, str, dict[str, Any]]:
    """A role, a method, an address, and the rest as the test client takes it."""
    rule = draw(st.sampled_from(rules(site.app)))
    who = WHO[rule.endpoint]
    role = draw(st.sampled_from([None, *ROLES])) if draw(st.integers(0, 4)) == 0 else sorted(who, key=str)[-1]
    method = draw(st.sampled_from([*methods(rule), "OPTIONS"]))
    address = draw(st.one_of(st.sampled_from(addresses[rule.endpoint]), _addresses(rule)))
    more: dict[str, Any] = {}
    names = draw(st.lists(st.one_of(st.sampled_from(known.args), _text), max_size=4))
    more["query_string"] = MultiDict([(name, draw(_text)) for name in names])
    headers = draw(st.dictionaries(st.sampled_from(HEADER_NAMES), _header_text, max_size=5))
    if method in {"POST", "PATCH"}:
        fields: MultiDict[str, Any] = MultiDict()
        for name in draw(st.lists(st.sampled_from(known.names(rule.endpoint)), max_size=8)):
            usual = sorted(known.fields[rule.endpoint].get(name, ()))
            fields.add(name, draw(st.one_of(_text, st.sampled_from(usual)) if usual else _text))
        more["data"] = draw(st.one_of(st.just(fields), st.binary(max_size=60)))
        if isinstance(more["data"], bytes):
            more["content_type"] = draw(st.one_of(st.sampled_from(TYPES), _header_text))
    return role, method, address, {**more, "headers": headers}


TYPES = (
    "application/x-www-form-urlencoded",
    'multipart/form-data; boundary="',
    "application/json",
    "application/offset+octet-stream",
    "image/png",
)


def _addresses(rule: Rule) -> st.SearchStrategy[str]:
    """The route's address with anything in the places of its arguments."""
    place = st.one_of(
        st.uuids().map(str),
        st.sampled_from(PLACES),
        st.text(_letters, min_size=1, max_size=12).map(
            lambda text: text.replace("?", "%3F").replace("#", "%23")
        ),
    )
    pieces = re.split(r"<[^>]+>", rule.rule)
    return st.lists(place, min_size=len(pieces) - 1, max_size=len(pieces) - 1).map(
        lambda places: "".join(piece + filled for piece, filled in zip(pieces, [*places, ""], strict=True))
    )


@BOTH
def test_no_request_whatever_brings_the_system_down(fuzzed: Site, known: Known) -> None:
    people = People(fuzzed)
    addresses = {rule.endpoint: sorted(fuzzed.addresses(rule).values()) for rule in rules(fuzzed.app)}

    @FUZZ
    @given(requests(fuzzed, known, addresses))
    def ask(asked: tuple[str | None, str, str, dict[str, Any]]) -> None:
        role, method, address, more = asked
        is_fine(
            people.send(role, method, address, more.pop("headers"), **more), f"{method} {address} as {role}"
        )

    ask()
