"""Table of uploads in progress. The file is in the storage folder; its length there is the number of bytes
received."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from csss.clock import now
from csss.database import Model


class Upload(Model):
    """A file that is being uploaded. `scan_id` is set once it has become a scan, so that a repeated form finds the
    scan."""

    __tablename__ = "uploads"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"))
    length: Mapped[int]  # bytes, as declared
    digest: Mapped[str] = mapped_column(
        String(64), default=""
    )  # SHA-256 of the whole file as hex, if declared
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    scan_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("scans.id"))

    __table_args__ = (Index("ix_uploads_patient", "patient_id", "created_at"),)
