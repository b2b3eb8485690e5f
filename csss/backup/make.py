"""Make a backup while the system runs."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from flask import current_app

from csss.audit import anchors, chain
from csss.audit.record import record
from csss.backup import archive, rows
from csss.backup.archive import BackupError
from csss.clock import now
from csss.config import Settings
from csss.database import db, transaction
from csss.paths import MIGRATIONS
from csss.reports import named_files
from csss.storage.files import AREAS, ARRIVING, Storage, storage
from csss.study.study_folder import all_studies

SECRET_KEY = "secret_key"
STUDIES = "instance/studies"
_FILE_KEY = re.compile(r"[a-z]+/[0-9a-f]{2}/[\w.-]+")


@dataclass(frozen=True)
class Made:
    """What a backup contains."""

    tables: int
    rows: int
    files: int
    size: int
    missing: list[str]  # files that the database names and that are missing in the storage
    left_out: int  # files that no row of the snapshot names


def make(target: str, *, with_secret_key: bool = False) -> Made:
    """Copy database and files to `target`. Raises BackupError; then nothing has that name, and no partial backup is
    left."""
    settings: Settings = current_app.config["CSSS"]
    db.session.remove()
    with _trouble_told(target):
        archive.check_target(target)
    with (
        _trouble_told(target),
        tempfile.TemporaryDirectory(prefix="csss-backup-", dir=_beside(target)) as folder,
        archive.writing(target) as to,
    ):
        spool = Path(folder)
        manifest: dict[str, Any] = {
            "format": archive.FORMAT,
            "csss": version("csss"),
            "made_at": now().isoformat(),
            "key_id": chain.current_key().id,
            "with_secret_key": with_secret_key,
        }
        # Before the rows: a study of which somebody has been erased meanwhile is mended by its next command, and one whose
        # scans the rows do not know yet would lose them.
        _keep_studies(settings, to)
        with rows.one_moment(db.engine) as connection:
            manifest["database"] = db.engine.dialect.name
            manifest["revision"] = rows.revision(connection)
            if manifest["revision"] is None:
                raise BackupError("The database is empty: there is nothing to back up.")
            counts, named = _keep_rows(connection, to, spool)
            manifest["audit_head"] = _audit_head(connection)
        manifest["rows"] = counts
        manifest["missing"], left_out = _keep_files(storage(), named, to)
        _keep_instance(settings, to, spool, with_secret_key=with_secret_key)
        to.finish(manifest)
        made = Made(
            tables=len(counts),
            rows=sum(counts.values()),
            files=sum(name.startswith(archive.FILES) for name in to.files),
            size=sum(each["size"] for each in to.files.values()),
            missing=manifest["missing"],
            left_out=left_out,
        )
    if manifest["revision"] != ScriptDirectory(str(MIGRATIONS)).get_current_head():
        return made  # before an update: the older tables cannot hold this release's records
    with transaction():
        record(
            "backup.made",
            rows=made.rows,
            files=made.files,
            missing=len(made.missing),
            with_secret_key=with_secret_key,
        )
    return made


@contextmanager
def _trouble_told(target: str) -> Iterator[None]:
    """Turn errors of the disk, or of the reader of the stream, into a sentence."""
    try:
        yield
    except BrokenPipeError as error:
        raise BackupError(
            "The reader of this backup stopped before its end: what it has is no backup."
        ) from error
    except OSError as error:
        streamed = target == archive.STREAM
        where = "standard output" if streamed else target
        left = "What was written is no backup." if streamed else "Nothing of it is left."
        raise BackupError(
            f"The backup cannot be written to {where}: {error.strerror or error}. {left}"
        ) from error


def _beside(target: str) -> Path | None:
    """A temporary place for the rows: on the target's disk, so that only that disk needs space."""
    return None if target == archive.STREAM else Path(target).absolute().parent


def _keep_rows(
    connection: sa.Connection, to: archive.ArchiveWriter, spool: Path
) -> tuple[dict[str, int], set[str]]:
    """Write all rows of the snapshot. Returns the row count of each table, and the files that they name."""
    counts, named = {}, set[str]()
    for table in rows.tables(connection):
        path = spool / "rows.jsonl"
        with path.open("wb") as file:
            count = -1  # the first line lists the columns
            for line in rows.lines(connection, table):
                file.write(line)
                count += 1
        counts[table.name] = count
        to.add(f"rows/{table.name}.jsonl", path)
        for column in table.columns:
            if column.kind == "text" and column.name.endswith("_key"):
                named |= _keys(connection, table, column.name)
    return counts, named


def _keys(connection: sa.Connection, table: rows.Table, column: str) -> set[str]:
    clause = table.selectable()
    found = connection.execute(sa.select(clause.c[column]).where(clause.c[column].is_not(None))).scalars()
    return {each for each in found if _FILE_KEY.fullmatch(each)}


def _keep_files(kept: Storage, named: set[str], to: archive.ArchiveWriter) -> tuple[list[str], int]:
    """Write the files that the rows name, with their previews and thumbnails. Returns the names of missing files,
    and the number of files that belong to no row.

    Such files arrived after the snapshot, or a killed process left them. In a restored system nobody could open
    them.
    """
    gone = {key for key in sorted(named) if not _add(to, key, kept)}
    # What was erased since the snapshot is no longer named. The rest of a damaged storage is still worth a backup.
    lost = sorted(gone & _named_now()) if gone else []
    belongs = {each for key in named for each in named_files.with_small_ones(key)}
    left_out = 0
    for key in kept.everything():
        area = key.partition("/")[0]
        # An unfinished upload is useless without the browser that sends the rest.
        if key in named or area == ARRIVING:
            continue
        if area in AREAS and key not in belongs:
            left_out += 1
        else:
            _add(to, key, kept)  # it may have been removed meanwhile
    return lost, left_out


def _add(to: archive.ArchiveWriter, key: str, kept: Storage) -> bool:
    """False when it does not exist. Raises BackupError when it cannot be read."""
    with ExitStack() as stack:
        try:
            stored = stack.enter_context(kept.opened(key))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise BackupError(f"{error.filename or key} cannot be read: {error.strerror}.") from error
        to.add_stored(f"{archive.FILES}{key}", stored)
    return True


def _named_now() -> set[str]:
    """The files that the database names now: a missing file in this set was not erased, but lost."""
    with rows.one_moment(db.engine) as connection:
        return {
            key
            for table in rows.tables(connection)
            for column in table.columns
            if column.kind == "text" and column.name.endswith("_key")
            for key in _keys(connection, table, column.name)
        }


def _keep_studies(settings: Settings, to: archive.ArchiveWriter) -> None:
    for study in all_studies(settings):
        with study.alone():
            for path in archive.all_files(study.path):
                to.add(f"{STUDIES}/{study.name}/{path.relative_to(study.path).as_posix()}", path)


def _keep_instance(
    settings: Settings, to: archive.ArchiveWriter, spool: Path, *, with_secret_key: bool
) -> None:
    if anchors.path().exists():
        to.add(f"instance/{anchors.NAME}", anchors.path())
    if with_secret_key:
        path = spool / SECRET_KEY
        path.touch(mode=0o600)
        path.write_text(settings.secret(), "ascii")
        to.add(f"instance/{SECRET_KEY}", path)


def _audit_head(connection: sa.Connection) -> dict[str, Any]:
    """The newest seal of the snapshot; none in a database from before seals existed."""
    if not sa.inspect(connection).has_table("audit_seals"):
        return {"number": 0, "hash": chain.BEGINNING}
    newest = connection.exec_driver_sql(
        "SELECT number, hash FROM audit_seals ORDER BY number DESC LIMIT 1"
    ).first()
    return {"number": newest[0], "hash": newest[1]} if newest else {"number": 0, "hash": chain.BEGINNING}
