"""What somebody searches for, a name or an MRN, stands in the address of a list, and in no log of ours."""

import logging
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import sqlalchemy as sa

from csss.audit.models import AuditEvent
from csss.config import Settings
from csss.database import db
from csss.demo.run import environment
from csss.logs import ACCESS_LOG_FORMAT
from csss.scans.states import Status
from csss.server import _Server
from tests.factories import Clinic
from tests.stack import free_port
from tests.visitor import Visitor, words

ROOT = Path(__file__).resolve().parents[2]
WANTED = "Kanarienvogel"


@pytest.mark.both_databases
def test_no_search_stands_in_the_audit_log_or_in_any_line_of_a_log(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    clinic.scan()
    lists = {
        "doctor": ("/doctor/?q={}", "/doctor/?q={}&sort=newest", "/doctor/?status={}"),
        "pharmacist": ("/pharmacist/?q={}",),
        "patient": ("/patient/?q={}",),
        "admin": (
            "/admin/?q={}",
            "/admin/?show=released&q={}",
            "/admin/users?q={}",
            "/admin/mail?q={}",
            "/admin/audit?person={}&subject={}",
            "/admin/audit.csv?person={}&subject={}",
            "/doctor/?q={}",
            "/nowhere?q={}",
        ),
    }
    people: list[Visitor] = [clinic.visitor(clinic.person(role)) for role in lists]
    for visitor, addresses in zip(people, lists.values(), strict=True):
        for address in addresses:
            visitor.get(address.replace("{}", WANTED))
    Visitor(clinic.app).get(f"/doctor/?q={WANTED}")
    db.session.remove()
    columns = [sa.cast(column, sa.Text) for column in AuditEvent.__table__.columns]
    rows = db.session.execute(sa.select(*columns)).all()
    assert len(rows) > 5 and not [row for row in rows if WANTED.lower() in str(row).lower()]
    assert WANTED.lower() not in caplog.text.lower()


@pytest.mark.both_databases
def test_a_name_is_found_however_its_letters_are_typed(clinic: Clinic) -> None:
    """Élodie O’Özil is found in small letters, without accents and apostrophe and by her surname first, in every list."""
    doctor, other = clinic.person("doctor"), clinic.person("patient", name="Melodia Else")
    elodie = clinic.person("patient", name="Élodie O’Özil")
    for status in (
        Status.PENDING_AI,
        Status.DOCTOR_VERIFIED,
        Status.PHARMACIST_COMPLETED,
        Status.REPORT_READY,
    ):
        for patient in (elodie, other):
            clinic.scan(status, patient=patient, doctor=doctor)
    clinic.visitor(elodie).get("/patient/")
    people = {role: clinic.visitor(clinic.person(role)) for role in ("doctor", "pharmacist", "admin")}
    for role, address in (
        ("pharmacist", "/pharmacist/?q={}"),
        ("doctor", "/doctor/?q={}"),
        ("doctor", "/doctor/?q={}&status=REPORT_READY"),
        ("admin", "/admin/?q={}"),
        ("admin", "/admin/?show=released&q={}"),
        ("admin", "/admin/users?q={}"),
        ("admin", "/admin/mail?q={}"),
        ("admin", "/admin/audit?person={}"),
    ):
        for typed in (
            "ÉLODIE",
            "özil",
            "e\u0301lodie",
            "elodie",
            "oozil",
            "O'Ozil",
            "ozil elodie",
            "Özil, Élodie",
        ):
            text = words(people[role].get(address.format(typed)))
            assert "Élodie O’Özil" in text and "Melodia Else" not in text, (address, typed)


def test_our_server_writes_no_list_of_requests_and_would_leave_searches_out(settings: Settings) -> None:
    server = _Server(settings)
    assert server.cfg.accesslog is None
    assert server.cfg.access_log_format == ACCESS_LOG_FORMAT
    assert not {"%(r)s", "%(q)s", "%(f)s"} & set(ACCESS_LOG_FORMAT.replace('"', " ").split())


def test_gunicorn_started_by_hand_leaves_searches_out_of_its_access_log(
    clinic: Clinic, settings: Settings, tmp_path: Path
) -> None:
    port = free_port()
    log = tmp_path / "access.log"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            "wsgi:app",
            "-b",
            f"127.0.0.1:{port}",
            "--access-logfile",
            str(log),
        ],
        cwd=ROOT,
        env={**os.environ, **environment(settings)},
    )
    try:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/login?next=/doctor/&q={WANTED}",
            headers={"Referer": f"http://127.0.0.1:{port}/doctor/?q={WANTED}"},
        )
        for _ in range(120):
            try:
                with urllib.request.urlopen(asked, timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                time.sleep(0.5)
        for _ in range(20):
            if log.exists() and log.read_text():
                break
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    written = log.read_text()
    assert '"GET /login" 200' in written
    assert WANTED not in written
