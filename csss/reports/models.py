"""Tables of a report's release and of its stored versions."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model
from csss.people.models import User
from csss.scans.models import Scan


class Approval(Model):
    """An administrator's release of a report, and the second factor that was used."""

    __tablename__ = "approvals"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), unique=True)
    admin_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    second_factor: Mapped[str] = mapped_column(String(20))
    approved_at: Mapped[datetime] = mapped_column(default=now, index=True)

    admin: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)


class ReportVersion(Model):
    """One stored PDF. Version 1 follows the approval; each addendum makes one more."""

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


class ApprovalBatch(Model):
    """Reports that an administrator wants to approve with one code. Its content never changes: another selection is
    another batch, so a code for this one approves nothing else."""

    __tablename__ = "approval_batches"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    admin_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    approved_at: Mapped[datetime | None]  # when its code was accepted
    cancelled_at: Mapped[datetime | None]  # when another selection replaced it

    items: Mapped[list["ApprovalBatchItem"]] = relationship(
        order_by="ApprovalBatchItem.position", lazy="selectin"
    )

    __table_args__ = (Index("ix_approval_batches_admin", "admin_id", "created_at"),)


class ApprovalBatchItem(Model):
    """One report of a batch, in the versions that were shown when it was selected (0: there was none)."""

    __tablename__ = "approval_batch_items"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    batch_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("approval_batches.id"))
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    position: Mapped[int]
    review_version: Mapped[int]
    prescription_version: Mapped[int]
    approved: Mapped[bool | None]  # None until the batch's code is accepted
    left_because: Mapped[str] = mapped_column(Text, default="")  # why it was not approved with the others

    __table_args__ = (UniqueConstraint("batch_id", "scan_id"),)
