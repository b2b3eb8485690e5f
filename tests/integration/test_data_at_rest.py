"""Encryption as a deployer switches it on, changes keys and looks after the files; what people see without the key."""

import base64
import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from csss.cli import main
from csss.config import Settings, load_settings
from csss.database import db, transaction
from csss.installation_check import checks
from csss.reports import services as reports
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.storage.encrypted import key_id_of, storage_with
from csss.storage.files import storage
from csss.storage.folder import FolderStorage
from tests.conftest import SECRET
from tests.factories import Clinic
from tests.visitor import words

ONE, TWO = (
    f"{name}:{base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()}" for name in ("one", "two")
)


@pytest.fixture
def released(clinic: Clinic, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Scan:
    """A released scan, stored as the settings say; the environment is that of the same installation."""
    monkeypatch.chdir(settings.instance)
    for name, value in (
        ("INSTANCE", settings.instance),
        ("MAIL_FOLDER", settings.mail_folder),
        ("SECRET_KEY", SECRET),
        ("REDIS_URL", settings.redis_url),
        ("BCRYPT_ROUNDS", "4"),
    ):
        monkeypatch.setenv(f"CSSS_{name}", value)
    scan = clinic.scan(Status.REPORT_READY)
    report = b"%PDF-1.7 as good as one"
    with transaction():
        reports.keep_version(
            db.session.get_one(Scan, scan.id),
            1,
            file_key=storage().put("reports", "pdf", report),
            sha256=hashlib.sha256(report).hexdigest(),
            size=len(report),
        )
    return db.session.get_one(Scan, scan.id)


def csss(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env={f"CSSS_{k}": v for k, v in environment.items()})


def ids(folder: Path) -> set[str | None]:
    kept = FolderStorage(folder)
    return {key_id_of(kept.read(key)) for key in kept.stored()}


def test_encryption_is_switched_on_and_its_key_changed_without_losing_a_file(
    released: Scan, settings: Settings
) -> None:
    folder = settings.storage_folder
    before = {key: storage().read(key) for key in storage().stored()}
    assert len(before) == 5 and ids(folder) == {None}  # scan, preview, thumbnail, heat map, report

    refused = csss("storage", "rotate")
    assert refused.exit_code == 1 and "there is no key to encrypt with" in refused.output
    done = csss("storage", "rotate", STORAGE_KEYS=ONE)
    assert (done.exit_code, done.output) == (0, "5 files encrypted with the key one; 0 were so already.\n")
    assert csss("storage", "rotate", STORAGE_KEYS=ONE).output.startswith("0 files encrypted")
    checked = csss("storage", "check", STORAGE_KEYS=ONE, STORAGE_PLAIN="0")
    assert (checked.exit_code, checked.output) == (
        0,
        "3 files are named by the database; 3 are there and open.\n",
    )

    assert csss("storage", "rotate", STORAGE_KEYS=f"{TWO},{ONE}").output.startswith(
        "5 files encrypted with the key two"
    )
    assert ids(folder) == {"two"}
    kept = storage_with(FolderStorage(folder), load_settings(storage_keys=TWO).storage_key_ring, plain=False)
    assert {key: kept.read(key) for key in kept.stored()} == before


def test_the_check_names_what_is_missing_what_has_changed_what_does_not_open_and_what_nobody_names(
    released: Scan, settings: Settings
) -> None:
    kept = FolderStorage(settings.storage_folder)
    stranger = kept.put("scans", "png", b"left by a process that was killed")
    assert released.prediction is not None and released.prediction.heatmap_key is not None
    kept.delete(released.prediction.heatmap_key)
    kept.keep(released.file_key, b"another picture")
    found = csss("storage", "check")
    assert found.exit_code == 1
    for sentence in (
        "3 files are named by the database; 1 are there and open.",
        f"Nothing in the database names {stranger}.",
        "1 orphans were left alone.",
        f"The stored file {released.prediction.heatmap_key} is missing.",
        f"The stored file {released.file_key} is not what was stored: its contents have changed.",
        "2 files need attention.",
    ):
        assert sentence in found.output
    assert "preview" not in found.output  # a scan's small versions are no orphans
    assert stranger in set(kept.stored())
    assert "have been deleted" in csss("storage", "check", "--remove-orphans").output
    assert stranger not in set(kept.stored())
    assert csss("storage", "rotate", STORAGE_KEYS=ONE).exit_code == 0
    wrong = csss("storage", "rotate", STORAGE_KEYS=TWO)
    assert wrong.exit_code == 1
    assert "encrypted with the key 'one', which CSSS_STORAGE_KEYS does not name. Add that key" in wrong.output
    assert ids(settings.storage_folder) == {"one"}


def test_csss_check_tells_the_state(released: Scan, settings: Settings) -> None:
    def told(**more: object) -> tuple[bool, str]:
        (result,) = (each for each in checks(load_settings(**more)) if each.name == "Encryption")
        return result.ok, result.text

    assert told() == (True, "off; `csss storage new-key` makes a key for CSSS_STORAGE_KEYS")
    assert told(storage_keys=ONE) == (
        True,
        "stored files with the key one; some files are not encrypted yet: csss storage rotate",
    )
    csss("storage", "rotate", STORAGE_KEYS=ONE)
    assert told(storage_keys=f"{TWO},{ONE}") == (True, "stored files with the key two, reads 1 more")
    assert told()[0] is False and told(storage_keys=TWO)[0] is False


def test_a_new_key_is_printed_and_a_bad_one_stops_every_command(released: Scan) -> None:
    made = csss("storage", "new-key", "--id", "k1")
    assert made.exit_code == 0 and csss("storage", "rotate", STORAGE_KEYS=made.output.strip()).exit_code == 0
    assert csss("storage", "new-key", "--id", "with blank").exit_code == 1
    bad = csss("storage", "check", STORAGE_KEYS="k1:short")
    assert bad.exit_code == 1 and bad.output.startswith("Error: CSSS_STORAGE_KEYS cannot be used: the key k1")


@pytest.mark.parametrize("settings", [{"storage_keys": ONE}], indirect=True)
def test_without_the_key_people_read_an_honest_page_and_the_log_names_the_key(
    clinic: Clinic, released: Scan, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert ids(settings.storage_folder) == {"one"}
    address, file_key = f"/scans/{released.id}/image", released.file_key
    doctor = clinic.visitor(released.reviews[0].doctor)
    assert doctor.get(address).status_code == 200
    doctor.app.extensions["csss_storage"] = storage_with(
        FolderStorage(settings.storage_folder), (), plain=True
    )
    answer = doctor.get(address)
    assert answer.status_code == 503
    assert "This file cannot be opened at the moment" in words(answer) and "Traceback" not in words(answer)
    assert "was encrypted with the key 'one', and CSSS_STORAGE_KEYS is empty." in caplog.text
    assert "Traceback" not in caplog.text
    FolderStorage(settings.storage_folder).delete(file_key)
    assert doctor.get(address).status_code == 503  # kept by the database and missing: somebody has to look
