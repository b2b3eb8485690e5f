"""Access the database: one session per app context, explicit write transactions, aware times.

SQLite has one writer at a time, and a transaction that first reads and later writes fails at once when another one
wrote in between. So every write transaction is opened by `transaction()`, which takes SQLite's write lock at its
start (BEGIN IMMEDIATE). All other code only reads.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import CursorResult, DateTime, Dialect, Engine, Enum, Executable, MetaData, event
from sqlalchemy.orm import DeclarativeBase, Session, registry
from sqlalchemy.types import TypeDecorator

from csss.errors import Counted

_writing: ContextVar[bool] = ContextVar("csss_writing", default=False)
_after_commit: ContextVar[list[Callable[[], None]] | None] = ContextVar("csss_after_commit", default=None)
_before_commit: ContextVar[dict[Callable[[list[Any]], None], list[Any]] | None] = ContextVar(
    "csss_before_commit", default=None
)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC. Refuses naive values, whose meaning would depend on the machine."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Base(DeclarativeBase):
    # Our own registry, because Flask-SQLAlchemy derives from this class and would set up the map twice.
    registry = registry(metadata=_metadata, type_annotation_map={datetime: UTCDateTime})


def text_enum(kind: type[StrEnum], name: str = "") -> Enum:
    """Stored as text with a CHECK, identically on SQLite and PostgreSQL; a new member needs a normal migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=30,
        name=name or kind.__name__.lower(),  # name of the CHECK; two columns of one table need two names
        values_callable=lambda members: [member.value for member in members],
    )


# Tables whose rows are never changed or deleted. Migrations put triggers on them, and a test verifies that.
APPEND_ONLY = {"append_only": True}

db = SQLAlchemy(model_class=Base)

# The type checker cannot see the class that Flask-SQLAlchemy derives from Base.
if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


def changed_rows(statement: Executable) -> int:
    """Run an UPDATE and return the number of changed rows: the compare-and-set of this project."""
    return cast("CursorResult[Any]", db.session.execute(statement)).rowcount


@contextmanager
def transaction() -> Iterator[Any]:
    """One write transaction: commits at the end, rolls back on any error, then runs the after-commit actions.

    Objects loaded before it are read again inside it, so that decisions use the current state. A refusal that must
    be counted (errors.Counted) is committed, so that nobody gets unlimited attempts.
    """
    if _writing.get():
        raise RuntimeError("transactions do not nest: the outer one commits")
    db.session.commit()  # ends the read transaction and expires loaded objects
    waiting: list[Callable[[], None]] = []
    last: dict[Callable[[list[Any]], None], list[Any]] = {}
    writing, after, before = _writing.set(True), _after_commit.set(waiting), _before_commit.set(last)
    counted: Counted | None = None
    try:
        try:
            yield db.session
        except Counted as error:
            counted = error
        db.session.flush()  # after this, every other lock is held
        for act, items in last.items():
            act(items)
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        _writing.reset(writing)
        _after_commit.reset(after)
        _before_commit.reset(before)
    for action in waiting:
        action()
    if counted is not None:
        raise counted


class _Over(Exception):
    """Ends a rehearsal."""


@contextmanager
def rehearsal() -> Iterator[Any]:
    """A write transaction that is always rolled back, so its after-commit actions never run."""
    with suppress(_Over), transaction() as session:
        yield session
        session.flush()
        raise _Over


def after_commit(action: Callable[[], None]) -> None:
    """Run `action` once the current transaction has been committed; never when it is rolled back."""
    waiting = _after_commit.get()
    if waiting is None:
        raise RuntimeError("after_commit() belongs inside transaction()")
    waiting.append(action)


def before_commit(act: Callable[[list[Any]], None], item: Any) -> None:
    """Call `act` once, with all items it was given, as the very last step before the commit.

    Use it for a lock that every writer needs. Taken last, it is held only briefly, and its holder waits for no
    other lock, so it cannot cause a deadlock. After a rollback nothing is called.
    """
    last = _before_commit.get()
    if last is None:
        raise RuntimeError("before_commit() was called outside transaction()")
    last.setdefault(act, []).append(item)


@event.listens_for(Session, "before_flush")
def _refuse_stray_writes(session: Session, *_: Any) -> None:
    if not _writing.get():
        raise RuntimeError("a change outside transaction() would not hold SQLite's write lock")


# How long a statement waits for a lock before it fails (a page then reports it, a job is retried).
LOCK_SECONDS = 15


@event.listens_for(Engine, "do_connect")
def _make_private(dialect: Dialect, _: Any, arguments: Any, __: Any) -> None:
    """SQLite creates its file, and the files beside it, with the umask's mode. So whoever opens the database first,
    make it readable only by its owner."""
    file = str(arguments[0]) if arguments and dialect.name == "sqlite" else ""
    if file and not file.startswith(("file:", ":memory:")):
        with suppress(OSError):  # it exists already; or SQLite itself reports the problem
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def keep_private(file: Path) -> list[Path]:
    """Remove other users' rights on an SQLite database and the files beside it. Returns the files that had any."""
    mended = []
    for path in (file, *(file.with_name(file.name + suffix) for suffix in ("-wal", "-shm"))):
        with suppress(FileNotFoundError):
            mode = path.stat().st_mode
            if mode & 0o077:
                path.chmod(mode & 0o700)
                mended.append(path)
    return mended


@event.listens_for(Engine, "connect")
def _prepare_connection(connection: Any, _: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {LOCK_SECONDS * 1000}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",  # overwrites deleted data with zeros, for erased patients
            "recursive_triggers = ON",  # otherwise INSERT OR REPLACE bypasses the append-only triggers
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    elif type(connection).__module__.startswith("psycopg"):
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        connection.commit()


@event.listens_for(Engine, "checkin")
def _leave_nothing_open(connection: Any, _: Any) -> None:
    """Roll back after a failed COMMIT (full disk, deferred foreign key): SQLite keeps the transaction and its lock."""
    if isinstance(connection, sqlite3.Connection) and connection.in_transaction:
        connection.rollback()


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Any) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")
