"""Tables of doctors who work on a scan together: assigned to a colleague, and read by a second one."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model, text_enum
from csss.people.models import User

_OPEN = text("ended_at IS NULL")


class AssignmentEnd(StrEnum):
    SIGNED = "signed"  # by whomever
    GIVEN_BACK = "given_back"
    PASSED_ON = "passed_on"
    CLOSED = "closed"


class ScanAssignment(Model):
    """A scan that one doctor has assigned to another, or taken on. A scan has at most one that is not ended."""

    __tablename__ = "scan_assignments"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), index=True)
    to_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    note: Mapped[str] = mapped_column(Text, default="")
    assigned_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[AssignmentEnd | None] = mapped_column(text_enum(AssignmentEnd))
    ended_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))

    to: Mapped[User] = relationship(foreign_keys=to_id, lazy="joined", innerjoin=True)
    by: Mapped[User] = relationship(foreign_keys=by_id, lazy="joined", innerjoin=True)

    __table_args__ = (
        Index("uq_scan_assignments_open", "scan_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_scan_assignments_to", "to_id", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_scan_assignments_by", "by_id", "assigned_at"),
    )


class SecondReadingRequest(Model):
    """A doctor asks for a second reading; the texts are the asking doctor's own, as they were then.

    A scan has at most one that is not ended. It ends with the signature, when it is withdrawn, or with the scan.
    """

    __tablename__ = "second_reading_requests"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), index=True)
    asked_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime] = mapped_column(default=now, index=True)
    findings: Mapped[str] = mapped_column(Text)
    impression: Mapped[str] = mapped_column(Text)
    diagnosis: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None]
    withdrawn_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))

    asked_by: Mapped[User] = relationship(foreign_keys=asked_by_id, lazy="joined", innerjoin=True)
    withdrawn_by: Mapped[User | None] = relationship(foreign_keys=withdrawn_by_id, lazy="joined")
    second: Mapped["SecondReading | None"] = relationship(viewonly=True)

    __table_args__ = (
        Index(
            "uq_second_reading_requests_open",
            "scan_id",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )


class SecondReading(Model):
    """What another doctor wrote without knowing the first one's conclusion."""

    __tablename__ = "second_readings"

    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("second_reading_requests.id"), primary_key=True)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), index=True)
    doctor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    findings: Mapped[str] = mapped_column(Text)
    impression: Mapped[str] = mapped_column(Text)
    diagnosis: Mapped[str] = mapped_column(Text)
    same: Mapped[bool]  # the same conclusion, but for capitals and punctuation
    written_at: Mapped[datetime] = mapped_column(default=now, index=True)

    doctor: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)
