"""A backup goes where it was told to, or nowhere, in one plain sentence; also through a pipe, and while people upload."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from flask import Flask

from csss.backup import archive
from csss.config import Settings
from csss.database import db, transaction
from csss.demo.run import environment
from csss.reports import named_files
from csss.scans.states import Status
from csss.scans.uploads import services as uploads
from csss.storage.files import storage
from tests.conftest import settings_for
from tests.disks import CannotMount, small_file_system
from tests.factories import Clinic, picture
from tests.integration.test_backup import Work, command, destroy, done, files_of
from tests.integration.world import snapshot

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(app: Flask, clinic: Clinic) -> Settings:
    """Those of a system with a scan in it."""
    clinic.scan(Status.AI_ANALYZED, image=picture(64, 64))
    found: Settings = app.config["CSSS"]
    return found


@pytest.fixture
def app(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Flask]:
    from csss import create_app

    (tmp_path / "instance").mkdir()
    shutil.copy(migrated_sqlite, tmp_path / "instance" / "csss.db")
    app = create_app(settings_for(tmp_path / "instance"))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def everything(folder: Path) -> set[Path]:
    """What lies in the folder, hidden things and all; the database's own files come and go."""
    return {path for path in folder.rglob("*") if "csss.db" not in path.name}


def in_a_sentence(settings: Settings, target: str, *, beside: Path) -> str:
    """What `csss backup` tells about a place that is none; nothing that was there is changed, and nothing is added."""
    before = everything(beside)
    result = command(settings, "backup", target)
    assert result.exit_code == 1
    (line,) = result.output.strip().splitlines()
    assert line.startswith("Error: ") and line.endswith(".")
    assert everything(beside) == before
    return line


def in_a_shell(settings: Settings, line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    db.session.remove()
    db.engine.dispose()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, **environment(settings), "PATH": path}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=env, capture_output=True, timeout=200, check=False
    )


def test_what_a_pipe_carries_is_restored_as_it_was(settings: Settings, tmp_path: Path) -> None:
    before, files = snapshot(), files_of(settings)
    made = in_a_shell(settings, "set -o pipefail; csss backup - | cat > stream.tar.gz", tmp_path)
    assert made.returncode == 0, made.stderr.decode()
    destroy(settings)
    put_back = in_a_shell(settings, "cat stream.tar.gz | csss restore -", tmp_path)
    assert put_back.returncode == 0, put_back.stderr.decode()
    assert files_of(settings) == files
    after = snapshot()
    for table in ("scans", "users", "predictions", "outbox"):
        assert after[table] == before[table]
    assert "The audit log is intact" in done(settings, "restore", "--force", tmp_path / "stream.tar.gz")


def test_a_pipe_that_breaks_is_told_and_what_came_of_it_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    storage().put("scans", "jpg", b"")
    big = settings.storage_folder / next(iter(named_files.named())).key
    big.write_bytes(os.urandom(4_000_000))  # more than a pipe holds
    broken = in_a_shell(settings, "set -o pipefail; csss backup - | head -c 100000 > cut.tar.gz", tmp_path)
    assert broken.returncode == 1
    assert b"Error: The reader of this backup stopped" in broken.stderr and b"Traceback" not in broken.stderr
    assert b"Exception ignored" not in broken.stderr
    before = snapshot()
    for line in (
        "csss restore --force - < cut.tar.gz",
        "csss restore --force cut.tar.gz",
        "csss restore - < /dev/null",
    ):
        refused = in_a_shell(settings, line, tmp_path)
        assert refused.returncode == 1 and b"an incomplete backup" in refused.stderr, refused.stderr
        assert b"Traceback" not in refused.stderr
    assert snapshot() == before


def test_a_backup_that_fails_half_way_in_a_pipe_is_no_backup(settings: Settings, tmp_path: Path) -> None:
    unreadable = settings.storage_folder / next(iter(named_files.named())).key
    unreadable.unlink()
    unreadable.mkdir()
    failed = in_a_shell(settings, "csss backup - > half.tar.gz", tmp_path)
    assert failed.returncode == 1 and f"{unreadable} cannot be read".encode() in failed.stderr
    assert b"Traceback" not in failed.stderr
    assert in_a_shell(settings, "gzip --test half.tar.gz", tmp_path).returncode != 0
    refused = in_a_shell(settings, "csss restore --force half.tar.gz", tmp_path)
    assert refused.returncode == 1 and b"an incomplete backup" in refused.stderr


def test_a_place_that_is_none_is_told_in_a_sentence(settings: Settings, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    (place / "full").mkdir()
    (place / "full" / "notes.txt").write_text("mine")
    (place / "empty.tar.gz").mkdir()
    (place / "link").symlink_to(place / "nowhere")
    for target, sentence in (
        ("nowhere/copy.tar.gz", "nowhere does not exist: make the folder for backups first"),
        ("nowhere/copy", "nowhere does not exist: make the folder for backups first"),
        ("notes.txt/copy.tar", "notes.txt is no folder"),
        ("notes.txt", "already exists; nothing is overwritten."),
        ("full", "already exists; nothing is overwritten."),
        ("empty.tar.gz", "already exists; nothing is overwritten."),
        ("link", "already exists; nothing is overwritten."),
        ("x" * 300, "File name too long. Nothing of it is left."),
    ):
        assert sentence in in_a_sentence(settings, f"{place}/{target}", beside=tmp_path)
    assert "cannot be written to /proc/copy.tar.gz" in in_a_sentence(
        settings, "/proc/copy.tar.gz", beside=tmp_path
    )


@pytest.mark.parametrize("name", ["x.zip", "x.tar.bz2", "x.tar.xz", "x.gz", "x.7z", "x.sql", "x.tar.gz.age"])
def test_a_name_that_ends_like_another_kind_of_file_makes_no_folder(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    told = in_a_sentence(settings, f"{tmp_path}/{name}", beside=tmp_path)
    assert ".tar.gz, .tgz or .tar" in told and "folder" in told


def test_a_name_says_whether_it_is_a_file_or_a_folder(settings: Settings, tmp_path: Path) -> None:
    for name in ("csss-2026.11.30", "csss", "csss.d/"):
        done(settings, "backup", f"{tmp_path}/{name}")
        assert (tmp_path / name / archive.MANIFEST).is_file()
    for name in ("a.tar", "b.TAR.GZ", "c.tgz"):
        done(settings, "backup", f"{tmp_path}/{name}")
        with tarfile.open(tmp_path / name) as tar:
            assert tar.getnames()[-1] == archive.MANIFEST


@pytest.mark.parametrize("name", ["copy.tar.gz", "copy.tar", "copy"])
def test_a_full_disk_is_told_and_left_as_it_was(settings: Settings, tmp_path: Path, name: str) -> None:
    kept = settings.storage_folder / next(iter(named_files.named())).key
    kept.write_bytes(os.urandom(3_000_000))
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "2m"):
        told = in_a_sentence(settings, f"{disk}/{name}", beside=disk)
        assert f"cannot be written to {disk}/{name}: No space left on device" in told
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert "Read-only file system" in in_a_sentence(settings, f"{disk}/{name}", beside=disk)


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    try:
        with small_file_system(folder, size):
            yield
    except CannotMount as reason:
        pytest.skip(str(reason))


def begin_upload(clinic: Clinic, content: bytes) -> uuid.UUID:
    patient = clinic.person("patient")
    with transaction():
        digest = sha256(content).hexdigest()
        upload, _ = uploads.begin(length=len(content), digest=digest, limit=10**7, by=patient)
        return upload.id


def test_what_arrives_while_a_backup_is_made_is_not_left_lying_about_after_restoring(
    app: Flask, clinic: Clinic, settings: Settings, tmp_path: Path
) -> None:
    begin_upload(clinic, picture(64, 64))
    storage().put("scans", "jpg", b"a picture whose row has not been committed")
    with Uploading(app) as sending:
        sending.wait_for_more()
        for number in range(3):
            told = done(settings, "backup", tmp_path / f"{number}.tar.gz")
            assert "Stored files left out, because no row of this moment names them: " in told
            sending.wait_for_more()
    assert sending.failed == []
    destroy(settings)
    for number in range(3):
        told = done(settings, "restore", "--force", tmp_path / f"{number}.tar.gz")
        assert "named by no row" not in told
        assert named_files.orphans() == []
        assert list(settings.storage_folder.glob("uploads/*/*")) == []
        assert all(named_files.problem(kept) is None for kept in named_files.named())


class Uploading(Work):
    """Patients who send one picture after the other, on and on."""

    def _work(self) -> None:
        try:
            with self.app.app_context():
                clinic = Clinic(self.app)
                visitor = clinic.visitor(clinic.person("patient", email=f"{uuid.uuid4().hex}@csss.example"))
                while not self._stop.is_set():
                    scan = {"kind": "chest_xray", "indication": f"Cough, day {self.scans}"}
                    file = (io.BytesIO(picture(64 + self.scans % 40, 64)), "scan.png")
                    answer = visitor.post("/patient/scans", {**scan, "file": file})
                    assert answer.status_code in {303, 422}  # so many at once that some are asked to wait
                    self.scans += answer.status_code == 303
                db.session.remove()
        except BaseException as error:
            self.failed.append(error)

    def wait_for_more(self) -> None:
        before = self.scans
        while self.scans == before and not self.failed:
            threading.Event().wait(0.05)


def test_what_an_earlier_release_kept_too_much_of_is_told(settings: Settings, tmp_path: Path) -> None:
    done(settings, "backup", tmp_path / "copy")
    more = tmp_path / "copy" / "files" / "scans" / "ab" / f"ab{uuid.uuid4().hex[2:]}.jpg"
    more.parent.mkdir(exist_ok=True)
    more.write_bytes(b"came after the rows")
    manifest = archive.read_manifest(tmp_path / "copy")
    key = more.relative_to(tmp_path / "copy").as_posix()
    manifest["files"][key] = {"size": more.stat().st_size, "sha256": archive.sha256_of(more)}
    (tmp_path / "copy" / archive.MANIFEST).write_text(archive.json.dumps(manifest))
    told = done(settings, "restore", "--force", tmp_path / "copy")
    assert "1 of them are named by no row" in told and "the workers remove them after a day" in told


_OTHER_PYTHON = """
import os, sys
from pathlib import Path
from csss.backup import archive
if sys.argv[1] == "write":
    with archive.writing("-") as to:
        to.add("files/scans/ab/x.jpg", Path(sys.argv[2]))
        to.finish({"format": archive.FORMAT})
else:
    folder = archive.unpacked(Path("-"), Path(sys.argv[2]))
    archive.check(folder, archive.read_manifest(folder), print)
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_that_is_supported_writes_and_reads_the_stream(version: str, tmp_path: Path) -> None:
    """Of tarfile and gzip, which differ. All of the system runs where the tests do: on the oldest and the newest one."""
    python = python_of(version)
    if python is None:
        pytest.skip(
            f"PYTHON {version} IS NOT INSTALLED HERE: whether its tarfile writes a backup was not tried"
        )
    content = tmp_path / "content"
    content.write_bytes(os.urandom(300_000))
    (tmp_path / "back").mkdir()
    stream = run(python, "write", content)
    run(python, "read", tmp_path / "back", stream)
    assert (tmp_path / "back" / "files/scans/ab/x.jpg").read_bytes() == content.read_bytes()


def run(python: str, what: str, path: Path, given: bytes = b"") -> bytes:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [python, "-c", _OTHER_PYTHON, what, str(path)], env=env, input=given, capture_output=True, check=True
    ).stdout


def python_of(version: str) -> str | None:
    """A Python of this version that starts: on the path, or where pyenv keeps them."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for each in (shutil.which(f"python{version}"), *map(str, kept)):
        if each and subprocess.run([each, "-c", ""], capture_output=True, check=False).returncode == 0:
            return each
    return None
