"""What monitoring is told."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from csss.audit import anchors
from csss.audit.chain import ChainHead
from csss.clock import now
from csss.config import Settings
from csss.database import db
from csss.inference.labels import default_folder
from csss.scans.states import Status
from csss.storage import open_storage
from csss.web import health
from tests.disks import CannotMount, small_file_system
from tests.factories import Clinic
from tests.integration.jobs import change, needs_model, rows
from tests.visitor import Visitor


def test_a_living_process_says_so_to_everybody(nobody: Visitor) -> None:
    response = nobody.get("/healthz")
    assert (response.status_code, response.get_data(as_text=True)) == (200, "ok\n")


def test_without_redis_it_is_alive_but_not_ready_and_says_why(nobody: Visitor) -> None:
    response = nobody.get("/readyz")
    assert response.status_code == 503
    checks = response.get_json()["checks"]
    assert checks["redis"] == "does not answer"
    assert (checks["database"], checks["storage"], checks["model"]) == ("ok", "ok", "ok")


def test_metrics_tell_numbers_and_no_names(nobody: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    text = nobody.get("/metrics").get_data(as_text=True)
    assert 'csss_scans{status="AI_ANALYZED"} 1.0' in text
    assert 'csss_outbox_open{queue="inference"} 1.0' in text
    assert scan.patient.mrn not in text
    assert str(scan.id) not in text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_metrics_are_not_for_people_behind_a_proxy(nobody: Visitor, header: str) -> None:
    assert nobody.get("/metrics", headers={header: "198.51.100.7"}).status_code == 404


def test_metrics_are_not_for_other_machines(nobody: Visitor) -> None:
    assert nobody.get("/metrics", environ_overrides={"REMOTE_ADDR": "198.51.100.7"}).status_code == 404


@pytest.mark.parametrize("settings", [{"metrics_token": "a-token-for-prometheus"}], indirect=True)
def test_with_a_token_metrics_are_for_whoever_has_it(nobody: Visitor) -> None:
    assert nobody.get("/metrics").status_code == 404
    assert nobody.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    right = {"Authorization": "Bearer a-token-for-prometheus"}
    assert (
        nobody.get("/metrics", headers=right, environ_overrides={"REMOTE_ADDR": "198.51.100.7"}).status_code
        == 200
    )


# What is wrong shows, each with the real thing


def checks(nobody: Visitor) -> dict[str, str]:
    response = nobody.get("/readyz")
    assert response.status_code == 503
    found: dict[str, str] = response.get_json()["checks"]
    return found


def number(nobody: Visitor, name: str) -> float:
    for line in nobody.get("/metrics").get_data(as_text=True).splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"there is no {name}")


@pytest.mark.both_databases
def test_a_job_that_nobody_does_is_told(nobody: Visitor, clinic: Clinic) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    assert checks(nobody)["outbox"] == "ok"
    change(row, due_at=now() - timedelta(minutes=12))
    assert checks(nobody)["outbox"] == "jobs wait and nobody does them: mail for 12 min"
    assert 720 <= number(nobody, 'csss_outbox_overdue_seconds{queue="mail"}') < 780
    assert number(nobody, 'csss_outbox_overdue_seconds{queue="codes"}') == 0


def test_a_job_that_waits_out_a_pause_or_is_being_done_is_nobodys_fault(
    nobody: Visitor, clinic: Clinic
) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    change(row, due_at=now() - timedelta(hours=1), leased_until=now() + timedelta(seconds=10))
    assert checks(nobody)["outbox"] == "ok"
    (row,) = rows("send_mail")
    change(row, due_at=now() + timedelta(minutes=9), leased_until=None)
    assert checks(nobody)["outbox"] == "ok"


def test_a_disk_that_is_nearly_full_is_told(nobody: Visitor, small_disk: Path) -> None:
    assert checks(nobody)["disk"] == "nearly full: storage 8 MB left"
    assert number(nobody, 'csss_disk_free_bytes{folder="storage"}') < 9e6
    assert number(nobody, 'csss_disk_free_bytes{folder="instance"}') > 9e6


@pytest.fixture
def small_disk(settings: Settings) -> Iterator[Path]:
    """The storage folder on a file system of 8 MB. Skips where nobody may mount one."""
    folder = settings.storage_folder
    folder.mkdir()
    try:
        with small_file_system(folder, "8m"):
            yield folder
    except CannotMount as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("settings", [{"storage_url": "file:///proc/no-such-storage"}], indirect=True)
def test_a_storage_that_cannot_be_written_is_told(nobody: Visitor) -> None:
    assert checks(nobody)["storage"].startswith("cannot be written: ")
    assert number(nobody, 'csss_up{part="storage"}') == 0


@pytest.fixture
def open_mask() -> Iterator[None]:
    """As on most machines, where whatever is made can be read by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_mask")
@pytest.mark.parametrize("made_by", ["/readyz", "the secret key", "the seals"])
def test_whoever_comes_first_makes_the_folders_for_their_owner_alone(
    nobody: Visitor, tmp_path: Path, made_by: str
) -> None:
    settings = replace(
        nobody.app.config["CSSS"],
        instance=str(tmp_path / "above" / "instance"),
        storage_url="file://" + str(tmp_path / "above" / "storage"),
        secret_key="",
    )
    nobody.app.config["CSSS"] = settings
    nobody.app.extensions["csss_storage"] = open_storage(settings)
    if made_by == "/readyz":
        assert checks(nobody)["storage"] == "ok"
    elif made_by == "the secret key":
        assert settings.secret()
    else:
        anchors.keep(ChainHead(1, "abc"))
    made = [path for path in (tmp_path / "above").rglob("*") if path.is_dir()]
    assert len(made) == 1
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "above", *made)} == {0o700}


def test_however_often_anybody_asks_the_disk_is_tried_once_a_second(
    nobody: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    monkeypatch.setattr(Path, "write_bytes", lambda path, content: written.append(path))
    monkeypatch.setattr(Path, "unlink", lambda path: None)
    assert health.TRY_AGAIN == 1.0
    monkeypatch.setattr(health, "TRY_AGAIN", 600.0)  # five answers may take longer than a second
    for _ in range(5):
        assert checks(nobody)["storage"] == "ok"
    assert len(written) == 1
    monkeypatch.setattr(health, "TRY_AGAIN", 0.0)
    nobody.app.extensions.pop("csss_storage_tried")
    for _ in range(2):
        assert checks(nobody)["storage"] == "ok"
    assert len(written) == 3


@needs_model
def test_a_model_that_is_damaged_or_gone_is_told(nobody: Visitor, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(default_folder(), tmp_path / "model"))
    nobody.app.config["CSSS"] = replace(nobody.app.config["CSSS"], model=str(folder))
    assert checks(nobody)["model"] == "ok"
    file = folder / "model.tflite"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert checks(nobody)["model"] == "cannot be loaded; see `csss check`"
    assert number(nobody, 'csss_up{part="model"}') == 0
    file.unlink()
    assert checks(nobody)["model"] == "cannot be loaded; see `csss check`"
    file.write_bytes(content)
    assert checks(nobody)["model"] == "ok"


def test_a_database_that_is_gone_is_told(nobody: Visitor, place: Path) -> None:
    assert number(nobody, 'csss_up{part="database"}') == 1
    db.session.remove()
    db.engine.dispose()
    for file in place.glob("csss.db*"):
        file.unlink()
    assert checks(nobody)["database"] == "cannot be read; was `csss migrate` run?"
    assert number(nobody, 'csss_up{part="database"}') == 0
    assert nobody.get("/healthz").status_code == 200
