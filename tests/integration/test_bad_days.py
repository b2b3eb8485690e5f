"""What a person at a page meets when the disk is full or the database does not answer, and when a form comes twice."""

import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from csss import database
from csss.config import Settings
from csss.database import db
from csss.scans.models import Scan
from tests.disks import CannotMount, small_file_system
from tests.factories import Clinic, picture
from tests.visitor import Visitor, words


def form(content: bytes, **more: str) -> dict[str, object]:
    return {"file": (io.BytesIO(content), "scan.png"), "kind": "chest_xray", "indication": "Cough", **more}


def scans() -> int:
    db.session.rollback()
    return len(db.session.scalars(select(Scan.id)).all())


@pytest.fixture
def small_disk(settings: Settings) -> Iterator[Path]:
    folder = settings.storage_folder
    folder.mkdir()
    try:
        with small_file_system(folder, "64k"):
            yield folder
    except CannotMount as error:
        pytest.skip(str(error))


def test_on_a_full_disk_nothing_is_stored_and_the_page_says_why(patient: Visitor, small_disk: Path) -> None:
    (small_disk / "others").write_bytes(b"\0" * 32_000)
    response = patient.post("/patient/scans", form(picture(900, 900)))
    assert response.status_code == 507
    assert "disk is full. Nothing of this was stored" in words(response)
    assert response.headers["Retry-After"] == "600"
    assert scans() == 0
    assert [path for path in small_disk.rglob("*") if path.is_file()] == [small_disk / "others"]


def test_a_fault_of_ours_is_not_taken_for_a_full_disk(
    patient: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    patient.app.testing = False  # as in life, where it becomes an answer
    monkeypatch.setattr("csss.scans.submission.storage", broken)
    assert patient.post("/patient/scans", form(picture())).status_code == 500


def test_while_the_database_is_locked_the_page_says_so_and_nothing_is_kept(
    doctor: Visitor, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no patience at all; in life it waits a quarter of a minute first."""
    scan_id = clinic.scan().id
    with locked(clinic, monkeypatch):
        response = doctor.post(f"/doctor/scans/{scan_id}/analyze")
    assert response.status_code == 503
    assert "The database does not answer." in words(response)
    assert response.headers["Retry-After"] == "30"
    assert doctor.post(f"/doctor/scans/{scan_id}/analyze").status_code == 303


@pytest.mark.parametrize("asks", [Visitor.get, Visitor.fragment], ids=["a page", "a fragment"])
@pytest.mark.parametrize("address", ["/doctor/scans/{}", "/scans/{}/image", "/admin/scans/{}"])
def test_what_could_not_be_recorded_is_not_shown_and_the_page_says_when_to_come_again(
    doctor: Visitor,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    asks: Callable[[Visitor, str], TestResponse],
) -> None:
    """A scan's page, its picture and a refusal: each is kept in the log, which is locked just now."""
    scan_id = clinic.scan(indication="Wanders at night").id
    doctor.get("/doctor/")  # the session is touched once a minute, and not by what follows
    doctor.app.testing = False  # as in life, where a fault becomes an answer
    doctor.app.config["PROPAGATE_EXCEPTIONS"] = False
    with locked(clinic, monkeypatch):
        response = asks(doctor, address.format(scan_id))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert "The database does not answer." in words(response)
    assert "Wanders at night" not in words(response) and response.mimetype == "text/html"
    assert "default-src" in response.headers["Content-Security-Policy"]
    assert asks(doctor, address.format(scan_id)).status_code in {200, 403}


@contextmanager
def locked(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody else writes, and nobody has any patience."""
    monkeypatch.setattr(database, "LOCK_SECONDS", 0)
    db.session.remove()
    db.engine.dispose()
    other = sqlite3.connect(clinic.app.config["CSSS"].instance_folder / "csss.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.both_databases
def test_a_form_that_is_sent_twice_makes_one_scan(patient: Visitor, clinic: Clinic) -> None:
    first = patient.post("/patient/scans", form(picture()))
    assert patient.post("/patient/scans", form(picture())).headers["Location"] == first.headers["Location"]
    assert scans() == 1
    patient.post("/patient/scans", form(picture(300, 300)))  # another picture
    patient.post("/patient/scans", form(picture(), kind="cardiac_mri"))  # said to be something else
    other = clinic.visitor(clinic.person("patient"))
    other.post("/patient/scans", form(picture()))  # somebody else's
    assert scans() == 4
    files = [path for path in (clinic.app.config["CSSS"].storage_folder / "scans").rglob("*.png")]
    assert len(files) == 4  # what came twice was stored once


def test_after_a_scan_was_closed_the_same_picture_is_taken_again(
    patient: Visitor, doctor: Visitor, clinic: Clinic
) -> None:
    where = patient.post("/patient/scans", form(picture())).headers["Location"]
    doctor.post(f"/doctor/scans/{where.rpartition('/')[2]}/close", {"reason": "Upside down"})
    again = patient.post("/patient/scans", form(picture()))
    assert again.status_code == 303 and again.headers["Location"] != where
