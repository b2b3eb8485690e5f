"""Restore a backup: into an empty system, or over an existing one when told so."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import upgrade

from csss.audit import anchors, chain
from csss.audit.anchors import Anchor
from csss.audit.record import record
from csss.audit.verify import verify
from csss.auth.models import UserSession
from csss.backup import archive, rows
from csss.backup.archive import BackupError
from csss.backup.make import SECRET_KEY, STUDIES
from csss.clock import now
from csss.config import Settings
from csss.database import changed_rows, db, transaction
from csss.key_checks import SECRET_KEY as SECRET_KEY_NAME
from csss.key_checks import KeyCheck, check_values, other_key
from csss.keys.change import go_on_without_old_key
from csss.keys.start import check_keys
from csss.paths import MIGRATIONS, private_folder, write_private
from csss.reports import named_files
from csss.storage import open_storage
from csss.storage.files import StoredBytes, storage
from csss.study.study_folder import all_studies, studies

Tell = Callable[[str], None]
_SHOWN = 5


@dataclass(frozen=True)
class OpenedBackup:
    """A backup whose files are all intact. Its stored files may already be with the storage."""

    folder: Path
    manifest: dict[str, Any]
    stored: archive.IntoStorage


@contextmanager
def opened(source: Path, settings: Settings, tell: Tell) -> Iterator[OpenedBackup]:
    """Open the backup and check every file; raises BackupError before anything is changed."""
    with (
        open_storage(settings).incoming() as incoming,
        tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.instance_folder) as staging,
    ):
        stored = archive.IntoStorage(incoming)
        folder = archive.unpacked(source, Path(staging), stored)
        manifest = archive.read_manifest(folder)
        known = {each.revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
        if manifest["revision"] not in known:
            raise BackupError(
                f"This backup was made by a newer release (CSSS {manifest['csss']}, migration "
                f"{manifest['revision']}). Install that release first."
            )
        archive.check(folder, manifest, tell, stored.files)
        tell(
            f"All {len(manifest['files'])} files of the backup of {manifest['made_at'][:16]} UTC are intact."
        )
        yield OpenedBackup(folder, manifest, stored)


def place_secret_key(folder: Path, settings: Settings, *, force: bool, tell: Tell) -> None:
    """Use the backup's secret key if none is set. Called before the application is made, which would create a key."""
    kept, place = folder / "instance" / SECRET_KEY, settings.instance_folder / SECRET_KEY
    if settings.secret_key or not kept.exists():
        return
    key = kept.read_text("ascii")
    if place.exists() and place.read_text("ascii") != key:
        if not force:
            raise BackupError(f"{place} holds another secret key than the backup; --force replaces it.")
        place.rename(_aside(place))
        tell(f"The secret key that was in {place} is now beside it.")
    if not place.exists():
        private_folder(place.parent)
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(key)
        tell(f"The secret key was put into {place}.")


def restore(app: Flask, backup: OpenedBackup, *, force: bool, other_key: bool, tell: Tell) -> list[str]:
    """Restore everything. Returns the problems that the check of the audit log found. Raises BackupError."""
    settings: Settings = app.config["CSSS"]
    folder, manifest = backup.folder, backup.manifest
    same_key = chain.current_key().id == manifest["key_id"]
    if not same_key and not other_key:
        raise BackupError(
            "The secret key is not the one that the backup was made with: authenticator apps, pass phrases and the "
            "seals of the audit log need it. Set CSSS_SECRET_KEY to that key, or continue without it with --other-key."
        )
    _check_storage_keys(folder, settings)
    _check_room(force=force)
    _take_files(backup)
    _restore_rows(folder, manifest, tell)
    _restore_files(backup, tell)
    _tell_of_orphans(tell)
    _restore_anchors(folder, tell)
    _restore_studies(folder, settings, tell)
    with transaction():
        if same_key:
            ended = changed_rows(
                sa.update(UserSession).where(UserSession.ended_at.is_(None)).values(ended_at=now())
            )
            told = ["Everybody has to sign in again."]
        else:
            outcome = go_on_without_old_key()
            ended, told = outcome.sessions, outcome.sentences()
        record("backup.restored", made_at=manifest["made_at"], csss=manifest["csss"], sessions_ended=ended)
    for sentence in told:
        tell(sentence)
    check_keys()
    _tell_shut_files(settings, tell)
    return _verdict(manifest, tell, same_key=same_key)


def _check_storage_keys(folder: Path, settings: Settings) -> None:
    """Refuse a different storage key under an id that the backup knows, before anything is changed."""
    kept = folder / "rows" / f"{KeyCheck.__tablename__}.jsonl"
    if not kept.exists():
        return
    lines = [json.loads(line) for line in _lines(kept)]
    names = [name for name, *_ in lines[0]]
    known = {row["name"]: row["value"] for row in (dict(zip(names, line, strict=True)) for line in lines[1:])}
    for name, value in check_values(settings, "").items():
        if name != SECRET_KEY_NAME and known.get(name, value) != value:
            raise BackupError(other_key(settings, name))


def _tell_shut_files(settings: Settings, tell: Tell) -> None:
    """Report files that the keys of the settings cannot open, judged by their headers."""
    there = {key.id for key in settings.storage_key_ring}
    shut: dict[str, list[str]] = {}
    for key, key_id in storage().key_ids():
        if key_id is not None and key_id not in there:
            shut.setdefault(key_id, []).append(key)
    for key_id, keys in sorted(shut.items()):
        tell(
            f"{len(keys)} files do not open: they need the key {key_id}, which CSSS_STORAGE_KEYS does not name "
            f"({', '.join(sorted(keys)[:_SHOWN])}{', …' if len(keys) > _SHOWN else ''})."
        )


def _check_room(*, force: bool) -> None:
    if force:
        return
    with db.engine.connect() as connection:
        if not rows.is_empty(connection):
            raise BackupError("The database is not empty; --force replaces what is in it.")
    if any(True for _ in storage().everything()):
        raise BackupError(f"{storage().place} holds files; --force puts them aside.")


def _take_files(backup: OpenedBackup) -> None:
    """Take the files of a backup that is a folder; an archive's files went to the storage when it was unpacked."""
    for path in archive.all_files(backup.folder / archive.FILES):
        name = path.relative_to(backup.folder).as_posix()
        try:
            with path.open("rb") as file:
                backup.stored.add(name, StoredBytes(str(path), path.stat().st_size, file))
        except OSError as error:
            raise BackupError(
                f"{name} cannot be put into {storage().place}: {error.strerror or error}. The database and the "
                "stored files are as they were."
            ) from error


def _restore_rows(folder: Path, manifest: dict[str, Any], tell: Tell) -> None:
    """Create the tables as they were then, fill them in one transaction, then migrate to this release."""
    with db.engine.begin() as connection:
        rows.drop_everything(connection)
    db.engine.dispose()
    upgrade(revision=manifest["revision"])
    with db.engine.begin() as connection:
        content = {path.stem: _lines(path) for path in sorted((folder / "rows").glob("*.jsonl"))}
        counts = rows.load(connection, content)
        if counts != manifest["rows"] | dict.fromkeys(counts.keys() - manifest["rows"].keys(), 0):
            raise BackupError("The database took other rows than the backup holds.")
    upgrade()
    db.engine.dispose()
    tell(
        f"{sum(counts.values())} rows of {len(counts)} tables were restored (migration {manifest['revision']})."
    )


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _restore_files(backup: OpenedBackup, tell: Tell) -> None:
    aside = backup.stored.take_over(f".replaced-{now():%Y%m%dT%H%M%S.%f}")
    if aside:
        tell(f"The previous files are in {aside} now. Remove them when everything works.")
    tell(f"{len(backup.stored.files)} files were restored into {storage().place}.")


def _tell_of_orphans(tell: Tell) -> None:
    """Backups of earlier releases also contain files that arrived while they were made."""
    if orphans := named_files.orphans():
        tell(
            f"{len(orphans)} of them are named by no row: uploads that were under way at the time. Nobody can open them; "
            "the workers remove them after a day."
        )


def _restore_anchors(folder: Path, tell: Tell) -> None:
    """Move newer anchors aside: they would, correctly, report that the end of the log since the backup is missing."""
    place, kept = anchors.path(), folder / "instance" / anchors.NAME
    if place.exists():
        aside = place.rename(_aside(place))
        tell(f"The heads of the audit log since the backup are in {aside}.")
    if kept.exists():
        shutil.copyfile(kept, place)
        place.chmod(0o600)


def _restore_studies(folder: Path, settings: Settings, tell: Tell) -> None:
    """Move those that are there aside: they would take every scan that this database does not know for an erased one."""
    place, kept = studies(settings), folder / STUDIES
    if place.exists():
        aside = place.rename(_aside(place))
        tell(
            f"The studies that were there are in {aside}, out of reach of erasures. Delete them when everything works."
        )
    if kept.is_dir():
        for path in archive.all_files(kept):
            to = place / path.relative_to(kept)
            private_folder(to.parent)
            write_private(to, path.read_bytes())
        tell(f"{sum(1 for _ in all_studies(settings))} studies were restored.")


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.stem}-before-{now():%Y%m%dT%H%M%S}{path.suffix}")


def _verdict(manifest: dict[str, Any], tell: Tell, *, same_key: bool) -> list[str]:
    head = manifest["audit_head"]
    kept = anchors.kept(anchors.path())
    if head["number"]:
        kept.append(Anchor(head["number"], head["hash"], now()))
    verdict = verify([chain.current_key()], kept)
    problems = verdict.problems
    if not same_key:
        problems = [each for each in problems if "another secret key" not in each]
        tell("The seals of the audit log were not checked: they were made with the other secret key.")
    if not problems:
        tell(f"The audit log is intact: {verdict.events} events.")
    return problems
