"""A prescription and its lines."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.auth.models import User
from csss.clock import now
from csss.database import APPEND_ONLY, Model, text_enum


class Route(StrEnum):
    """How a medicine is given. Common routes of administration; the words follow EDQM standard terms."""

    ORAL = "oral"
    INTRAVENOUS = "intravenous"
    INTRAMUSCULAR = "intramuscular"
    SUBCUTANEOUS = "subcutaneous"
    INHALED = "inhaled"
    NASAL = "nasal"
    SUBLINGUAL = "sublingual"
    TOPICAL = "topical"
    TRANSDERMAL = "transdermal"
    OPHTHALMIC = "ophthalmic"
    OTIC = "otic"
    RECTAL = "rectal"
    OTHER = "other"

    @property
    def human(self) -> str:
        return self.value.capitalize()


class Prescription(Model):
    """The pharmacist's part. A correction is a further version; the old one stays."""

    __tablename__ = "prescriptions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    version: Mapped[int]
    pharmacist_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    none_needed: Mapped[bool] = mapped_column(default=False)
    notes: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=now)

    pharmacist: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    items: Mapped[list["PrescriptionItem"]] = relationship(
        order_by="PrescriptionItem.position", lazy="selectin"
    )

    __table_args__ = (UniqueConstraint("scan_id", "version"), {"info": APPEND_ONLY})


class PrescriptionItem(Model):
    """One medicine."""

    __tablename__ = "prescription_items"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    prescription_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("prescriptions.id"))
    position: Mapped[int]
    drug: Mapped[str] = mapped_column(String(200))
    dose: Mapped[str] = mapped_column(String(100))
    route: Mapped[Route] = mapped_column(text_enum(Route))
    frequency: Mapped[str] = mapped_column(String(100))
    duration: Mapped[str] = mapped_column(String(100), default="")

    __table_args__ = (UniqueConstraint("prescription_id", "position"), {"info": APPEND_ONLY})
