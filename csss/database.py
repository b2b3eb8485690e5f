"""The database: one session per app context, explicit writing transactions, aware times.

SQLite has one writer at a time, and a transaction that reads first and writes later fails at once when somebody
else wrote in between. So every writing transaction is opened by `transaction()`, which takes SQLite's write lock
at its beginning (BEGIN IMMEDIATE), and everything else only reads.
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
    """An aware time, kept in UTC. Refuses naive values, which would mean something else on each machine."""

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
    # A registry of our own, since Flask-SQLAlchemy derives from this class and would set the map up twice.
    registry = registry(metadata=_metadata, type_annotation_map={datetime: UTCDateTime})


def text_enum(kind: type[StrEnum], name: str = "") -> Enum:
    """Kept as its text with a CHECK, alike on SQLite and PostgreSQL; a new member is an ordinary migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=30,
        name=name or kind.__name__.lower(),  # of the CHECK; two columns of one table need two names
        values_callable=lambda members: [member.value for member in members],
    )


# Tables whose rows are never changed or removed; the migrations put triggers on them, and a test looks.
APPEND_ONLY = {"append_only": True}

db = SQLAlchemy(model_class=Base)

# The type checker cannot see the class that Flask-SQLAlchemy makes of Base.
if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


def changed_rows(statement: Executable) -> int:
    """Run an UPDATE and say how many rows it changed: the compare-and-set of this project."""
    return cast("CursorResult[Any]", db.session.execute(statement)).rowcount


@contextmanager
def transaction() -> Iterator[Any]:
    """One writing transaction: commits at the end, rolls back on any error, then runs what waits for the commit.

    Objects loaded before it are read again inside it, so that a decision rests on what is true now. A refusal that
    has to be counted (errors.Counted) is committed, so that nobody gets free tries by forgetting to catch it.
    """
    if _writing.get():
        raise RuntimeError("transactions do not nest: the outer one commits")
    db.session.commit()  # ends the reading transaction and forgets what was read
    waiting: list[Callable[[], None]] = []
    last: dict[Callable[[list[Any]], None], list[Any]] = {}
    writing, after, before = _writing.set(True), _after_commit.set(waiting), _before_commit.set(last)
    counted: Counted | None = None
    try:
        try:
            yield db.session
        except Counted as error:
            counted = error
        db.session.flush()  # every other lock is held by now
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
    """The rehearsal is over."""


@contextmanager
def rehearsal() -> Iterator[Any]:
    """A writing transaction of which nothing stays: it is rolled back, so nothing that waits for a commit happens."""
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
    """Call `act` once, with all the items it was given, as the very last thing before the commit.

    For what takes a lock that every writer needs: taken last it is held for a moment only, and as nobody who holds it
    waits for another lock, it can be in no deadlock. Nothing is called when the transaction is rolled back.
    """
    last = _before_commit.get()
    if last is None:
        raise RuntimeError("before_commit() was called outside transaction()")
    last.setdefault(act, []).append(item)


@event.listens_for(Session, "before_flush")
def _refuse_stray_writes(session: Session, *_: Any) -> None:
    if not _writing.get():
        raise RuntimeError("a change outside transaction() would not hold SQLite's write lock")


# How long a statement waits for somebody else's lock before it fails (a page then says so, a job comes back).
LOCK_SECONDS = 15


@event.listens_for(Engine, "do_connect")
def _make_private(dialect: Dialect, _: Any, arguments: Any, __: Any) -> None:
    """SQLite gives its file the mode that the umask leaves, and the files beside it the same: whoever is the first to open
    the database, it is for its owner alone."""
    file = str(arguments[0]) if arguments and dialect.name == "sqlite" else ""
    if file and not file.startswith(("file:", ":memory:")):
        with suppress(OSError):  # it is there already; or SQLite itself says what is wrong
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def keep_private(file: Path) -> list[Path]:
    """Take the rights of others on an SQLite database and the files beside it away. Returns those that had any."""
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
            "secure_delete = ON",  # what is deleted is overwritten with zeros: somebody may have been erased
            "recursive_triggers = ON",  # else INSERT OR REPLACE removes rows past the append-only triggers
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    elif type(connection).__module__.startswith("psycopg"):
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        connection.commit()


@event.listens_for(Engine, "checkin")
def _leave_nothing_open(connection: Any, _: Any) -> None:
    """After a COMMIT that failed (a full disk, a deferred foreign key) SQLite keeps the transaction and its lock."""
    if isinstance(connection, sqlite3.Connection) and connection.in_transaction:
        connection.rollback()


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Any) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")
