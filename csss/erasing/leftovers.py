"""Remove what an erased patient leaves outside the rows: files, and traces in the database's own file.

Files are removed after the commit, so that nothing is lost when it fails. Each is removed a second time a while
later, because a request or job in progress may have written a preview, a mail or a re-encrypted file in the
meantime. Only then its row is deleted. Removing a file is retried every minute until it succeeds.

SQLite's own file is one of them (`DATABASE`). Earlier pages are removed from it at once, or as soon as no reader
uses them, and the second time the whole file is rewritten.
"""

import logging
import sqlite3
import uuid
from datetime import timedelta
from pathlib import Path

from flask import current_app
from sqlalchemy import func, select

from csss.caches import clear_all
from csss.clock import now
from csss.database import db, transaction
from csss.erasing.models import ErasedFile
from csss.live.names import ERASED, Change
from csss.live.publish import PUBLISHER, Publisher
from csss.notices.channels import email
from csss.storage import unfinished_uploads
from csss.storage.files import storage

log = logging.getLogger(__name__)

AGAIN = timedelta(minutes=15)  # longer than any request or job
PAUSE = timedelta(minutes=1)
DATABASE = "database/traces"
# Bytes. Rewriting the file blocks all writers: a second or two for this size. For a larger file `csss
# finish-erasures` asks the deployer, who chooses the time.
SMALL = 256_000_000
_BATCH = 500


def upload_key(upload_id: uuid.UUID) -> str:
    return f"uploads/{upload_id.hex}"


def mail_key(message_id: uuid.UUID) -> str:
    return f"mail/{message_id}"


def remove_now() -> None:
    """Run right after the commit. Never raises: what could not be removed stays queued, and the sweeper removes it."""
    try:
        while sweep():
            pass
    except Exception:
        log.exception("files of an erased patient could not be removed yet")


def tell_processes() -> None:
    """Tell every process to clear its caches (`csss.caches`)."""
    clear_all()
    publisher: Publisher = current_app.extensions[PUBLISHER]
    publisher.tell([Change((ERASED,), frozenset())], whatever=True)


def sweep() -> int:
    """Remove the files that are due; returns how many were handled. Safe to run in several processes at once."""
    query = select(ErasedFile).where(ErasedFile.due_at <= now()).order_by(ErasedFile.due_at).limit(_BATCH)
    found = [(row.id, row.key, row.removed_at is not None) for row in db.session.scalars(query)]
    db.session.commit()
    removed = [row_id for row_id, key, again in found if _remove(key, again=again)]
    if not found:
        return 0
    with transaction():
        for row_id, _key, _again in found:
            row = db.session.get(ErasedFile, row_id, with_for_update=True)
            if row is None:
                continue
            if row_id not in removed:
                row.due_at = now() + PAUSE
            elif row.removed_at is None:
                row.removed_at, row.due_at = now(), now() + AGAIN
            else:
                db.session.delete(row)
    return len(found)


def owed() -> int:
    """The number of files that could not be removed yet."""
    left = (ErasedFile.removed_at.is_(None), ErasedFile.key != DATABASE)
    query = select(func.count()).select_from(ErasedFile).where(*left)
    return db.session.scalar(query) or 0


def _remove(key: str, *, again: bool) -> bool:
    area, _, name = key.partition("/")
    try:
        if key == DATABASE:
            if again:  # Redis may have missed it the first time
                tell_processes()
            return _clean(again=again)
        if area == "uploads":
            unfinished_uploads.remove(uuid.UUID(name))
        elif area == "mail":
            email.remove_copy(name)
        else:
            storage().delete(key)
    except OSError as error:
        log.error("the file %s of an erased patient cannot be removed yet: %s", key, error)
        return False
    return True


def _clean(*, again: bool) -> bool:
    """Remove the traces in the database's file; True when none are left."""
    if again and in_one_file() and _path().stat().st_size <= SMALL:
        return scrub(patience=5.0)
    return checkpoint(patience=1.0)


def _path() -> Path:
    return Path(str(db.engine.url.database))


def in_one_file() -> bool:
    """Whether the database is a file of ours (SQLite), so that we control its contents."""
    return db.engine.dialect.name == "sqlite"


def checkpoint(*, patience: float) -> bool:
    """SQLite: move the write-ahead log, which holds earlier pages, into the database and truncate it.

    False when a reader blocked it for more than `patience` seconds. Deleted contents are overwritten with zeros at
    once (`secure_delete`, see `csss.database`).
    """
    return _sqlite(("PRAGMA wal_checkpoint(TRUNCATE)",), patience)


def scrub(*, patience: float = 60.0) -> bool:
    """SQLite: rewrite the whole file, so that not even gaps within pages contain deleted data.

    It holds the write lock that long. On PostgreSQL it does nothing, because autovacuum does the work.
    """
    return _sqlite(("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"), patience)


def _sqlite(commands: tuple[str, ...], patience: float) -> bool:
    if not in_one_file():
        return True
    db.session.commit()  # otherwise it would wait for our own open read transaction
    connection = sqlite3.connect(_path(), timeout=patience, isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        answers = [connection.execute(command).fetchone() for command in commands]
    except sqlite3.OperationalError as error:
        log.warning("the database's file could not be cleaned yet: %s", error)
        return False
    finally:
        connection.close()
    busy: int = answers[-1][0]
    return busy == 0
