"""Access the database from commands without the application: whether it exists, and its errors in a deployer's
words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError

from csss.config import Settings
from csss.logs import said

_NO_TABLE = re.compile(r"no such (table|column)|UndefinedTable|UndefinedColumn")


class DatabaseNotReadable(Exception):
    """There is no database yet, or it does not answer; the original error, if any, is the cause."""


def without_password(address: str) -> str:
    """A server's address without its password, even if the password is among the options."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return address.partition(":")[0] + ":…"
    secret = [name for name in url.query if "password" in name.lower()]
    return url.difference_update_query(secret).render_as_string(hide_password=True)


def not_made_yet(settings: Settings) -> str | None:
    """Why there is no database yet: only for SQLite, which would create the file on opening. A server must be
    asked."""
    url = make_url(settings.database)
    if url.get_backend_name() != "sqlite":
        return None
    file = Path(url.database or "")
    try:
        return None if file.stat().st_size else f"{url} is empty"
    except (FileNotFoundError, NotADirectoryError):
        return f"{url} does not exist yet"
    except OSError:
        return None  # opening it gives the reason


@contextmanager
def connected(settings: Settings) -> Iterator[sa.Connection]:
    """A connection that needs no application. Raises SQLAlchemyError."""
    engine = sa.create_engine(settings.database)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def reading(settings: Settings) -> Iterator[sa.Connection]:
    """A connection to an existing database; never creates one. Raises DatabaseNotReadable for any error inside."""
    if not_made_yet(settings):
        raise DatabaseNotReadable
    try:
        with connected(settings) as connection:
            yield connection
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise DatabaseNotReadable from error


def sentence(error: BaseException, settings: Settings) -> str | None:
    """What went wrong and what to do, without SQL or a password; None for an error that a deployer cannot fix."""
    told = cause_and_remedy(error, settings)
    return f"The database {told[0]}. {told[1]}" if told else None


def cause_and_remedy(error: BaseException, settings: Settings) -> tuple[str, str] | None:
    """Both parts of `sentence`: the first starts with the database's address, the second is a sentence."""
    where = without_password(settings.database)
    if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
        return f"{where} needs the driver psycopg", "Run pip install 'csss[postgres]'."
    if not isinstance(error, DBAPIError) or isinstance(error, IntegrityError | DataError):
        return None
    if _NO_TABLE.search(f"{type(error.orig).__name__} {said(error)}"):
        return f"{where} does not have the tables of this release", "Run csss migrate."
    if settings.database_url.startswith("postgres"):
        remedy = "Check that the server runs, and check CSSS_DATABASE_URL."
    else:
        remedy = f"Check the file, and {'CSSS_DATABASE_URL' if settings.database_url else 'CSSS_INSTANCE'}."
    return f"{where} cannot be used: {_reason(error, settings)}", remedy


def _reason(error: DBAPIError, settings: Settings) -> str:
    """The last cause, in the database's words: libpq lists each address it has tried before it."""
    text = str(error.orig)
    if "unable to open database file" in text:
        file = Path(make_url(settings.database).database or "")
        if not file.parent.is_dir():
            return f"the folder {file.parent} does not exist"
        return "it cannot be opened or created"
    causes = re.findall(r"^.*(?:failed|FATAL): +(.+)$", text, flags=re.MULTILINE)
    return (causes[-1] if causes else said(error.orig or error)).strip().rstrip(".")
