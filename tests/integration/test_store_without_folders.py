"""Everything that is done with stored files works with a store that knows no folders: several machines will have one."""

import hashlib
import io
import uuid
from pathlib import Path

import pytest
from flask import Flask

from csss.backup import rows
from csss.config import Settings
from csss.database import db
from csss.installation_check import checks
from csss.jobs import report_jobs
from csss.reports import named_files
from csss.scans.states import Status
from csss.storage import folder, open_storage, unfinished_uploads
from csss.storage.files import storage
from csss.storage.keys import new_key
from tests.factories import Clinic, picture
from tests.integration.test_backup import done
from tests.object_store import ObjectStore
from tests.visitor import Visitor


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """In the place of the folder, for the application and for commands."""
    made = ObjectStore()
    monkeypatch.setattr(folder, "FolderStorage", lambda _: made)
    return made


@pytest.fixture
def app(store: ObjectStore, app: Flask) -> Flask:
    app.extensions["csss_storage"] = open_storage(app.config["CSSS"])
    return app


def nothing_in_folders(app: Flask) -> bool:
    return not app.config["CSSS"].storage_folder.exists()


@pytest.mark.parametrize("settings", [{"storage_keys": new_key("k1")}], indirect=True)
def test_a_picture_is_taken_in_shown_backed_up_and_restored(
    app: Flask, store: ObjectStore, clinic: Clinic, settings: Settings, tmp_path: Path
) -> None:
    patient = clinic.person("patient")
    sent = {"kind": "chest_xray", "indication": "Cough", "file": (io.BytesIO(picture(80, 80)), "scan.png")}
    assert clinic.visitor(patient).post("/patient/scans", sent).status_code == 303
    clinic.scan(Status.AI_ANALYZED, image=picture(64, 64))
    before = dict(store.objects)
    assert len(before) == 7 and {key_id for _, key_id in storage().key_ids()} == {"k1"}

    for name in ("copy", "copy.tar.gz"):
        done(settings, "backup", tmp_path / name)
        with db.engine.begin() as connection:
            rows.drop_everything(connection)
        store.objects.clear()
        told = done(settings, "restore", tmp_path / name)
        assert "7 files were restored into objects://test." in told and store.objects == before
    assert "files are in objects://test/.replaced-" in done(settings, "restore", "--force", tmp_path / "copy")
    assert {name: store.objects[name] for name in before} == before
    assert all(named_files.problem(kept) is None for kept in named_files.named())
    assert nothing_in_folders(app)


@pytest.mark.parametrize("settings", [{}, {"storage_keys": new_key("k1")}], indirect=True)
def test_an_upload_comes_in_pieces(app: Flask, store: ObjectStore) -> None:
    upload, content = uuid.uuid4(), hashlib.sha256(b"seed").digest() * 100
    unfinished_uploads.create(upload)
    at = 0
    for size in (5, 700, 10_000):
        with unfinished_uploads.UploadWriter(upload, at) as writer:
            writer.write(content[at : at + size])
            at = writer.offset
        assert unfinished_uploads.length(upload) == at
    assert unfinished_uploads.read(upload) == content
    unfinished_uploads.remove(upload)
    assert store.objects == {} and nothing_in_folders(app)


def test_what_the_deployer_asks_is_answered(app: Flask, nobody: Visitor, settings: Settings) -> None:
    answers = nobody.get("/readyz").get_json()["checks"]
    assert (answers["storage"], answers["disk"]) == ("ok", "ok")
    metrics = nobody.get("/metrics").get_data(as_text=True)
    assert 'csss_disk_free_bytes{folder="instance"}' in metrics
    assert 'csss_disk_free_bytes{folder="storage"}' not in metrics  # a bucket has no bound
    (told,) = (each for each in checks(settings) if each.name == "Storage")
    assert (told.ok, told.text) == (True, "objects://test")
    assert report_jobs._room()
    assert nothing_in_folders(app)
