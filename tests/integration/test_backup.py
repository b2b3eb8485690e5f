"""A backup made while people work holds one moment of everything, and puts it back after all was lost."""

import json
import shutil
import tarfile
import threading
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from flask import Flask
from flask_migrate import downgrade, upgrade

from csss.audit import anchors, chain
from csss.audit.models import AuditEvent, AuditSeal
from csss.audit.verify import verify
from csss.auth.models import UserSession
from csss.backup import archive, rows
from csss.cli import main
from csss.config import Settings
from csss.database import db, transaction
from csss.demo.run import environment
from csss.reports import services as reports
from csss.reports.models import ReportVersion
from csss.reports.pdf import sha256
from csss.scans.models import Scan, ScanEvent
from csss.scans.states import Status
from csss.storage.files import storage
from tests.factories import PASSPHRASE, Clinic, picture
from tests.integration.test_migrations import described
from tests.integration.world import Snapshot, snapshot

ADDED_BY_RESTORING = ("audit_events", "audit_seals", "user_sessions")


def command(settings: Settings, *arguments: str | Path) -> Result:
    """As somebody gives it on the command line."""
    db.session.remove()
    db.engine.dispose()
    env = environment(settings)
    return CliRunner().invoke(main, [str(each) for each in arguments], env=env, catch_exceptions=False)


def done(settings: Settings, *arguments: str | Path) -> str:
    result = command(settings, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(settings: Settings, *arguments: str | Path) -> str:
    result = command(settings, *arguments)
    assert result.exit_code == 1
    return result.output


def files_of(settings: Settings) -> dict[str, bytes]:
    storage = settings.storage_folder
    return {path.relative_to(storage).as_posix(): path.read_bytes() for path in archive.all_files(storage)}


def destroy(settings: Settings) -> None:
    """The disk is gone; the secret key was kept elsewhere."""
    db.session.remove()
    with db.engine.begin() as connection:
        rows.drop_everything(connection)
    db.engine.dispose()
    for path in settings.instance_folder.glob("csss.db*"):
        path.unlink()
    shutil.rmtree(settings.storage_folder)
    anchors.path().unlink(missing_ok=True)


class Work:
    """People who work on and on in threads of their own."""

    def __init__(self, app: Flask, threads: int = 2) -> None:
        self.app, self.failed = app, []
        self._stop, self.scans = threading.Event(), 0
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]

    def __enter__(self) -> "Work":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self) -> None:
        try:
            with self.app.app_context():
                clinic, name = Clinic(self.app), uuid.uuid4().hex[:8]
                people = {
                    role: clinic.person(role, email=f"{role}-{name}@csss.example")
                    for role in ("patient", "doctor", "pharmacist", "admin")
                }
                image = picture(64, 64)
                while not self._stop.is_set():
                    clinic.scan(Status.REPORT_READY, image=image, **people)
                    self.scans += 1
                    self._stop.wait(0.1)  # the test waits for the backup, which needs the processor, too
                db.session.remove()
        except BaseException as error:
            self.failed.append(error)


@pytest.mark.both_databases
def test_a_backup_made_while_people_work_brings_everything_back(
    app: Flask, clinic: Clinic, tmp_path: Path
) -> None:
    settings: Settings = app.config["CSSS"]
    patient = clinic.person("patient")
    clinic.set_passphrase(patient)
    keep_report(clinic.scan(Status.REPORT_READY, patient=patient, image=picture(64, 64)).id)
    clinic.visitor(patient)
    rules = described()
    with Work(app) as work:
        while not work.scans:
            threading.Event().wait(0.05)
        before = work.scans
        done(settings, "backup", tmp_path / "under-load.tar.gz")
        while work.scans == before:
            threading.Event().wait(0.05)
    assert work.failed == []
    db.session.remove()
    anchors.keep(chain.head())
    rows_then, files_then = snapshot(), files_of(settings)
    done(settings, "backup", tmp_path / "quiet")

    destroy(settings)
    told = done(settings, "restore", tmp_path / "quiet")
    assert "The audit log is intact" in told
    assert_same(rows_then, snapshot())
    assert files_of(settings) == files_then
    assert described() == rules, "a trigger, an index or a check is not what it was"
    assert clinic.person("doctor").id and chain.head().number > max(rows_then["audit_seals"])
    ended = db.session.scalars(sa.select(UserSession.ended_at)).all()
    assert ended and all(ended)

    done(settings, "restore", "--force", tmp_path / "under-load.tar.gz")
    assert_one_moment(settings, rows_then)


def keep_report(scan_id: uuid.UUID) -> None:
    """A stored report; making a real one is not what takes the time here."""
    content = b"%PDF-1.7 a report"
    key = storage().put("reports", "pdf", content)
    with transaction():
        scan = db.session.get_one(Scan, scan_id)
        reports.keep_version(scan, 1, file_key=key, sha256=sha256(content), size=len(content))


def assert_same(then: Snapshot, now: Snapshot) -> None:
    """Every row of every table; restoring itself adds that it happened and ends the sessions."""
    for table, known in then.items():
        if table not in ADDED_BY_RESTORING:
            assert now[table] == known, table
    for table in ("audit_events", "audit_seals"):
        assert {key: now[table][key] for key in then[table]} == then[table]
        assert len(now[table]) == len(then[table]) + 1
    assert now["user_sessions"].keys() == then["user_sessions"].keys()


def assert_one_moment(settings: Settings, later: Snapshot) -> None:
    """Nothing half: what was written together is there together, and what is there is what was written."""
    there = snapshot()
    sealed = there["audit_seals"].keys() - {max(there["audit_seals"])}  # but for the restoring itself
    assert 0 < len(sealed) < len(later["audit_seals"])
    assert {number: later["audit_seals"][number] for number in sealed} == {
        number: there["audit_seals"][number] for number in sealed
    }
    assert verify([chain.current_key()], anchors.kept(anchors.path())).problems == []
    for scan in db.session.scalars(sa.select(Scan)):
        steps = db.session.scalar(
            sa.select(sa.func.count()).select_from(ScanEvent).where(ScanEvent.scan_id == scan.id)
        )
        assert list(Status).index(scan.status) + 1 == steps
        assert (settings.storage_folder / scan.file_key).is_file()
    kept = db.session.scalars(sa.select(ReportVersion)).all()
    assert kept
    for report in kept:
        assert archive.sha256_of(settings.storage_folder / report.file_key) == report.sha256


@pytest.fixture
def small(app: Flask, clinic: Clinic, tmp_path: Path) -> tuple[Settings, Path]:
    """A system with a little in it, and its backup as a folder."""
    settings: Settings = app.config["CSSS"]
    patient = clinic.person("patient")
    clinic.set_passphrase(patient, PASSPHRASE)
    clinic.scan(Status.AI_ANALYZED, patient=patient, image=picture(64, 64))
    done(settings, "backup", tmp_path / "copy")
    return settings, tmp_path / "copy"


def test_nothing_is_overwritten_unless_told_so(small: tuple[Settings, Path]) -> None:
    settings, copy = small
    before, files = snapshot(), files_of(settings)
    assert "--force" in refused(settings, "restore", copy)
    assert "already exists" in refused(settings, "backup", copy)
    assert (snapshot(), files_of(settings)) == (before, files)
    anchors.keep(chain.head())
    told = done(settings, "restore", "--force", copy)
    assert ".replaced-" in told
    (aside,) = settings.storage_folder.glob(".replaced-*")
    assert {path.relative_to(aside).as_posix() for path in archive.all_files(aside)} == set(files)
    newest = db.session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert newest is not None and (newest.action, newest.origin) == ("backup.restored", "command line")
    assert db.session.scalars(sa.select(AuditSeal.event_id)).all()[-1] == newest.id
    assert list(settings.instance_folder.glob("audit-anchors-before-*.jsonl"))
    assert verify([chain.current_key()], anchors.kept(anchors.path())).problems == []


def test_a_damaged_backup_is_refused_before_anything_is_touched(
    small: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, copy = small
    done(settings, "backup", tmp_path / "whole.tar.gz")
    before, files = snapshot(), files_of(settings)

    def harmed(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(copy, folder)
        some, table = next(iter(archive.all_files(folder / "files"))), folder / "rows" / "users.jsonl"
        if name == "a changed file":
            some.write_bytes(some.read_bytes()[:-1] + b"x")
        elif name == "a changed row":
            table.write_text(table.read_text("utf-8").replace('"patient"', '"admin"', 1), "utf-8")
        elif name == "a file missing":
            some.unlink()
        elif name == "a file put in":
            (folder / "files" / "more.txt").write_text("more")
        elif name == "no manifest":
            (folder / archive.MANIFEST).unlink()
        elif name == "cut off":
            shutil.rmtree(folder)
            whole = (tmp_path / "whole.tar.gz").read_bytes()
            folder.write_bytes(whole[: len(whole) // 2])
        return folder

    for name in (
        "a changed file",
        "a changed row",
        "a file missing",
        "a file put in",
        "no manifest",
        "cut off",
    ):
        told = refused(settings, "restore", "--force", harmed(name))
        assert "damaged" in told or "an incomplete backup" in told, name
    assert (snapshot(), files_of(settings)) == (before, files)


def test_only_the_owner_can_read_a_backup_and_the_key_is_in_it_only_when_asked_for(
    small: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, copy = small
    told = done(settings, "backup", tmp_path / "plain.tar.gz")
    assert "The secret key is not in it" in told
    done(settings, "backup", "--with-secret-key", tmp_path / "full.tgz")
    everything = [copy, *copy.rglob("*"), tmp_path / "plain.tar.gz", tmp_path / "full.tgz"]
    assert {path.stat().st_mode & 0o077 for path in everything} == {0}
    key = settings.secret().encode()
    for name, holds in (("plain.tar.gz", False), ("full.tgz", True)):
        with tarfile.open(tmp_path / name) as tar:
            contents = [file.read() for member in tar if (file := tar.extractfile(member))]
        assert any(key in each for each in contents) is holds
    assert not any(path.name.startswith(("csss-backup-", ".")) for path in tmp_path.iterdir())


def test_with_another_secret_key_it_is_said_what_cannot_be_read(
    small: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, copy = small
    other = Settings(instance=str(tmp_path / "other"), bcrypt_rounds=4)
    assert "The secret key is not the one" in refused(other, "restore", copy)
    told = done(other, "restore", "--other-key", copy)
    assert "not checked" in told and "The audit log is intact" in told
    full = tmp_path / "full.tar"
    done(settings, "backup", "--with-secret-key", full)
    fresh = Settings(instance=str(tmp_path / "fresh"), bcrypt_rounds=4)
    told = done(fresh, "restore", full)
    assert fresh.secret() == settings.secret()
    assert (tmp_path / "fresh" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "fresh" / "csss.db").stat().st_mode & 0o077 == 0


def test_a_backup_of_an_earlier_release_is_brought_up_to_date(
    app: Flask, clinic: Clinic, tmp_path: Path
) -> None:
    settings: Settings = app.config["CSSS"]
    clinic.scan(Status.AI_ANALYZED, image=picture(64, 64))
    rules = described()
    db.session.remove()
    db.engine.dispose()
    downgrade(revision="0010")
    db.engine.dispose()
    old = tmp_path / "old"
    done(settings, "backup", old)
    upgrade()
    done(settings, "restore", "--force", old)
    assert described() == rules
    assert verify([chain.current_key()]).problems == []


def test_a_backup_of_a_newer_release_is_refused(small: tuple[Settings, Path]) -> None:
    settings, copy = small
    manifest = copy / "manifest.json"
    known = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**known, "revision": "9999", "csss": "9.0"}))
    before = snapshot()
    assert "made by a newer release (CSSS 9.0" in refused(settings, "restore", "--force", copy)
    manifest.write_text(json.dumps({**known, "format": 2}))
    assert "reads format 1" in refused(settings, "restore", "--force", copy)
    assert snapshot() == before


@pytest.mark.postgres
def test_a_system_that_grows_moves_from_sqlite_to_postgresql(
    small: tuple[Settings, Path], migrated_postgres: str, tmp_path: Path
) -> None:
    from dataclasses import replace

    from tests.postgres import POSTGRES, create_database, drop_database

    settings, copy = small
    then = snapshot()
    name = f"{migrated_postgres}_{uuid.uuid4().hex[:8]}"
    create_database(name, migrated_postgres)
    try:
        grown = replace(settings, instance=str(tmp_path / "grown"), database_url=f"{POSTGRES}/{name}")
        assert "The audit log is intact" in done(grown, "restore", copy)
        with sa.create_engine(grown.database).connect() as connection:
            count = sa.select(sa.func.count())
            for table in ("scans", "users", "predictions", "outbox"):
                assert connection.execute(count.select_from(sa.table(table))).scalar() == len(then[table])
            connection.engine.dispose()
    finally:
        drop_database(name)


def test_a_lost_file_is_told_and_the_rest_is_kept(small: tuple[Settings, Path], tmp_path: Path) -> None:
    settings, _ = small
    lost = next(path for path in archive.all_files(settings.storage_folder) if "scans" in path.parts)
    lost.unlink()
    told = refused(settings, "backup", tmp_path / "rest")
    assert lost.name in told
    assert archive.read_manifest(tmp_path / "rest")["missing"] == [
        lost.relative_to(settings.storage_folder).as_posix()
    ]
