"""Run the migrations on the application's own database."""

from alembic import context
from flask import current_app

from csss.database import Base, UTCDateTime

migrate = current_app.extensions["migrate"]
engine = migrate.db.engine


def render_item(kind, item, autogen_context):
    """Write our own types as database types, so that a migration never imports the application."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run() -> None:
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_item=render_item,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
