"""Two hospitals that differ only in what the classifier has said: whoever may not know it gets the same from both.

Every address is asked, so that a new page, fragment or header is part of this without being named here.
"""

import difflib
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from csss import create_app
from csss.auth import accounts
from csss.clock import pretending
from csss.config import Settings
from csss.database import db
from csss.inference.engine import Result
from csss.scans.states import Status
from tests.conftest import settings_for
from tests.factories import Clinic, reading
from tests.findings import NAMES
from tests.integration.doctor import url
from tests.visitor import Visitor

ROLES = ("patient", "doctor", "pharmacist", "admin")
# Figures of all scans together, for whoever runs the hospital.
FIGURES = {"admin.statistics", "admin.statistics_csv", "admin.watch", "admin.watch_csv"}
FILTERS = (
    *("?status=all&sort=confidence", "?status=all&finding=COVID", "?status=all&finding=Uncertain"),
    *("?status=AI_ANALYZED", "?status=all&q=COVID", "?status=all&q=Person"),
)
MOMENT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def sure() -> Result:
    """A sure answer with much in it."""
    grid = np.linspace(0, 1, 49, dtype=np.float32).reshape(7, 7)
    return reading(
        "COVID",
        0.97,
        view="frontal_chest",
        findings=dict.fromkeys(NAMES, 0.9),
        no_finding=0.01,
        finding_thresholds={**dict.fromkeys(NAMES, 0.3), "No_Finding": 0.5},
        finding_maps=dict.fromkeys(NAMES, grid),
    )


def unsure() -> Result:
    """An answer that is none."""
    return reading("Normal", 0.4, heatmap=None, model_version="other-7", latency_ms=70.5)


def heard(
    settings: Settings, made: str, status: Status, answer: Result, roles: Iterable[str]
) -> dict[str, str]:
    """Everything that people in these roles get from a hospital with one scan, by role and address. The scan was read
    while the setting was `made`.
    """
    app = create_app(settings)
    app.testing = True
    found: dict[str, str] = {}
    with app.app_context(), pretending(MOMENT):
        clinic = Clinic(app)
        people = {role: clinic.person(role, name=f"Person {role}") for role in ROLES}
        app.config["CSSS"] = replace(settings, classifier_shown=made)
        scan_id = clinic.scan(status, result=answer, **people).id
        clinic.run_jobs()
        app.config["CSSS"] = settings
        for role in roles:
            visitor = clinic.visitor(accounts.by_email(f"{role}{ROLES.index(role) + 1}@csss.example"))
            for address in addresses(app, role, scan_id):
                found[f"{role} {address.replace(str(scan_id), '<scan>')}"] = plain(visitor.get(address))
            if role == "doctor":
                found |= posted(visitor, scan_id)
        found["mail"] = "\n".join(re.sub(r"/confirm\S+", "", each.get_content()) for each in clinic.mail)
        db.session.remove()
        db.engine.dispose()
    return found


def addresses(app: Flask, role: str, scan_id: uuid.UUID) -> Iterator[str]:
    """Every address of this role's part of the site, and of the files, that needs nothing more than a scan."""
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            part = rule.endpoint.partition(".")[0]
            if part in {role, "files"} and rule.endpoint not in FIGURES and "GET" in (rule.methods or ()):
                for values in wanted(rule, scan_id):
                    address = app.url_map.bind("").build(rule.endpoint, values)
                    yield address
                    more = FILTERS if rule.endpoint == "doctor.worklist" else ()
                    yield from (address + each for each in more)


def wanted(rule: Rule, scan_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    if rule.arguments <= {"scan_id"}:
        yield {"scan_id": scan_id} if rule.arguments else {}
    elif rule.arguments == {"scan_id", "finding"}:
        yield {"scan_id": scan_id, "finding": NAMES[0]}


def posted(doctor: Visitor, scan_id: uuid.UUID) -> dict[str, str]:
    """What a doctor hears who sends forms that are not complete, with what a page may not have offered."""
    tried = {
        "verify": [
            {"findings": "Hazy."},
            {"findings": "Hazy.", "diagnosis": "COVID-19", "agreement": "disagree"},
            {"findings": "Hazy.", "diagnosis": "Normal", "agreement": "agree"},
        ],
        "reveal": [{"findings": "Hazy."}],
    }
    return {
        f"doctor posts {step} {form}": plain(doctor.post(url(scan_id, step), form))
        for step, forms in tried.items()
        for form in forms
    }


_CHANCE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r'"csrf_token" value="[^"]+"'), "<token>"),
    (re.compile(r'data-v="[^"]+"'), "<version>"),
    (re.compile(r"\b\d{9}\b"), "<mrn>"),
    (re.compile(r"\b[0-9a-f]{10,64}\b"), "<hash>"),
    (re.compile(r"\d\d:\d\d(:\d\d)?(\.\d+)?"), "<time>"),
    (re.compile(r"(A visitor|The system) sent a"), "<somebody> sent a"),
    (re.compile(r'"(system|127\.0\.0\.1)"|<dd>(system|127\.0\.0\.1)</dd>'), "<place>"),
)
_BY_CHANCE = {"Set-Cookie", "Content-Length", "ETag"}


def plain(answer: TestResponse) -> str:
    """An answer with its headers, without what is drawn by chance."""
    headers = [f"{name}: {value}" for name, value in sorted(answer.headers.items()) if name not in _BY_CHANCE]
    told = "\n".join((answer.status, *headers, answer.get_data().decode("latin-1")))
    for chance, instead in _CHANCE:
        told = chance.sub(instead, told)
    return told


@pytest.mark.parametrize(
    ("made", "shown", "status", "roles"),
    [
        ("silent", "silent", Status.AI_ANALYZED, ROLES),
        ("silent", "silent", Status.REPORT_READY, ROLES),
        ("silent", "at_once", Status.DOCTOR_VERIFIED, ROLES),  # said in silence, and the setting has changed
        ("after_reading", "after_reading", Status.AI_ANALYZED, ("doctor",)),
    ],
)
def test_whatever_the_classifier_has_said_people_get_the_same(
    tmp_path: Path, migrated_sqlite: Path, made: str, shown: str, status: Status, roles: tuple[str, ...]
) -> None:
    got = []
    for name, answer in (("one", sure()), ("other", unsure())):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(migrated_sqlite, folder / "csss.db")
        got.append(heard(settings_for(folder, classifier_shown=shown), made, status, answer, roles))
    one, other = got
    assert one.keys() == other.keys() and len(one) > 15
    told = [
        line for name in one if one[name] != other[name] for line in differing(name, one[name], other[name])
    ]
    assert told == []


def differing(name: str, one: str, other: str) -> list[str]:
    """In which lines two answers differ."""
    lines = difflib.unified_diff(one.splitlines(), other.splitlines(), lineterm="", n=0)
    return [name, *(each[:300] for each in lines)]
