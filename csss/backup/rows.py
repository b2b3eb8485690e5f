"""Read the rows of all tables in one snapshot, and load them into empty tables."""

import base64
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import types

from csss.database import UTCDateTime

VERSIONS = "alembic_version"
_BLOCK = 500


class UnknownTypeError(Exception):
    """A column has a type that a backup cannot store."""


# What a column holds, independent of the database; and how it is read and written.
KINDS: dict[str, Any] = {
    "uuid": sa.Uuid(),
    "time": UTCDateTime(),
    "date": sa.Date(),
    "json": sa.JSON(),
    "boolean": sa.Boolean(),
    "integer": sa.BigInteger(),
    "number": sa.Double(),
    "text": sa.Text(),
    "bytes": sa.LargeBinary(),
}


class Column(NamedTuple):
    name: str
    kind: str
    nullable: bool


class Table(NamedTuple):
    """A table as it exists in the database."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def selectable(self) -> sa.TableClause:
        """For reading and writing its rows as Python values, identically on every database."""
        return sa.table(self.name, *(sa.column(each.name, _type(each)) for each in self.columns))


def _type(column: Column) -> Any:
    # None is NULL in a nullable column, otherwise the JSON null.
    return sa.JSON(none_as_null=True) if column.kind == "json" and column.nullable else KINDS[column.kind]


def tables(connection: sa.Connection) -> list[Table]:
    """All existing tables; those that others refer to come first."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    return [
        Table(
            table.name,
            tuple(Column(each.name, _kind(table, each), bool(each.nullable)) for each in table.columns),
            tuple(each.name for each in table.primary_key.columns),
        )
        for table in metadata.sorted_tables
        if table.name != VERSIONS
    ]


def _kind(table: sa.Table, column: sa.Column[Any]) -> str:
    found = column.type
    # SQLite has no UUID type: SQLAlchemy stores 32 hexadecimal digits, and nothing else uses this type.
    if isinstance(found, types.Uuid) or (isinstance(found, types.CHAR) and found.length == 32):
        return "uuid"
    for kind, known in (
        ("time", types.DateTime),
        ("date", types.Date),
        ("json", types.JSON),
        ("boolean", types.Boolean),
        ("integer", types.Integer),
        ("number", types.Float | types.Numeric),
        ("bytes", types.LargeBinary),
        ("text", types.String),
    ):
        if isinstance(found, known):
            return kind
    raise UnknownTypeError(f"{table.name}.{column.name} is of the type {found!r}")


def revision(connection: sa.Connection) -> str | None:
    """The database's current migration; None for an empty database."""
    if not sa.inspect(connection).has_table(VERSIONS):
        return None
    found: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {VERSIONS}").scalar()  # noqa: S608 - a name of ours  # nosec B608
    return found


@contextmanager
def one_moment(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection with a snapshot from its first query on, however long it reads; it blocks nobody."""
    with engine.connect() as plain:
        connection = plain
        if engine.dialect.name == "postgresql":
            connection = plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        connection.exec_driver_sql("SELECT 1")
        try:
            yield connection
        finally:
            connection.rollback()


def lines(connection: sa.Connection, table: Table) -> Iterator[bytes]:
    """The columns, then every row sorted by its key, one per line."""
    yield _line([list(column) for column in table.columns])
    clause = table.selectable()
    query = sa.select(clause).order_by(*(clause.c[name] for name in table.key))
    for row in connection.execution_options(yield_per=_BLOCK).execute(query):
        yield _line([_plain(value) for value in row])


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    return value


_READ: Mapping[str, Any] = {
    "time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "uuid": uuid.UUID,
    "bytes": base64.b64decode,
}


def load(connection: sa.Connection, content: Mapping[str, Iterable[bytes]]) -> dict[str, int]:
    """Insert the rows, table by table; `content` gives the lines of each. Returns the row count of each table.

    The tables are those of the backup's migration, and empty except for rows that the migrations insert. The
    triggers that enforce the application's rules are disabled meanwhile. Belongs into one transaction.
    """
    there = tables(connection)
    if unknown := content.keys() - {table.name for table in there}:
        raise UnknownTypeError(
            f"The backup has tables that the database has not: {', '.join(sorted(unknown))}."
        )
    counts = {}
    with _rules_off(connection, there):
        for table in reversed(there):
            connection.execute(sa.delete(table.selectable()))
        for table in there:
            counts[table.name] = _fill(connection, table, iter(content.get(table.name, ())))
            _go_on_counting(connection, table)
    return counts


def _fill(connection: sa.Connection, table: Table, found: Iterator[bytes]) -> int:
    head = next(found, None)
    if head is None:
        return 0
    columns = tuple(Column(*each) for each in json.loads(head))
    if {each.name for each in columns} != {each.name for each in table.columns}:
        raise UnknownTypeError(f"The table {table.name} has other columns in the backup.")
    clause, count = Table(table.name, columns, ()).selectable(), 0
    while block := list(islice(found, _BLOCK)):
        rows = []
        for line in block:
            values = zip(columns, json.loads(line), strict=True)
            rows.append({column.name: _value(column.kind, value) for column, value in values})
        connection.execute(sa.insert(clause), rows)
        count += len(rows)
    return count


def _value(kind: str, value: Any) -> Any:
    return _READ[kind](value) if value is not None and kind in _READ else value


@contextmanager
def _rules_off(connection: sa.Connection, there: list[Table]) -> Iterator[None]:
    """Disable the triggers; they are restored before the transaction ends, or everything is rolled back."""
    if connection.dialect.name == "postgresql":
        for table in there:
            connection.exec_driver_sql(f'ALTER TABLE "{table.name}" DISABLE TRIGGER USER')
        yield
        for table in there:
            connection.exec_driver_sql(f'ALTER TABLE "{table.name}" ENABLE TRIGGER USER')
        return
    triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
    for name, _ in triggers:
        connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
    yield
    for _, statement in triggers:
        connection.exec_driver_sql(statement)


def _go_on_counting(connection: sa.Connection, table: Table) -> None:
    """Set PostgreSQL's sequences after the highest number; SQLite finds it itself."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.columns:
        if column.kind != "integer":
            continue
        sequence = connection.execute(
            sa.text("SELECT pg_get_serial_sequence(:table, :column)"),
            {"table": table.name, "column": column.name},
        ).scalar()
        if sequence:
            highest = connection.execute(
                sa.select(sa.func.max(sa.column(column.name))).select_from(sa.table(table.name))
            ).scalar()
            connection.execute(
                sa.text("SELECT setval(:sequence, :number, :used)"),
                {"sequence": sequence, "number": highest or 1, "used": highest is not None},
            )


def is_empty(connection: sa.Connection) -> bool:
    """Whether nothing would be lost: no tables, or ours without an account. Migrations and a first start add rows."""
    there = {table.name: table for table in tables(connection)}
    if "users" not in there:
        return not there
    return (
        connection.execute(sa.select(sa.literal(1)).select_from(there["users"].selectable()).limit(1)).first()
        is None
    )


def drop_everything(connection: sa.Connection) -> None:
    """Drop all tables, and PostgreSQL's trigger functions."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    metadata.drop_all(connection)
    if connection.dialect.name == "postgresql":
        names = connection.exec_driver_sql(
            "SELECT oid::regprocedure::text FROM pg_proc "
            "WHERE pronamespace = current_schema()::regnamespace AND starts_with(proname, 'csss_')"
        ).scalars()
        for name in names.all():
            connection.exec_driver_sql(f"DROP FUNCTION {name} CASCADE")
