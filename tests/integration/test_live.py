"""Live changes as `csss web` serves them: who hears what, how a stream ends, and what happens without Redis."""

import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask

from csss.auth import sessions
from csss.auth.models import UserSession
from csss.database import db, transaction
from csss.erasing import services as erasing
from csss.live.hub import Hub
from csss.live.names import Change, Listener, change_of
from csss.people.models import AccountState, User
from csss.people.roles import Role
from csss.prescriptions.allergies import AllergiesAsked
from csss.scans import services
from csss.scans.models import AnalysisRun
from csss.scans.presenters import Tag
from csss.scans.states import Priority
from csss.web.live_region import stream as streams
from csss.web.live_region.rows import RenderedRow, rendered_once
from csss.web.pharmacist.presenters import QueueRow
from tests.ears import Ear, cookie_for, streaming
from tests.factories import Clinic, reading
from tests.stack import Stack, eventually
from tests.visitor import Visitor

HASH = "$2b$04$aaaaaaaaaaaaaaaaaaaaaexGx5Ns1X2bYqfIbvXKzvNfMSzkaTR5e"
pytestmark = pytest.mark.xdist_group("live")


class Site:
    """The web server and its Redis, no workers; people and their ears."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.clinic, self.ears = stack, Clinic(stack.app), list[Ear]()

    def listen(self, user: User) -> Ear:
        ear = Ear(self.stack.url, cookie_for(self.stack, user))
        self.ears.append(ear)
        return ear

    def ready(self, user: User) -> Ear:
        ear = self.listen(user)
        ear.wait("ready")
        ear.forget()
        return ear


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Stack]:
    with streaming(tmp_path_factory.mktemp("live"), migrated_sqlite, web_threads=4, live_streams=40) as stack:
        yield stack


@pytest.fixture
def site(stack: Stack) -> Iterator[Site]:
    with stack.app.app_context():
        site = Site(stack)
        site.clinic._people = time.monotonic_ns()  # accounts of other tests are there already
        yield site
        for ear in site.ears:
            ear.close()
        db.session.remove()


def test_everybody_hears_of_the_own_lists_and_a_patient_of_own_scans_only(site: Site) -> None:
    clinic = site.clinic
    patient, other = clinic.person("patient"), clinic.person("patient")
    scan_id, foreign = clinic.scan(patient=patient).id, clinic.scan(patient=other).id
    doctor_user = clinic.person("doctor")
    own, doctor = site.ready(patient), site.ready(doctor_user)
    pharmacist, admin = site.ready(clinic.person("pharmacist")), site.ready(clinic.person("admin"))

    clinic.analyse(foreign, doctor_user, reading())
    doctor.wait("message", str(foreign))
    clinic.analyse(scan_id, doctor_user, reading())
    own.wait("message", str(scan_id))
    clinic.verify(scan_id, doctor_user)
    pharmacist.wait("message", str(scan_id))
    clinic.complete(scan_id, clinic.person("pharmacist"))
    admin.wait("message", f"queue {scan_id}")
    doctor.wait("message", str(scan_id))

    assert set(own.told) == {"queue", str(scan_id)}, "nothing of other people's scans"
    assert str(foreign) not in pharmacist.told, "an analysis is nothing for the pharmacist"
    assert set(doctor.told) <= {"queue", str(scan_id), str(foreign)}


def test_the_other_windows_of_a_patient_hear_of_a_scan_that_is_new(site: Site) -> None:
    clinic = site.clinic
    patient, other = clinic.person("patient"), clinic.person("patient")
    window, others = site.ready(patient), site.ready(other)
    scan_id = clinic.scan(patient=patient).id
    window.wait("message", f"queue {scan_id}")
    window.forget()
    clinic.analyse(scan_id, clinic.person("doctor"), reading())
    window.wait("message", str(scan_id))
    assert others.told == []


def test_a_stream_carries_the_headers_of_every_other_answer(site: Site) -> None:
    """It is the hub that writes them, from what the application has decided (tests/rules/test_headers.py)."""
    headers = site.ready(site.clinic.person("doctor")).headers
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin" and headers["Connection"] == "close"
    assert headers["X-Accel-Buffering"] == "no" and "Content-Length" not in headers


def test_a_refused_change_is_not_told(site: Site) -> None:
    doctor = site.ready(site.clinic.person("doctor"))
    scan_id = site.clinic.scan().id
    doctor.wait("message", str(scan_id))
    doctor.forget()

    by = site.clinic.person("doctor")
    with pytest.raises(ZeroDivisionError), transaction():
        services.set_priority(scan_id, Priority.URGENT, by=by)
        db.session.flush()
        raise ZeroDivisionError
    after = site.clinic.scan().id
    doctor.wait("message", str(after))
    assert str(scan_id) not in doctor.told


def test_a_stream_ends_within_seconds_when_its_session_ends(site: Site) -> None:
    doctor = site.clinic.person("doctor")
    revoked, kept = site.ready(doctor), site.ready(site.clinic.person("doctor"))
    with transaction():
        sessions.end_all(doctor)
    revoked.wait("end", seconds=8)
    assert revoked.over.wait(5)
    assert not kept.over.is_set()


def test_a_stream_ends_with_the_account_and_with_idle_time(site: Site) -> None:
    doctor, sleeper = site.clinic.person("doctor"), site.clinic.person("doctor")
    ended, idle = site.ready(doctor), site.ready(sleeper)
    with transaction():
        db.session.get_one(User, doctor.id).state = AccountState.DEACTIVATED
        row = db.session.query(UserSession).filter_by(user_id=sleeper.id).one()
        row.last_used_at -= timedelta(days=365)
    for ear in (ended, idle):
        ear.wait("end", seconds=8)


def test_an_open_stream_is_no_use_of_the_session(site: Site) -> None:
    doctor = site.clinic.person("doctor")
    cookie, doctor_id = cookie_for(site.stack, doctor), doctor.id
    with transaction():
        row = db.session.query(UserSession).filter_by(user_id=doctor_id).one()
        row.last_used_at = before = row.last_used_at - timedelta(minutes=30)
    site.ears.append(Ear(site.stack.url, cookie))
    site.ears[-1].wait("ready")
    db.session.remove()
    assert db.session.query(UserSession).filter_by(user_id=doctor_id).one().last_used_at == before


def test_open_streams_hold_no_thread_and_their_ceiling_is_their_own(site: Site) -> None:
    """The server of this test has four threads and room for forty streams."""
    people = [site.clinic.person("doctor") for _ in range(10)]
    ears = [site.ready(people[number % 10]) for number in range(40)]
    over = site.listen(people[0])
    assert over.status == 503 and over.headers["Retry-After"] == "60"
    started = time.monotonic()
    with urllib.request.urlopen(f"{site.stack.url}/login", timeout=5) as answer:
        assert answer.status == 200
    assert time.monotonic() - started < 3
    ears[0].close()
    eventually(lambda: site.listen(people[1]).status == 200, 15)


def test_more_windows_than_six_close_the_oldest(site: Site) -> None:
    doctor = site.clinic.person("doctor")
    cookie = cookie_for(site.stack, doctor)
    site.ears += [Ear(site.stack.url, cookie) for _ in range(7)]
    closed = eventually(lambda: [ear for ear in site.ears if ear.over.is_set()])
    assert len(closed) == 1  # type: ignore[arg-type]
    closed[0].wait("elsewhere")  # type: ignore[index]


def test_without_redis_the_stream_says_so_and_recovers_by_itself(site: Site) -> None:
    doctor = site.ready(site.clinic.person("doctor"))
    site.stack.kill("redis")
    doctor.wait("offline")
    late = site.listen(site.clinic.person("doctor"))
    late.wait("offline")
    scan_id = site.clinic.scan().id  # is taken all the same
    doctor.forget()
    site.stack.start_redis()
    doctor.wait("ready", seconds=20)
    late.wait("ready", seconds=20)

    def told() -> bool:
        # A writer that has found Redis dead lets it rest for a few seconds.
        another = site.clinic.scan().id
        threading.Event().wait(0.3)
        return str(another) in doctor.told

    eventually(told, 20)
    assert str(scan_id) not in doctor.told, "what was missed is asked for, not told"


# Without a server of ours


def test_when_a_patient_is_erased_every_process_forgets_what_it_has_rendered(site: Site) -> None:
    """Rows of lists are rendered once for everybody and kept in memory."""
    seen = Hub(site.stack.settings.redis_url, set, ceiling=0)
    seen.start()
    try:
        eventually(lambda: seen.online)
        patient = site.clinic.person("patient", name="Zebulon Quarterstaff")
        with site.stack.app.test_request_context("/"):
            waiting = QueueRow(
                id="1",
                url="/",
                name=patient.name,
                mrn=patient.patient.mrn,
                age="40 years",
                allergies="",
                allergies_state=AllergiesAsked.NOT_ASKED,
                diagnosis="Normal chest",
                since="2026-01-01",
                waiting="1 h",
                urgent=False,
                critical=None,
                tag=Tag("Waits", "info", "clock"),
            )

            def row() -> RenderedRow:
                return rendered_once("pharmacist/_queue_row.html", [waiting])[0]

            cached = row()
            assert row() is cached and "Zebulon Quarterstaff" in cached.html
            with transaction():
                erasing.erase_as_deployer(
                    patient.patient.mrn, reason="The family has asked.", password_hash=HASH
                )
            eventually(lambda: row() is not cached)
    finally:
        seen.stop()


def test_where_nothing_can_hold_a_stream_the_browser_is_told_not_to_ask_again(doctor: Visitor) -> None:
    assert doctor.get("/events").status_code == 204


def test_a_patient_is_told_nothing_of_others_and_nothing_of_the_classifier() -> None:
    own, foreign = uuid.uuid4(), uuid.uuid4()
    patient = Listener(uuid.uuid4(), Role.PATIENT, "the patient", {str(own)})
    change = change_of(AnalysisRun(scan_id=own), new=True)
    assert change is not None and patient.may_know(change) == ()
    everybody = frozenset(Role)
    assert patient.may_know(Change(("queue", str(foreign)), everybody)) == ()
    assert patient.may_know(Change(("queue", str(own), str(foreign)), everybody)) == ("queue", str(own))
    assert Change.decode(change.encode()) == change


# A refresh


def test_a_refresh_without_a_change_is_empty_and_one_with_a_change_is_not(
    doctor: Visitor, clinic: Clinic
) -> None:
    clinic.scan()
    first = doctor.get("/doctor/", headers={"HX-Request": "true", "X-CSSS-Refresh": "1"})
    version = first.headers["X-CSSS-Version"]
    again = {"HX-Request": "true", "X-CSSS-Refresh": version}
    same = doctor.get("/doctor/", headers=again)
    assert (first.status_code, same.status_code, same.get_data()) == (200, 204, b"")
    clinic.scan()
    assert doctor.get("/doctor/", headers=again).status_code == 200


def test_what_a_request_says_it_knows_is_not_newer_than_what_it_looked_at(app: Flask) -> None:
    """A change between a request's first question and its answer must not pass for seen: nobody would ask again."""
    hub = SimpleNamespace(version="a1")
    app.extensions[streams.HUB] = hub
    first = [hook.__name__ for hook in app.before_request_funcs[None]]
    assert first.index("_note_version") < first.index("_check_permission"), "before anybody asks the database"
    with app.test_request_context("/login"):
        app.preprocess_request()
        hub.version = "a2"
        assert streams.live_version() == "a1"
