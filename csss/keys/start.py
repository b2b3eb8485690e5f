"""Check the keys before they are used, in every process and command that opens the database."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from flask import Flask, current_app
from sqlalchemy.exc import InterfaceError, OperationalError

from csss.audit import chain
from csss.config import Settings
from csss.database import db, transaction
from csss.database_from_outside import connected, not_made_yet
from csss.key_checks import (
    SECRET_KEY,
    KeyCheck,
    WrongKey,
    check_values,
    other_key,
    secret_key_value,
    storage_key_name,
)
from csss.keys.evidence import against_secret_key, against_storage_key

log = logging.getLogger(__name__)

_RIGHT = "csss_keys_are_right"
# The database does not answer. Any other error is a fault of the program and is raised.
_NO_ANSWER = (OperationalError, InterfaceError)


def wrong_keys(
    connection: sa.Connection, settings: Settings, secret: str, known: dict[str, str]
) -> list[str]:
    """A sentence for each key that is not this database's key, whose check values are `known`. Only reads."""
    wrong = []
    for name, value in check_values(settings, secret).items():
        if name in known:
            right = known[name] == value
        elif name == SECRET_KEY:
            right = not against_secret_key(connection, secret)
        else:
            key = next(each for each in settings.storage_key_ring if storage_key_name(each.id) == name)
            right = not against_storage_key(settings, key)
        if not right:
            wrong.append(other_key(settings, name))
    return wrong


def _known(connection: sa.Connection) -> dict[str, str]:
    """The stored check values; none in a database from before they existed."""
    if not sa.inspect(connection).has_table(KeyCheck.__tablename__):
        return {}
    return _values(connection)


def _values(connection: sa.Connection) -> dict[str, str]:
    return {row.name: row.value for row in connection.execute(sa.select(KeyCheck.name, KeyCheck.value))}


def refuse_wrong_keys(settings: Settings) -> None:
    """Raise WrongKey before an application is made. An unreachable or missing database is no error here, because
    the keys are checked again before anything is written (`check_keys`, `chain.lock`)."""
    try:
        wrong = wrong_keys_of(settings)
    except _NO_ANSWER as error:
        log.warning("the keys are not checked yet, the database does not answer: %s", type(error).__name__)
        return
    if wrong:
        raise WrongKey(" ".join(wrong))


def wrong_keys_of(settings: Settings) -> list[str]:
    """Like `wrong_keys`, with its own connection. Raises SQLAlchemyError. Creates no database and no secret key."""
    if not_made_yet(settings):
        return []
    with _connection(settings) as connection:
        if not settings.has_secret():
            there = sa.inspect(connection).has_table("users")
            return [_gone(settings)] if there else []
        return wrong_keys(connection, settings, settings.secret(), _known(connection))


def is_secret_key(settings: Settings, secret: str) -> bool:
    """Whether this secret key is the database's own. Raises SQLAlchemyError."""
    with _connection(settings) as connection:
        return _known(connection).get(SECRET_KEY) == secret_key_value(secret)


@contextmanager
def _connection(settings: Settings) -> Iterator[sa.Connection]:
    """A connection, and the tables that an application would have loaded."""
    from csss.all_tables import load_models

    load_models()  # a table's class can only be asked once those it names are known
    with connected(settings) as connection:
        yield connection


def _gone(settings: Settings) -> str:
    return (
        f"The secret key of this database is gone: CSSS_SECRET_KEY is not set, and there is no {settings.secret_key_file}. "
        "Set the key that it is used with."
    )


def open_app(settings: Settings | None = None) -> Flask:
    """The application for a command that opens the database. Raises WrongKey before anything is written."""
    from csss import create_app
    from csss.config import load_settings

    settings = settings or load_settings()
    wrong = wrong_keys_of(settings)
    if wrong:
        raise WrongKey(" ".join(wrong))
    app = create_app(settings, pages=False)
    with app.app_context():
        check_keys()
    return app


def check_keys() -> None:
    """Check the keys once per process, and store the check values of new ones. Raises WrongKey, SQLAlchemyError.

    Before the tables exist nothing is stored, and the next call checks again. Belongs outside transaction().
    """
    app = current_app
    settings, secret = app.config["CSSS"], str(app.config["SECRET_KEY"])
    if app.extensions.get(_RIGHT) or not_made_yet(settings):
        return
    with db.engine.connect() as connection:
        there = sa.inspect(connection).has_table(KeyCheck.__tablename__)
        # Read once: a value that another process stores between two reads would be compared by neither.
        known = _known(connection)
        wrong = wrong_keys(connection, settings, secret, known)
        new = check_values(settings, secret).keys() - known.keys()
    if wrong:
        raise WrongKey(" ".join(wrong))
    if not there:
        return
    if new:
        _keep(settings, secret)
    app.extensions[_RIGHT] = True


def check_keys_if_it_answers() -> None:
    """For the start of web and workers, which may start before the database. Raises WrongKey."""
    try:
        check_keys()
    except _NO_ANSWER as error:
        log.warning("the keys are not checked yet, the database does not answer: %s", type(error).__name__)
    finally:
        db.session.remove()


def _keep(settings: Settings, secret: str) -> None:
    """Store under the audit lock: of several processes that start at once, one stores and the others compare."""
    with transaction():
        chain.lock()
        known = _values(db.session.connection())
        for name, value in check_values(settings, secret).items():
            if known.setdefault(name, value) != value:
                raise WrongKey(other_key(settings, name))
            if db.session.get(KeyCheck, name) is None:
                db.session.add(KeyCheck(name=name, value=value))


def readiness() -> str:
    """For `/readyz`: "ok", or what is wrong, from the check values alone. Raises SQLAlchemyError."""
    settings, secret = current_app.config["CSSS"], str(current_app.config["SECRET_KEY"])
    known = _values(db.session.connection())
    wrong = [
        name for name, value in check_values(settings, secret).items() if known.get(name, value) != value
    ]
    return f"not the key that this database is used with: {', '.join(wrong)}" if wrong else "ok"
