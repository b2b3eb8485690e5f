"""A planned change of the secret key: what can be kept is kept, the log stays whole, and still tells of tampering."""

import http.server
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa
from flask import Flask

from csss import create_app
from csss.audit import anchors, chain
from csss.audit.models import AuditEvent
from csss.audit.record import record
from csss.audit.verify import verify
from csss.auth import authenticator_app, passphrases, second_factor
from csss.auth.models import CodePurpose, RecoveryCode, UserSession
from csss.clock import now, pretending
from csss.config import Settings
from csss.database import db, transaction
from csss.key_checks import SECRET_KEY, KeyCheck, secret_key_value
from csss.keys import change
from csss.people.models import User
from tests.conftest import SECRET
from tests.factories import PASSPHRASE, Clinic
from tests.integration.command_line import done, refused
from tests.integration.test_audit_chain import forge, tamper
from tests.integration.test_wrong_keys import OTHER, forget_check_values
from tests.integration.world import snapshot
from tests.stack import free_port

THIRD = "a third key, which is long enough to be taken as one too"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, port=free_port())  # where nobody serves pages


@pytest.fixture
def old_key(tmp_path: Path) -> Path:
    file = tmp_path / "old-key"
    file.write_text(SECRET + "\n")
    return file


def furnish(clinic: Clinic) -> tuple[User, str]:
    """Somebody with an app, recovery codes and a session, and a patient with a pass phrase. Returns the app's secret."""
    doctor, secret = clinic.person("doctor", email="doctor@csss.example"), authenticator_app.new_totp_secret()
    with transaction():
        user = db.session.get_one(User, doctor.id)
        authenticator_app.confirm_totp(user, secret, pyotp.TOTP(secret).at(now()))
        second_factor.new_recovery_codes(user)
    clinic.set_passphrase(clinic.person("patient", email="patient@csss.example"))
    clinic.visitor(doctor).get("/")
    return doctor, secret


def person(email: str) -> User:
    return db.session.scalars(sa.select(User).where(User.email == email)).one()


def problems(app: Flask, *more: str) -> list[str]:
    db.session.rollback()
    keys = [chain.current_key(), *map(chain.Key, more)]
    return verify(keys, anchors.kept(anchors.path())).problems


def going_on(settings: Settings) -> Flask:
    """The application with the new key."""
    return create_app(replace(settings, secret_key=OTHER))


@pytest.mark.both_databases
def test_apps_and_pass_phrases_are_kept_and_the_log_is_whole_with_the_new_key_alone(
    app: Flask, clinic: Clinic, settings: Settings, old_key: Path
) -> None:
    _, secret = furnish(clinic)
    anchors.keep(chain.head())
    new = replace(settings, secret_key=OTHER)
    told = done(new, "change-secret-key", "--old-key-file", old_key)
    for sentence in (
        "Re-encrypted: 1 authenticator apps and 1 pass phrases.",
        "Ended: 10 recovery codes.",
        "Ended: 1 sessions. Everybody has to sign in again.",
        "The secret key has been changed.",
    ):
        assert sentence in told
    assert "Lost" not in told
    assert "All " in done(new, "audit", "verify")
    refused(settings, "audit", "verify")
    with going_on(settings).app_context():
        doctor, patient = person("doctor@csss.example"), person("patient@csss.example")
        assert patient.patient is not None
        assert passphrases.report_passphrase(patient.patient) == PASSPHRASE
        assert second_factor.recovery_codes_left(doctor) == 0
        with pretending(now() + timedelta(minutes=2)), transaction():
            code = pyotp.TOTP(secret).at(now())
            proof = second_factor.check(doctor, CodePurpose.SIGN_IN, doctor.id, code)
        assert proof.method == "authenticator"
        assert all(db.session.scalars(sa.select(UserSession.ended_at)))
        event = db.session.scalars(
            sa.select(AuditEvent).where(AuditEvent.action == "secret_key.changed")
        ).one()
        assert (event.detail["key"], event.detail["earlier"]) == (chain.Key(OTHER).id, [chain.Key(SECRET).id])
        assert SECRET not in str(event.detail) and OTHER not in str(event.detail)
        assert problems(app) == []
        db.session.remove()
        db.engine.dispose()
    assert "in use already" in done(new, "change-secret-key")


def test_after_several_changes_and_back_to_the_first_the_newest_key_is_enough(
    app: Flask, clinic: Clinic, settings: Settings
) -> None:
    furnish(clinic)
    for old, new in ((SECRET, OTHER), (OTHER, THIRD), (THIRD, SECRET)):
        done(replace(settings, secret_key=new), "change-secret-key", typed=f"{old}\n")
        done(replace(settings, secret_key=new), "audit", "verify")
    assert problems(app) == []


@pytest.mark.both_databases
def test_what_was_tampered_with_before_the_change_is_found_after_it(
    app: Flask, clinic: Clinic, settings: Settings, old_key: Path
) -> None:
    furnish(clinic)
    done(replace(settings, secret_key=OTHER), "change-secret-key", "--old-key-file", old_key)
    tamper(
        "UPDATE audit_events SET action = 'scan.closed' WHERE id = (SELECT event_id FROM audit_seals WHERE number = 3)"
    )
    app.config["SECRET_KEY"] = OTHER
    (told,) = problems(app)
    assert told.startswith("Event 3 (scan.closed")


def test_who_has_the_old_key_can_neither_write_anew_what_was_before_nor_go_on_with_it(
    app: Flask, clinic: Clinic, settings: Settings, old_key: Path
) -> None:
    """The reason for most changes: the old key is known to somebody."""
    furnish(clinic)
    done(replace(settings, secret_key=OTHER), "change-secret-key", "--old-key-file", old_key)
    changed = chain.head().number
    app.config["SECRET_KEY"] = OTHER
    with transaction():
        record("scan.viewed")
    assert problems(app, SECRET) == []
    key, newest = chain.Key(SECRET), chain.head()
    tamper(
        f"UPDATE audit_seals SET mac = '{key.sign(newest.hash)}', key_id = '{key.id}' WHERE number = {newest.number}"
    )
    for known in ((), (SECRET,)):
        (told,) = problems(app, *known)
        assert told == (
            f"The seal of event {newest.number} was made with a secret key that event {changed} had replaced."
        )
    forge(2, SECRET)
    assert any(f"event {changed} was made by somebody without" in each for each in problems(app))


@pytest.mark.both_databases
def test_a_log_that_is_not_whole_is_not_sealed_over_unless_told_so(
    app: Flask, clinic: Clinic, settings: Settings, old_key: Path
) -> None:
    furnish(clinic)
    tamper(
        "UPDATE audit_events SET action = 'scan.closed' WHERE id = (SELECT event_id FROM audit_seals WHERE number = 3)"
    )
    before, new = snapshot(), replace(settings, secret_key=OTHER)
    told = refused(new, "change-secret-key", "--old-key-file", old_key)
    assert "Event 3 (scan.closed" in told and "The audit log is not intact according to the old key" in told
    assert snapshot() == before
    done(new, "change-secret-key", "--old-key-file", old_key, "--force")
    event = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "secret_key.changed")).one()
    assert event.detail["problems"] == 1
    app.config["SECRET_KEY"] = OTHER
    assert len(problems(app)) == 1  # and it stays to be seen


@pytest.mark.both_databases
def test_it_happens_whole_or_not_at_all(
    app: Flask, clinic: Clinic, settings: Settings, old_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(clinic)
    before = snapshot()

    def power_cut(*_: object, **__: object) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(change, "record", power_cut)
    app.config["SECRET_KEY"] = OTHER
    with pytest.raises(OSError, match="power cut"), transaction():
        change.change(SECRET)
    assert snapshot() == before


def test_a_wrong_old_key_changes_nothing(app: Flask, clinic: Clinic, settings: Settings) -> None:
    furnish(clinic)
    before = snapshot()
    told = refused(replace(settings, secret_key=OTHER), "change-secret-key", typed=f"{THIRD}\n")
    assert "The given old key is not the key of this database." in told
    assert snapshot() == before


def test_without_the_old_key_it_is_said_what_is_lost(app: Flask, clinic: Clinic, settings: Settings) -> None:
    furnish(clinic)
    told = done(replace(settings, secret_key=OTHER), "change-secret-key", "--without-old-key")
    assert "Lost: 1 authenticator apps do not open." in told
    assert "Lost: 1 report pass phrases do not open." in told
    assert "give the earlier one with --key-file" in refused(
        replace(settings, secret_key=OTHER), "audit", "verify"
    )


def test_after_an_accident_of_an_earlier_release_the_command_leads_out(
    app: Flask, clinic: Clinic, settings: Settings, tmp_path: Path
) -> None:
    """A wrong key was in use for a week, unnoticed: it sealed the newest events, and opens nothing that was there before."""
    from flask_migrate import downgrade

    furnish(clinic)
    forget_check_values()
    app.config["SECRET_KEY"] = OTHER
    with transaction():
        db.session.add(KeyCheck(name=SECRET_KEY, value=secret_key_value(OTHER)))
        record("scan.viewed")
    db.session.remove()
    downgrade(revision="0014")
    refused(settings, "migrate")
    refused(replace(settings, secret_key=OTHER), "migrate")
    wrong = tmp_path / "wrong-key"
    wrong.write_text(OTHER)
    told = done(settings, "change-secret-key", "--old-key-file", wrong)
    assert "Re-encrypted: 1 authenticator apps and 1 pass phrases." in told
    done(settings, "migrate")
    done(settings, "audit", "verify")


# Where the key lies in the instance folder


@pytest.fixture
def in_folder(app: Flask, settings: Settings) -> Settings:
    """A system whose key was made by itself."""
    settings.secret_key_file.write_text(SECRET)
    return replace(settings, secret_key="")


def test_the_old_key_is_found_in_the_folder_and_put_aside(
    clinic: Clinic, settings: Settings, in_folder: Settings
) -> None:
    furnish(clinic)
    new = replace(settings, secret_key=OTHER)
    done(new, "change-secret-key")
    assert not settings.secret_key_file.exists()
    (aside,) = settings.instance_folder.glob("secret_key-before-*")
    assert aside.read_text() == SECRET
    done(new, "audit", "verify")


def test_a_new_key_is_made_in_the_folder(clinic: Clinic, in_folder: Settings) -> None:
    furnish(clinic)
    done(in_folder, "change-secret-key", "--make-new")
    assert in_folder.secret() not in {SECRET, OTHER} and len(in_folder.secret()) >= 32
    assert in_folder.secret_key_file.stat().st_mode & 0o777 == 0o600
    assert [path.read_text() for path in in_folder.instance_folder.glob("secret_key-before-*")] == [SECRET]
    done(in_folder, "audit", "verify")
    assert "CSSS_SECRET_KEY is set" in refused(
        replace(in_folder, secret_key=OTHER), "change-secret-key", "--make-new"
    )


def test_a_change_that_was_cut_off_before_the_key_was_in_its_place_is_finished(
    clinic: Clinic, settings: Settings, in_folder: Settings
) -> None:
    furnish(clinic)
    beside = settings.instance_folder / "secret_key.new"
    old = settings.secret_key_file.rename(settings.instance_folder / "kept-for-the-test")
    done(replace(settings, secret_key=OTHER), "change-secret-key", "--old-key-file", old)
    old.rename(settings.secret_key_file)
    beside.write_text(OTHER)  # the database has it, and then the power went
    refused(in_folder, "audit", "verify")
    assert "interrupted change has been completed" in done(in_folder, "change-secret-key", "--make-new")
    assert in_folder.secret() == OTHER and not beside.exists()
    done(in_folder, "audit", "verify")


def test_a_new_key_of_a_change_that_did_not_happen_is_forgotten(clinic: Clinic, in_folder: Settings) -> None:
    furnish(clinic)
    (in_folder.instance_folder / "secret_key.new").write_text(
        OTHER
    )  # the power went before the database had it
    done(in_folder, "audit", "verify")
    done(in_folder, "change-secret-key", "--make-new")
    assert in_folder.secret() not in {SECRET, OTHER}
    done(in_folder, "audit", "verify")


# While the system runs


def test_it_is_refused_while_pages_are_served(
    app: Flask, clinic: Clinic, settings: Settings, old_key: Path
) -> None:
    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok\n")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever).start()
    try:
        new = replace(settings, secret_key=OTHER, port=server.server_port)
        told = refused(new, "change-secret-key", "--old-key-file", old_key)
    finally:
        server.shutdown()
        server.server_close()
    assert f"Something serves the pages on port {server.server_port}. Stop `csss web`" in told


def test_it_is_refused_while_workers_are_there(
    app: Flask,
    clinic: Clinic,
    settings: Settings,
    old_key: Path,
    redis_url: str,
) -> None:
    from redis import Redis
    from rq import Worker

    worker = Worker(["mail"], connection=Redis.from_url(redis_url))
    worker.register_birth()
    new = replace(settings, secret_key=OTHER, redis_url=redis_url)
    told = refused(new, "change-secret-key", "--old-key-file", old_key)
    worker.register_death()
    assert "Workers are running" in told
    done(new, "change-secret-key", "--old-key-file", old_key)


@pytest.mark.both_databases
def test_a_process_that_was_left_running_writes_nothing_with_the_old_key(
    app: Flask, clinic: Clinic, settings: Settings, old_key: Path
) -> None:
    from csss.key_checks import WrongKey

    furnish(clinic)
    done(replace(settings, secret_key=OTHER), "change-secret-key", "--old-key-file", old_key)
    before = chain.head()
    with pytest.raises(WrongKey), transaction():
        second_factor.new_recovery_codes(person("doctor@csss.example"))
    assert chain.head() == before
    assert len(db.session.scalars(sa.select(RecoveryCode)).all()) == 10
