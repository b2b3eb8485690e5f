"""Tables of critical results: what must be acted on now, and who has taken note of it."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model, text_enum
from csss.people.models import User
from csss.people.roles import Role
from csss.scans.models import Scan


class CriticalStep(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    WITHDRAWN = "withdrawn"


class CriticalResult(Model):
    """A signed reading, or an addendum, that says what somebody must do now.

    The sentence stays with the signed text, too. Only `settled_at` and `withdrawn_at` change, each once.
    """

    __tablename__ = "critical_results"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    number: Mapped[int]  # of this scan; the newest that is not withdrawn counts
    action: Mapped[str] = mapped_column(Text)
    review_version: Mapped[int | None]
    addendum_number: Mapped[int | None]
    marked_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    marked_at: Mapped[datetime] = mapped_column(default=now)
    settled_at: Mapped[datetime | None]  # somebody has taken note, or it was withdrawn: nobody waits any more
    withdrawn_at: Mapped[datetime | None]

    scan: Mapped[Scan] = relationship(viewonly=True)
    marked_by: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    events: Mapped[list["CriticalEvent"]] = relationship(order_by="CriticalEvent.at", viewonly=True)

    __table_args__ = (
        UniqueConstraint("scan_id", "number"),
        Index("ix_critical_results_marked_at", "marked_at"),
        Index(
            "ix_critical_results_open",
            "marked_at",
            sqlite_where=text("settled_at IS NULL"),
            postgresql_where=text("settled_at IS NULL"),
        ),
    )

    @property
    def acknowledgement(self) -> "CriticalEvent | None":
        return next((each for each in self.events if each.what is CriticalStep.ACKNOWLEDGED), None)

    @property
    def escalations(self) -> "list[CriticalEvent]":
        return [each for each in self.events if each.what is CriticalStep.ESCALATED]


class CriticalEvent(Model):
    """Somebody has taken note of a critical result, nobody had (the `step`-th time), or its doctor has withdrawn it.

    The unique key lets each of them happen once.
    """

    __tablename__ = "critical_events"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    result_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("critical_results.id"))
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), index=True)
    what: Mapped[CriticalStep] = mapped_column(text_enum(CriticalStep))
    step: Mapped[int] = mapped_column(default=0)
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))  # None for an escalation
    person_role: Mapped[Role | None] = mapped_column(text_enum(Role, "person_role"))  # at that time
    at: Mapped[datetime] = mapped_column(default=now)
    origin: Mapped[str] = mapped_column(String(60))

    person: Mapped[User | None] = relationship(lazy="joined")

    __table_args__ = (UniqueConstraint("result_id", "what", "step"), {"info": APPEND_ONLY})
