"""What has to happen, written in the transaction that causes it.

Capabilities call `add`; they never know who does the work. `csss.jobs` registers a dispatcher, hands each row to a
worker after the commit, and sweeps for rows that were lost on the way.
"""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask import current_app
from sqlalchemy import JSON, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from csss.clock import now
from csss.database import Model, after_commit, db, text_enum


class Queue(StrEnum):
    """Each worker process listens to exactly one of these."""

    INFERENCE = "inference"
    REPORTS = "reports"
    MAIL = "mail"
    CODES = "codes"


class OutboxJob(Model):
    """One piece of work. `args` holds ids only."""

    __tablename__ = "outbox"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    queue: Mapped[Queue] = mapped_column(text_enum(Queue))
    job: Mapped[str] = mapped_column(String(60))
    args: Mapped[list[Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=now)
    due_at: Mapped[datetime] = mapped_column(default=now)
    handed_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]  # a worker is at it; later than this it must have died
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    done_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]  # given up

    __table_args__ = (
        Index(
            "ix_outbox_open",
            "due_at",
            sqlite_where=text("done_at IS NULL AND failed_at IS NULL"),
            postgresql_where=text("done_at IS NULL AND failed_at IS NULL"),
        ),
        Index(
            "ix_outbox_failed",
            "failed_at",
            sqlite_where=text("failed_at IS NOT NULL"),
            postgresql_where=text("failed_at IS NOT NULL"),
        ),
    )


# Where `csss.jobs` registers the function that hands a row over: `dispatch(row id, queue)`. It is called after the
# commit and must not raise; the sweeper makes up for what it could not do.
DISPATCHER = "csss_dispatch"


def add(queue: Queue, job: str, *ids: uuid.UUID) -> OutboxJob:
    """Owe one run of `job` with these ids to `queue`. Belongs inside transaction()."""
    row = OutboxJob(id=uuid.uuid4(), queue=queue, job=job, args=[str(each) for each in ids])
    db.session.add(row)
    row_id = row.id
    after_commit(lambda: current_app.extensions[DISPATCHER](row_id, queue))
    return row
