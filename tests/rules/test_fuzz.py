"""Nonsense in every form, id, filter, header and cookie: refused, kept as text or ignored, and never an error of ours.

`make fuzz` tries for minutes what is tried for seconds here (the hypothesis profile "fuzz" of tests/conftest.py).
"""

import io
import re
import shutil
import sqlite3
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

import csss
from csss import create_app
from csss.database import Base, db
from tests.conftest import settings_for
from tests.factories import Clinic, picture
from tests.postgres import POSTGRES, create_database, drop_database
from tests.rules.conftest import ROLES, Site
from tests.rules.test_pages import answers
from tests.rules.test_routes import WHO, methods, rules
from tests.visitor import Visitor

pytestmark = pytest.mark.xdist_group("site")
LONG_RUN = trying.get_current_profile_name() == "fuzz"
EXAMPLES = trying.default.max_examples if LONG_RUN else 120
FUZZ = trying(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

NASTY = (
    "",
    "\0",
    "a\0b\x01\x1b[31m\x7f",
    "\r\nSet-Cookie: a=b\r\n\r\n<script>",
    "<script>alert(1)</script>{{7*7}}{% raw %}${7*7}%(name)s %s {0}",
    "' OR 1=1 --\\%_",
    "=cmd|' /C calc'!A0",
    "../../../../etc/passwd\\..",
    "99999999999999999999999999",
    "-1",
    "1e400",
    "٣",
    "\u202eevil\u2066\ufeff\ud7ff\ue000\U0010ffff\ufffe",
    "İıſ\u0301" * 50,
    "0001-01-01",
    "9999-12-31T23:59:60+99:99",
    "00000000-0000-0000-0000-000000000000",
    "//evil.example/\\",
    "javascript:alert(1)",
    "x" * 70_000,
    "ﷺ" * 600,
    "true",
    "None",
    "[]",
)
_READ = re.compile(r"request\.(form|args)(?:\.get|\.getlist)?[\[(]\s*\"(\w+)\"")
_HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Forwarded",
    "Host",
    "HX-Boosted",
    "HX-Request",
    "HX-Target",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Origin",
    "Range",
    "Referer",
    "Repr-Digest",
    "Sec-Fetch-Site",
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Offset",
    "User-Agent",
    "X-CSSS-Have",
    "X-CSSS-Refresh",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
)


# The site of the other tests, copied, so that here everything may be sent


POSTGRESQL = pytest.param(
    "postgresql", marks=pytest.mark.postgres
)  # the stricter one: lengths, zero bytes, numbers
BOTH = pytest.mark.parametrize("fuzzed", ["sqlite", POSTGRESQL], indirect=True)


@pytest.fixture(scope="module")
def fuzzed(
    site: Site, known: "Known", request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Asked for after `known`, which looks at the pages of the site itself."""
    folder = tmp_path_factory.mktemp("fuzz")
    source = site.app.config["CSSS"].instance_folder
    shutil.copytree(source / "storage", folder / "storage")
    # A proxy in front is trusted, so that what it forwards is looked at.
    settings = settings_for(folder, trusted_proxies=1)
    if request.param == "sqlite":
        with sqlite3.connect(source / "csss.db") as old, sqlite3.connect(folder / "csss.db") as new:
            old.backup(new)
        yield from _copy(site, create_app(settings))
        return
    template = request.getfixturevalue("migrated_postgres")
    name = f"{template}_{uuid.uuid4().hex[:8]}"
    create_database(name, template)
    app = create_app(replace(settings, database_url=f"{POSTGRES}/{name}"))
    _pour(site.app, app)
    yield from _copy(site, app)
    drop_database(name)


def _copy(site: Site, app: Flask) -> Iterator[Site]:
    app.testing = True
    app.jinja_env.bytecode_cache = site.app.jinja_env.bytecode_cache
    with app.app_context():
        yield replace(site, app=app, clinic=Clinic(app), opened={})
        db.session.remove()
        db.engine.dispose()


def _pour(old: Flask, new: Flask) -> None:
    """Every row from one database into another."""
    tables = Base.metadata.sorted_tables
    with old.app_context(), db.engine.connect() as connection:
        rows = {
            table: [dict(row) for row in connection.execute(table.select()).mappings()] for table in tables
        }
    with new.app_context(), db.engine.begin() as connection:
        # Past the triggers, which let no scan begin in the middle of its life.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table in tables:
            connection.execute(table.delete())
            if rows[table]:
                connection.execute(table.insert(), rows[table])
        last = sa.select(sa.func.max(Base.metadata.tables["audit_events"].c.id)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence("audit_events", "id")
        connection.execute(sa.select(sa.func.setval(sequence, last)))


# What is sent


class Known:
    """The fields of every form, by the route it is sent to, with values a browser would send; names read anywhere."""

    def __init__(self, site: Site) -> None:
        self.fields: dict[str, dict[str, set[str]]] = defaultdict(dict)
        self.addresses: dict[str, set[str]] = defaultdict(set)  # where the form may be sent as things stand
        adapter = site.app.url_map.bind("")
        for role in (None, *ROLES):
            for _name, page in answers(site, role):
                for form in page("form"):
                    target = str(form.get("action") or form.get("hx-post") or "").partition("?")[0]
                    try:
                        endpoint, _ = adapter.match(target, method=str(form.get("method", "get")).upper())
                    except HTTPException:
                        continue
                    self.addresses[endpoint].add(target)
                    for field in form(["input", "select", "textarea", "button"], attrs={"name": True}):
                        options = {str(option.get("value", "")) for option in field("option")}
                        values = self.fields[endpoint].setdefault(str(field["name"]), set())
                        values |= options | {str(field.get("value", ""))}
        files = sorted((Path(csss.__file__).parent / "web").rglob("*.py"))
        read = [found for file in files for found in _READ.findall(file.read_text(encoding="utf-8"))]
        self.form = sorted({name for where, name in read if where == "form"})
        self.args = sorted(
            {name for where, name in read if where == "args"} | {"q", "sort", "status", "person"}
        )

    def names(self, endpoint: str) -> list[str]:
        return sorted({*self.fields[endpoint], *self.form} - {"csrf_token"})


@pytest.fixture(scope="module")
def known(site: Site) -> Known:
    found = Known(site)
    assert len(found.fields) > 40 and len(found.args) > 6, "the forms are not found any more"
    return found


class People:
    """Somebody of each role, signed in again when what was sent has ended the session."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._there: dict[str | None, Visitor] = {}

    def send(
        self, role: str | None, method: str, address: str, headers: dict[str, str], **more: Any
    ) -> TestResponse:
        for _ in range(2):
            visitor = self._there.setdefault(role, self._site.visitor(role))
            token = {"X-CSRFToken": visitor._token()}
            with self._site.app.app_context():
                answer = visitor.client.open(address, method=method, headers={**token, **headers}, **more)
            db.session.remove()
            if role is None or answer.status_code not in {302, 401}:
                break
            del self._there[role]
        return answer


def is_fine(answer: TestResponse, told: str) -> None:
    # An exception comes through by itself here. What is refused is a 4xx; 503 stands for a service that is not there.
    assert answer.status_code < 500 or answer.status_code == 503, f"{told} answered {answer.status_code}"
    if answer.mimetype.startswith("text/"):
        assert b"Traceback (most recent call last)" not in answer.get_data(), told
    for name, value in answer.headers:
        assert "\n" not in value and "\r" not in value, f"{told}: {name}"
    target = answer.headers.get("Location", answer.headers.get("HX-Redirect", "/"))
    assert re.match(r"/(?![/\\])", target), f"{told} leads to {target}"
    assert "evil" not in answer.headers.get("Location", "").partition("?")[0], told


# Every form with every nonsense


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
    texts = [{"data": dict.fromkeys(names, text)} for text in NASTY]
    shapes = list(_shapes(names))
    if LONG_RUN:
        return texts + shapes
    places = {name: 7 * place + len(names) for place, name in enumerate(names)}
    mixed = [
        {"data": {name: NASTY[(place + shift) % len(NASTY)] for name, place in places.items()}}
        for shift in (0, 8, 16)
    ]
    return mixed + texts[len(names) % 8 :: 8] + shapes[len(names) % 4 :: 4]


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


# Any request whatever

_letters = st.characters(codec="utf-8")
_text = st.one_of(st.sampled_from(NASTY), st.text(_letters, max_size=40))
_header_letters = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")
_header_text = st.one_of(
    st.sampled_from(
        (
            "true",
            "0",
            "*",
            'W/"x", "',
            "bytes=0-0,-1,5-2,99999999999999999999-",
            "de-DE;q=1e9, *;q=-1, x-\xff",
            'for="[::1]:99999999";proto=javascript;host=evil.example',
            "evil.example:99999999",
            "[::1",
            "a b\\c<>\"'",
            "'" * 4000,
            "Bearer ",
            "Basic Og==",
            "99999999999999999999",
            "sha-256=:AAAA:, sha-256=:" + "A" * 43 + "=:",
            "Thu, 99 Foo 99999 99:99:99 GMT",
        )
    ),
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
    headers = draw(st.dictionaries(st.sampled_from(_HEADERS), _header_text, max_size=5))
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
        st.sampled_from(
            ("..", ".", "%2e%2e%2f", "%00", "%ff%fe", "%ED%A0%80", "a%0d%0ab", "x" * 2000, "é", "-", "%")
        ),
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


@pytest.mark.parametrize("fuzzed", ["sqlite"], indirect=True)
def test_an_error_of_ours_is_told_without_its_insides(fuzzed: Site) -> None:
    """Whatever goes wrong: a sentence and a number, no name of a file, no statement, no value."""

    def broken() -> str:
        raise RuntimeError("SELECT password_hash FROM users")

    app = fuzzed.app
    kept, app.view_functions["auth.home"] = app.view_functions["auth.home"], broken
    broken.permission = kept.permission  # type: ignore[attr-defined]
    app.testing, app.config["PROPAGATE_EXCEPTIONS"] = False, False
    try:
        for headers in ({}, {"HX-Request": "true"}):
            answer = Visitor(app).get("/", headers=headers)
            text = answer.get_data(as_text=True)
            assert answer.status_code == 500 and answer.headers["Cache-Control"] == "no-store"
            for inside in ("Traceback", "RuntimeError", "password_hash", ".py", "line "):
                assert inside not in text, inside
    finally:
        app.testing, app.config["PROPAGATE_EXCEPTIONS"] = True, None
        app.view_functions["auth.home"] = kept
