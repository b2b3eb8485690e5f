"""Another storage key under the same id is refused: what it encrypted would not open with the right one."""

import base64
import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from csss import create_app
from csss.config import Settings
from csss.database import db
from csss.demo.run import environment
from csss.installation_check import checks
from csss.key_checks import KeyCheck, WrongKey, storage_key_name
from csss.keys.evidence import against_storage_key
from csss.keys.start import check_keys
from csss.scans import previews
from csss.storage.encrypted import EncryptedStorage, key_id_of
from csss.storage.files import storage
from csss.storage.folder import FolderStorage
from tests.factories import Clinic, picture
from tests.integration.command_line import done, refused
from tests.integration.test_backup import files_of
from tests.integration.test_wrong_keys import COMMANDS
from tests.integration.world import snapshot
from tests.visitor import Visitor, words


def key(key_id: str, seed: str) -> str:
    return f"{key_id}:{base64.b64encode(hashlib.sha256(seed.encode()).digest()).decode()}"


RIGHT, WRONG, NEXT = key("k1", "right"), key("k1", "wrong"), key("k2", "next")
SENTENCE = "The key with the id k1 in CSSS_STORAGE_KEYS is not this database's key of that id"
encrypted = pytest.mark.parametrize("settings", [{"storage_keys": RIGHT}], indirect=True)


def known(key_id: str = "k1") -> KeyCheck | None:
    db.session.rollback()
    return db.session.get(KeyCheck, storage_key_name(key_id))


def put_wrongly(settings: Settings) -> str:
    """A file as an earlier release stored it, with the wrong key under the right id."""
    wrong = replace(settings, storage_keys=WRONG)
    return EncryptedStorage(FolderStorage(settings.storage_folder), wrong.storage_key_ring).put(
        "scans", "png", picture()
    )


@encrypted
def test_every_command_refuses_it_and_writes_nothing(
    app: Flask, clinic: Clinic, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(settings.instance)
    (settings.instance_folder / "password").write_text("a long enough password\n")
    check_keys()
    clinic.scan()
    before, files = snapshot(), files_of(settings)
    for wrong in (WRONG, f"{NEXT},{WRONG}"):
        for arguments in COMMANDS:
            assert SENTENCE in refused(replace(settings, storage_keys=wrong), *arguments), arguments
    assert (snapshot(), files_of(settings)) == (before, files)
    (told,) = (each for each in checks(replace(settings, storage_keys=WRONG)) if each.name == "Keys")
    assert not told.ok and SENTENCE in told.text
    assert known("k2") is None
    done(settings, "storage", "check")


@pytest.mark.both_databases
def test_a_database_from_before_tells_by_a_file_that_names_the_key(
    app: Flask, clinic: Clinic, settings: Settings
) -> None:
    settings = replace(settings, storage_keys=RIGHT)
    app.extensions["csss_storage"] = create_app(settings).extensions["csss_storage"]
    clinic.scan()
    assert known() is None
    assert SENTENCE in refused(replace(settings, storage_keys=WRONG), "storage", "rotate")
    assert known() is None
    done(settings, "storage", "check")
    assert known() is not None


@encrypted
def test_one_damaged_file_says_nothing_about_the_key(app: Flask, clinic: Clinic, settings: Settings) -> None:
    scan = clinic.scan()
    damaged = settings.storage_folder / scan.file_key
    damaged.write_bytes(damaged.read_bytes()[:-1])
    storage().put("scans", "png", picture())
    check_keys()
    assert known() is not None


@encrypted
def test_a_running_process_says_so_in_readyz_and_takes_nothing_in(
    app: Flask, clinic: Clinic, settings: Settings
) -> None:
    check_keys()
    clinic.person("doctor", email="doctor@csss.example")
    late = Visitor(create_app(replace(settings, storage_keys=f"{NEXT},{WRONG}")))
    ready = late.get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["checks"]["keys"] == "not the key that this database is used with: storage key k1"
    late.get("/login")
    answer = late.post("/login", {"email": "doctor@csss.example", "password": "no such password"})
    assert answer.status_code == 503 and "nothing was accepted" in words(answer)


@encrypted
@pytest.mark.parametrize("part", ["web", "worker"])
def test_a_real_process_ends_at_once_with_a_sentence(app: Flask, settings: Settings, part: str) -> None:
    check_keys()
    db.session.remove()
    ended = subprocess.run(
        [sys.executable, "-m", "csss", part],
        env={**os.environ, **environment(replace(settings, storage_keys=WRONG))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: {SENTENCE}") and "Traceback" not in ended.stderr


@encrypted
def test_rotate_and_check_open_what_they_call_done(app: Flask, clinic: Clinic, settings: Settings) -> None:
    """Files that an earlier release stored with the wrong key, when the right one is set again."""
    clinic.scan()
    lost = put_wrongly(settings)
    for arguments in (("storage", "rotate"), ("storage", "check")):
        told = refused(settings, *arguments)
        assert f"The stored file {lost} does not open with the key 'k1'" in told, arguments
        assert "1 file needs attention." in told


@encrypted
def test_the_check_opens_previews_too(app: Flask, clinic: Clinic, settings: Settings) -> None:
    scan = clinic.scan()
    small = previews.beside(scan.file_key, next(iter(previews.SIZES.values())))
    wrong = EncryptedStorage(
        FolderStorage(settings.storage_folder), replace(settings, storage_keys=WRONG).storage_key_ring
    )
    wrong.keep(small, picture())
    assert f"The stored file {small} does not open" in refused(settings, "storage", "check")


def test_what_rotate_has_written_opens(app: Flask, clinic: Clinic, settings: Settings) -> None:
    clinic.scan()
    done(replace(settings, storage_keys=RIGHT), "storage", "rotate")
    done(replace(settings, storage_keys=f"{NEXT},{RIGHT}"), "storage", "rotate")
    assert known("k1") is not None and known("k2") is not None
    kept = FolderStorage(settings.storage_folder)
    assert {key_id_of(kept.read(each)) for each in kept.stored()} == {"k2"}
    # An id that was in use stays taken: files with the key of then may come back from a backup.
    assert SENTENCE in refused(replace(settings, storage_keys=f"{NEXT},{WRONG}"), "storage", "check")


@pytest.mark.both_databases
def test_of_many_that_start_at_once_with_two_keys_under_one_id_one_stays(
    app: Flask, settings: Settings
) -> None:
    apps = [create_app(replace(settings, storage_keys=RIGHT if number % 2 else WRONG)) for number in range(6)]
    gate, refused_ones, failed = threading.Barrier(len(apps)), [], []

    def start(each: Flask) -> None:
        with each.app_context():
            gate.wait()
            try:
                check_keys()
            except WrongKey:
                refused_ones.append(each.config["CSSS"].storage_keys)
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
    assert db.session.scalar(sa.select(sa.func.count()).select_from(KeyCheck)) == 2


@pytest.mark.both_databases
def test_another_that_keeps_its_key_while_this_one_looks_is_noticed(
    app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [create_app(replace(settings, storage_keys=RIGHT))]

    def start(other: Flask) -> None:
        with other.app_context():
            check_keys()
            db.session.remove()
            db.engine.dispose()

    def look_slowly(*about: Any) -> bool:
        if others:
            with ThreadPoolExecutor() as pool:
                pool.submit(start, others.pop()).result()
        return against_storage_key(*about)

    monkeypatch.setattr("csss.keys.start.against_storage_key", look_slowly)
    with create_app(replace(settings, storage_keys=WRONG)).app_context(), pytest.raises(WrongKey):
        check_keys()
    assert others == []
