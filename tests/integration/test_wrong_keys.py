"""A key that is not the database's is refused in a sentence, before anything is written."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from csss import create_app
from csss.audit import chain
from csss.audit.models import AuditSeal
from csss.audit.record import record
from csss.config import Settings
from csss.database import db, transaction
from csss.demo.run import environment
from csss.installation_check import checks
from csss.key_checks import SECRET_KEY, KeyCheck, WrongKey, secret_key_value
from csss.keys.start import check_keys, refuse_wrong_keys
from csss.people.models import User
from csss.supervisor import REFUSED
from tests.conftest import SECRET
from tests.factories import Clinic
from tests.integration.command_line import command, done, refused
from tests.integration.test_backup import files_of
from tests.integration.world import snapshot
from tests.visitor import Visitor, words

OTHER = "another key, which is long enough to be taken as one"
SENTENCE = "CSSS_SECRET_KEY is not the key of this database."
COMMANDS = (
    ("migrate",),
    ("web",),
    ("worker",),
    ("worker", "mail"),
    ("audit", "verify"),
    ("audit", "export"),
    ("audit", "seal"),
    ("backup", "copy.tar"),
    ("storage", "check"),
    ("storage", "rotate"),
    ("erase-patient", "MRN-1", "--reason", "asked for it", "--yes"),
    ("finish-erasures",),
    ("create-admin", "--email", "boss@csss.example", "--name", "Boss", "--password-file", "password"),
)


def forget_check_values() -> None:
    """As in a database from before there were any."""
    db.session.rollback()
    with transaction():
        db.session.execute(sa.delete(KeyCheck))


def with_app(clinic: Clinic) -> User:
    """Somebody whose authenticator app is kept encrypted."""
    from csss.auth import secrets

    user = clinic.person("doctor")
    with transaction():
        db.session.get_one(User, user.id).totp_secret = secrets.encrypt("totp", "JBSWY3DPEHPK3PXP")
    return user


@pytest.mark.both_databases
def test_every_command_refuses_another_secret_key_and_writes_nothing(
    app: Flask, clinic: Clinic, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text("a long enough password\n")
    clinic.scan()
    before, files = snapshot(), files_of(settings)
    for arguments in COMMANDS:
        assert SENTENCE in refused(replace(settings, secret_key=OTHER), *arguments), arguments
    assert (snapshot(), files_of(settings)) == (before, files)
    assert not (tmp_path / "copy.tar").exists()
    told = command(replace(settings, secret_key=OTHER), "check")
    assert told.exit_code == 1 and f"Keys: {SENTENCE}" in told.output
    done(settings, "audit", "verify")  # with the right key the log is as it was


def test_a_refused_process_tells_its_supervisor_that_another_try_is_useless(
    app: Flask, settings: Settings, tmp_path: Path
) -> None:
    wrong = replace(settings, secret_key=OTHER)
    assert command(wrong, "--started-by-csss", "worker", "mail").exit_code == REFUSED
    assert command(wrong, "worker", "mail").exit_code == 1  # for people, and for systemd
    without = replace(settings, model=str(tmp_path / "no model"))
    for part in (("worker", "inference"), ("web",)):
        assert command(without, "--started-by-csss", *part).exit_code == REFUSED


@pytest.mark.both_databases
def test_a_database_from_before_tells_by_its_newest_seal(
    app: Flask, clinic: Clinic, settings: Settings
) -> None:
    clinic.person("doctor")
    forget_check_values()
    assert SENTENCE in refused(replace(settings, secret_key=OTHER), "audit", "verify")
    with app.app_context(), pytest.raises(WrongKey), transaction():
        app.config["SECRET_KEY"] = OTHER
        record("scan.viewed")
    app.config["SECRET_KEY"] = SECRET
    assert db.session.get(KeyCheck, SECRET_KEY) is None
    done(settings, "audit", "verify")
    kept = db.session.get(KeyCheck, SECRET_KEY)
    assert kept is not None and kept.value == secret_key_value(SECRET)


@pytest.mark.both_databases
@pytest.mark.parametrize("kept", ["authenticator", "pass phrase"])
def test_a_database_from_before_tells_by_what_was_encrypted_with_the_key(
    app: Flask, clinic: Clinic, settings: Settings, kept: str
) -> None:
    """A wrong key was in use for a while, and has sealed the newest events: it still opens nothing."""
    if kept == "authenticator":
        with_app(clinic)
    else:
        clinic.set_passphrase(clinic.person("patient"))
    forget_check_values()
    app.config["SECRET_KEY"] = OTHER
    with transaction():
        db.session.execute(
            sa.insert(KeyCheck).values(name=SECRET_KEY, value=secret_key_value(OTHER))
        )  # as if nobody had looked
        record("scan.viewed")
    forget_check_values()
    assert SENTENCE in refused(replace(settings, secret_key=OTHER), "migrate")


def test_the_migration_that_brings_check_values_is_refused_with_another_key(
    app: Flask, clinic: Clinic, settings: Settings
) -> None:
    from flask_migrate import downgrade

    clinic.person("doctor")
    db.session.remove()
    downgrade(revision="0014")
    assert SENTENCE in refused(replace(settings, secret_key=OTHER), "migrate")
    assert not sa.inspect(db.engine).has_table("key_checks")
    done(settings, "migrate")
    assert db.session.get(KeyCheck, SECRET_KEY) is not None


def test_csss_check_looks_and_keeps_nothing(app: Flask, clinic: Clinic, settings: Settings) -> None:
    clinic.person("doctor")
    forget_check_values()
    results = {each.name: each for each in checks(settings)}
    assert results["Keys"].ok and db.session.get(KeyCheck, SECRET_KEY) is None
    db.session.rollback()
    gone = replace(settings, secret_key="")
    (told,) = (each for each in checks(gone) if each.name == "Keys")
    assert not told.ok and "The secret key of this database is gone" in told.text


def test_a_key_that_was_made_anew_in_the_folder_is_named_with_its_file(
    app: Flask, settings: Settings
) -> None:
    """The folder was lost, or CSSS_SECRET_KEY is missing in a new unit file: a new key has been made by itself."""
    in_folder = replace(settings, secret_key="")
    in_folder.secret()
    told = refused(in_folder, "audit", "verify")
    assert f"The secret key in {settings.secret_key_file} is not the key of this database" in told


# A process that runs already, or came before the database did


def test_a_database_that_does_not_answer_is_waited_for_and_any_other_error_is_told(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refuse_wrong_keys(replace(settings, database_url="postgresql+psycopg://nobody@127.0.0.1:1/csss"))
    assert "the database does not answer: OperationalError" in caplog.text
    (tmp_path / "no-database").write_text("something else " * 100)
    with pytest.raises(sa.exc.DatabaseError, match="file is not a database"):
        refuse_wrong_keys(replace(settings, database_url=f"sqlite:///{tmp_path}/no-database"))


def test_nothing_is_written_with_another_key_and_readyz_says_why(
    app: Flask, clinic: Clinic, settings: Settings
) -> None:
    clinic.person("doctor", email="doctor@csss.example")
    last = chain.head()
    late = create_app(replace(settings, secret_key=OTHER))
    visitor = Visitor(late)
    form = visitor.get("/login")
    assert form.status_code == 200
    answer = visitor.post("/login", {"email": "doctor@csss.example", "password": "no such password"})
    assert answer.status_code == 503 and "nothing was accepted" in words(answer)
    ready = visitor.get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["checks"]["keys"] == "not the key that this database is used with: secret key"
    with late.app_context(), pytest.raises(WrongKey), transaction():
        record("scan.viewed")
    db.session.rollback()
    assert chain.head() == last
    assert Visitor(app).get("/readyz").get_json()["checks"]["keys"] == "ok"


@pytest.mark.parametrize("part", ["web", "worker"])
def test_a_real_process_ends_at_once_with_a_sentence(
    app: Flask, clinic: Clinic, settings: Settings, tmp_path: Path, part: str
) -> None:
    clinic.person("doctor")
    before = snapshot()
    ended = subprocess.run(
        [sys.executable, "-m", "csss", part],
        env={**os.environ, **environment(replace(settings, secret_key=OTHER))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: {SENTENCE}") and "Traceback" not in ended.stderr
    db.session.remove()
    assert snapshot() == before


@pytest.mark.both_databases
def test_of_many_that_start_at_once_with_two_keys_one_key_stays(app: Flask, settings: Settings) -> None:
    """The first start of all: nothing has been written yet that would tell which key is right."""
    forget_check_values()
    db.session.remove()
    apps = [create_app(replace(settings, secret_key=SECRET if number % 2 else OTHER)) for number in range(6)]
    gate, refused_ones, failed = threading.Barrier(len(apps)), [], []

    def start(each: Flask) -> None:
        with each.app_context():
            gate.wait()
            try:
                check_keys()
                with transaction():
                    record("scan.viewed")
            except WrongKey:
                refused_ones.append(each.config["SECRET_KEY"])
            except Exception as error:
                failed.append(error)
            finally:
                db.session.remove()
                db.engine.dispose()

    threads = [threading.Thread(target=start, args=(each,)) for each in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == [] and len(refused_ones) == 3 and len(set(refused_ones)) == 1
    assert len(db.session.scalars(sa.select(KeyCheck)).all()) == 1
    right = SECRET if refused_ones[0] == OTHER else OTHER
    seals = db.session.execute(sa.select(AuditSeal.hash, AuditSeal.mac, AuditSeal.key_id)).all()
    assert len(seals) == 3 and all(chain.Key(right).made(seal) for seal in seals)
