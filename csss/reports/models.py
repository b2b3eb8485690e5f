"""The release of a report and the versions that were made of it."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.auth.models import User
from csss.clock import now
from csss.database import APPEND_ONLY, Model
from csss.scans.models import Scan


class Approval(Model):
    """An administrator's release of a report, and with which second factor."""

    __tablename__ = "approvals"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), unique=True)
    admin_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    second_factor: Mapped[str] = mapped_column(String(20))
    approved_at: Mapped[datetime] = mapped_column(default=now, index=True)

    admin: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)


class ReportVersion(Model):
    """One stored PDF. Version 1 follows the approval, each addendum makes one more."""

    __tablename__ = "report_versions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    version: Mapped[int]
    file_key: Mapped[str] = mapped_column(String(80))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]  # bytes
    created_at: Mapped[datetime] = mapped_column(default=now)

    scan: Mapped[Scan] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (UniqueConstraint("scan_id", "version"), {"info": APPEND_ONLY})
