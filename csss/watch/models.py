"""Alarms of the watch. A row names a version, a kind of scan and a figure, and no patient."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.database import Model, text_enum
from csss.people.models import User
from csss.scans.states import ScanKind
from csss.watch.figures import Figure


class WhyClosed(StrEnum):
    """Why an alarm was closed."""

    WITHIN = "within"  # its limits, for a whole window
    REPLACED = "replaced"  # another version reads the scans now


class WatchAlarm(Model):
    """Something has changed. `was` and `now` are what the figure was when the alarm was opened."""

    __tablename__ = "watch_alarms"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    model_version: Mapped[str] = mapped_column(String(60))
    kind: Mapped[ScanKind] = mapped_column(text_enum(ScanKind))
    figure: Mapped[Figure] = mapped_column(text_enum(Figure))
    answer: Mapped[str] = mapped_column(String(60), default="")  # the class, for Figure.ANSWER
    higher: Mapped[bool]
    was: Mapped[float]
    now: Mapped[float]
    # Of a number: the shares that do not lie above the edge, where both windows differ most.
    edge: Mapped[float | None]
    share_was: Mapped[float | None]
    share_now: Mapped[float | None]
    since: Mapped[datetime]
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]  # the last look at which it was outside its limits
    within_since: Mapped[datetime | None]  # the first look since then
    closed_at: Mapped[datetime | None]
    closed_why: Mapped[WhyClosed | None] = mapped_column(text_enum(WhyClosed, "closed"))
    seen_at: Mapped[datetime | None]  # by an administrator
    seen_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))

    seen_by: Mapped[User | None] = relationship()

    # No second alarm for the same thing while one is open, whichever worker looks.
    __table_args__ = (
        Index(
            "uq_watch_alarms_open",
            "model_version",
            "kind",
            "figure",
            "answer",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_watch_alarms_opened_at", "opened_at"),
    )
