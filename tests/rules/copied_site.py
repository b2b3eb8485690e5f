"""A copy of the furnished site to which anything may be sent, what its forms hold, and who sends it."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import settings as trying
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

import csss
from csss.database import Base, db
from tests.factories import Clinic
from tests.rules.opened_pages import answers
from tests.rules.site import ROLES, Site
from tests.visitor import Visitor

LONG_RUN = trying.get_current_profile_name() == "fuzz"
# PostgreSQL is the stricter one: lengths, zero bytes, numbers.
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.postgres)
BOTH = pytest.mark.parametrize("fuzzed", ["sqlite", POSTGRESQL], indirect=True)
_READ = re.compile(r"request\.(form|args)(?:\.get|\.getlist)?[\[(]\s*\"(\w+)\"")


def opened(site: Site, app: Flask) -> Iterator[Site]:
    """The same people and scans, in another app on a database of its own."""
    app.testing = True
    app.jinja_env.bytecode_cache = site.app.jinja_env.bytecode_cache
    with app.app_context():
        yield replace(site, app=app, clinic=Clinic(app), opened={})
        db.session.remove()
        db.engine.dispose()


def copy_rows(old: Flask, new: Flask) -> None:
    """Copy every row from one database into another."""
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
