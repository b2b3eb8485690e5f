"""Databases on PostgreSQL for tests: made from a migrated template, and emptied for the next test.

Making and dropping a database takes the server a checkpoint each, a hundred times as long as most tests. So a database is
used again: its rows are replaced by those of the template, and it is made anew only when a test has changed its tables,
triggers or functions, or has left a transaction open.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import sqlalchemy as sa

POSTGRES = os.environ.get("CSSS_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432")

# All that a migration makes; what stays alike needs not to be made anew.
_SCHEMA = sa.text("""
SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
  SELECT format('%s %s %s %s', c.relname, a.attname, a.atttypid, a.attnotnull) AS line
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
  UNION ALL SELECT format('%s %s', tgrelid::regclass, pg_get_triggerdef(oid) || tgenabled::text) FROM pg_trigger
  UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
) AS lines
""")
_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_SEQUENCES = (
    "SELECT sequencename, coalesce(last_value, start_value), last_value IS NOT NULL FROM pg_sequences"
    " WHERE schemaname = 'public'"
)


@cache
def _maintenance() -> sa.Engine:
    """One connection for all that makes and drops databases."""
    return sa.create_engine(
        f"{POSTGRES}/postgres", isolation_level="AUTOCOMMIT", pool_size=1, pool_pre_ping=True
    )


def maintain(statement: str) -> None:
    with _maintenance().connect() as connection:
        connection.exec_driver_sql(statement)


def create_database(name: str, template: str) -> None:
    maintain(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    maintain(f'ALTER DATABASE "{name}" SET synchronous_commit = off')


def drop_database(name: str) -> None:
    maintain(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class ReusedDatabase:
    """One database for one test after the other; each finds in it what the template holds."""

    def __init__(self, template: str) -> None:
        self.name = f"{template}_{uuid.uuid4().hex[:6]}"
        self._template = template
        self._used = False
        self._engine = sa.create_engine(f"{POSTGRES}/{self.name}", poolclass=sa.NullPool)
        self._make()

    def _make(self) -> None:
        drop_database(self.name)
        create_database(self.name, self._template)
        with self._connected() as connection:
            self._schema = connection.execute(_SCHEMA).scalar()
            self._rows = {}
            for table in connection.exec_driver_sql(_TABLES).scalars().all():
                rows = connection.exec_driver_sql(f"SELECT t::text FROM {table} t").scalars().all()
                self._rows[table] = rows
            self._sequences = connection.exec_driver_sql(_SEQUENCES).all()

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '3s'")
            yield connection

    @contextmanager
    def borrowed(self) -> Iterator[str]:
        if self._used:
            self._empty()
        self._used = True
        yield self.name

    def _empty(self) -> None:
        try:
            with self._connected() as connection:
                if connection.execute(_SCHEMA).scalar() == self._schema:
                    self._replace_rows(connection)
                    return
        except sa.exc.OperationalError:  # dropped, or locked by what a test has left behind
            pass
        self._make()

    def _replace_rows(self, connection: sa.Connection) -> None:
        # Without triggers: the audit log allows no removal.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql("; ".join(f"DELETE FROM {table}" for table in self._rows))
        for table, rows in self._rows.items():
            for row in rows:
                connection.exec_driver_sql(f"INSERT INTO {table} SELECT (%s::{table}).*", (row,))
        for name, value, called in self._sequences:
            connection.exec_driver_sql("SELECT setval(%s, %s, %s)", (name, value, called))

    def drop(self) -> None:
        drop_database(self.name)
