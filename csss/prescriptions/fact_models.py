"""Tables of what a patient states for the pharmacist, and of the pharmacist's unsigned drafts."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model, text_enum
from csss.people.models import User
from csss.prescriptions.safety import Kidney, Pregnancy


class StatedFacts(Model):
    """What is known of a patient on the day of a scan. Another answer adds a version; the newest counts.

    It belongs to the scan, not to the patient: weight, pregnancy and kidneys are those of a day.
    """

    __tablename__ = "stated_facts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    version: Mapped[int]
    stated_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    weight_grams: Mapped[int | None]
    pregnancy: Mapped[Pregnancy | None] = mapped_column(text_enum(Pregnancy))
    kidney: Mapped[Kidney | None] = mapped_column(text_enum(Kidney))
    egfr: Mapped[int | None]  # ml/min/1.73 m²
    medicines: Mapped[str] = mapped_column(Text, default="")
    allergies: Mapped[str] = mapped_column(Text, default="")  # as they were stated then
    stated_at: Mapped[datetime] = mapped_column(default=now)

    stated_by: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (UniqueConstraint("scan_id", "version"), {"info": APPEND_ONLY})


class PrescriptionDraft(Model):
    """What a pharmacist has typed and not yet signed. Only that pharmacist sees it. It may change and be deleted."""

    __tablename__ = "prescription_drafts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    pharmacist_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # the fields of a Line
    none_needed: Mapped[bool] = mapped_column(default=False)
    notes: Mapped[str] = mapped_column(Text, default="")
    saved_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        UniqueConstraint("scan_id", "pharmacist_id"),
        Index("ix_prescription_drafts_pharmacist", "pharmacist_id", "saved_at"),
    )
