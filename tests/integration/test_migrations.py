"""The migrations make exactly the tables that the models describe, and they can be taken back."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy.exc import IntegrityError

from csss.database import Base, db
from csss.paths import MIGRATIONS
from csss.scans.states import Status
from tests.factories import Clinic


def differences() -> list[object]:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, Base.metadata))


def described() -> dict[str, object]:
    """Everything the database says of its tables, checks and triggers included."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
            )
        else:
            rows = connection.exec_driver_sql(
                "SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) FROM pg_trigger "
                "WHERE NOT tgisinternal UNION ALL "
                "SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint "
                "WHERE connamespace = 'public'::regnamespace UNION ALL "
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL "
                "SELECT proname::text, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            )
        return {row[0]: _in_any_order(row[1]) for row in rows}


def _in_any_order(sql: str | None) -> list[str]:
    """The lines of a definition sorted: a table that SQLite has made anew has its constraints in another order."""
    return sorted(line.strip().rstrip(",") for line in (sql or "").splitlines())


def checks_of_models() -> set[str]:
    """Alembic does not compare CHECKs; these keep every enum to its members."""
    return {
        str(constraint.name)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint)
    }


@pytest.mark.both_databases
def test_models_and_migrations_are_equal(app: Flask) -> None:
    assert differences() == [], "the models have changed: write a migration that does the same"
    found = sa.inspect(db.engine)
    named = {check["name"] for table in Base.metadata.tables for check in found.get_check_constraints(table)}
    missing, surplus = sorted(checks_of_models() - named), sorted(named - checks_of_models())
    assert not missing, (
        f"no migration makes these CHECKs of the models on {db.engine.dialect.name}: {missing}. On SQLite, "
        "op.add_column leaves the CHECK out: CONTRIBUTING.md says how to add a column of choices."
    )
    assert not surplus, f"no model has these CHECKs of the migrations: {surplus}"


@pytest.mark.both_databases
def test_every_enum_is_kept_to_its_members(app: Flask) -> None:
    found = sa.inspect(db.engine)
    for table in Base.metadata.tables.values():
        texts = " ".join(check["sqltext"] for check in found.get_check_constraints(table.name))
        for column in table.columns:
            if isinstance(column.type, sa.Enum):
                for member in column.type.enums:
                    assert f"'{member}'" in texts, (
                        f"no CHECK of {table.name} allows {member} in {column.name}: a migration has to say so"
                    )


@pytest.mark.both_databases
def test_forward_back_and_forward_again(app: Flask) -> None:
    first = described()
    db.engine.dispose()
    downgrade(revision="base")
    db.engine.dispose()
    assert set(sa.inspect(db.engine).get_table_names()) == {"alembic_version"}
    if db.engine.dialect.name == "postgresql":
        assert not [name for name in described() if name.startswith("csss_")]
    upgrade()
    db.engine.dispose()
    assert described() == first
    assert differences() == []


@pytest.mark.both_databases
def test_after_the_way_back_and_forth_the_rules_are_there(app: Flask) -> None:
    downgrade(revision="base")
    upgrade()
    db.engine.dispose()
    Clinic(app).scan(Status.AI_ANALYZED)
    db.session.commit()
    with pytest.raises(IntegrityError), db.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE scans SET status = 'REPORT_READY'")


@pytest.mark.both_databases
def test_upgrading_twice_does_nothing(app: Flask) -> None:
    before = described()
    upgrade()
    assert described() == before


def test_the_history_is_one_line() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_migrations_never_import_the_application() -> None:
    """They tell what was, then; the code has moved on when they run."""
    for path in (MIGRATIONS / "versions").glob("*.py"):
        assert "csss." not in path.read_text("utf-8") and "import csss" not in path.read_text("utf-8")
