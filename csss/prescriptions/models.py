"""Tables of prescriptions, their lines, and the templates that fill lines."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model, text_enum
from csss.i18n import lazy_gettext as _l
from csss.people.models import User


class Route(StrEnum):
    """Routes of administration; the names follow EDQM standard terms."""

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
        """The name in the reader's language."""
        return str(_ROUTES[self])


_ROUTES = {
    Route.ORAL: _l("Oral"),
    Route.INTRAVENOUS: _l("Intravenous"),
    Route.INTRAMUSCULAR: _l("Intramuscular"),
    Route.SUBCUTANEOUS: _l("Subcutaneous"),
    Route.INHALED: _l("Inhaled"),
    Route.NASAL: _l("Nasal"),
    Route.SUBLINGUAL: _l("Sublingual"),
    Route.TOPICAL: _l("Topical"),
    Route.TRANSDERMAL: _l("Transdermal"),
    Route.OPHTHALMIC: _l("Ophthalmic"),
    Route.OTIC: _l("Otic"),
    Route.RECTAL: _l("Rectal"),
    Route.OTHER: _l("Other"),
}


class Prescription(Model):
    """The pharmacist's part. A correction adds a version; the old version stays."""

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
    # How dose and frequency were typed: their text above already contains both.
    dose_unit: Mapped[str] = mapped_column(String(30), default="", server_default=text("''"))
    as_needed: Mapped[bool] = mapped_column(default=False, server_default=false())
    # The warnings when it was signed, one sentence per line, and why it is right in spite of them.
    warnings: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    override_reason: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))

    __table_args__ = (UniqueConstraint("prescription_id", "position"), {"info": APPEND_ONLY})


class PrescriptionTemplate(Model):
    """Prepared lines that are prescribed often; without an owner they belong to the whole hospital."""

    __tablename__ = "prescription_templates"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    owner_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    # Who is responsible for it; nobody for those that came with CSSS.
    made_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(100))
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # the fields of a Line but its reason
    notes: Mapped[str] = mapped_column(Text, default="")
    changed_at: Mapped[datetime] = mapped_column(default=now)

    made_by: Mapped[User | None] = relationship(foreign_keys=[made_by_id])
