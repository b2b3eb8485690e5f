"""A test on PostgreSQL finds what a migration makes, whatever the test before it did to the database."""

import pytest
import sqlalchemy as sa

from tests.postgres import POSTGRES, ReusedDatabase

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    "harm",
    [
        "ALTER TABLE audit_events DISABLE TRIGGER USER",
        "DROP TRIGGER audit_events_append_only ON audit_events",
        "DROP TABLE audit_seals",
        "ALTER TABLE users ADD COLUMN more TEXT",
        "DELETE FROM alembic_version",
        "INSERT INTO throttle_counters VALUES ('a', 1, now())",
    ],
)
def test_nothing_that_a_test_has_changed_is_left(migrated_postgres: str, harm: str) -> None:
    def look() -> tuple[object, ...]:
        with engine.begin() as connection:
            triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
            columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'"
            rows = ("SELECT count(*) FROM throttle_counters", "SELECT count(*) FROM alembic_version")
            return tuple(connection.exec_driver_sql(each).scalar() for each in (triggers, columns, *rows))

    database = ReusedDatabase(migrated_postgres)
    engine = sa.create_engine(f"{POSTGRES}/{database.name}", poolclass=sa.NullPool)
    try:
        with database.borrowed():
            before = look()
            with engine.begin() as connection:
                connection.exec_driver_sql(harm)
        with database.borrowed():
            assert look() == before
    finally:
        database.drop()
