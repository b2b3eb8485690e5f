"""Tables for a doctor's working material, which is not part of a scan's record: unsigned drafts, text templates, and
the saved view of the worklist."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from csss.clock import now
from csss.database import Model, text_enum
from csss.scans.states import Agreement, ScanKind


class ReviewDraft(Model):
    """What a doctor has typed about a scan and not yet signed. Only that doctor sees it. It may change and be
    deleted."""

    __tablename__ = "review_drafts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    doctor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    findings: Mapped[str] = mapped_column(Text, default="")
    impression: Mapped[str] = mapped_column(Text, default="")
    diagnosis: Mapped[str] = mapped_column(Text, default="")
    agreement: Mapped[Agreement | None] = mapped_column(text_enum(Agreement, "draft_agreement"))
    critical: Mapped[bool] = mapped_column(default=False, server_default=false())
    critical_action: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    saved_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        UniqueConstraint("scan_id", "doctor_id"),
        Index("ix_review_drafts_doctor", "doctor_id", "saved_at"),
    )


class ReportTemplate(Model):
    """A text template that a doctor inserts into findings and impression. It never fills in the diagnosis."""

    __tablename__ = "report_templates"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    doctor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    position: Mapped[int]  # the doctor's own order; starts at 1
    title: Mapped[str] = mapped_column(String(80))
    kind: Mapped[ScanKind | None] = mapped_column(text_enum(ScanKind, "template_kind"))  # None: for any scan
    findings: Mapped[str] = mapped_column(Text, default="")
    impression: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (Index("ix_report_templates_doctor", "doctor_id", "position"),)


class WorklistView(Model):
    """The filters and the order with which a doctor's worklist opens. It names no patient: what was searched for is not
    part of it."""

    __tablename__ = "worklist_views"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    filters: Mapped[dict[str, str]] = mapped_column(JSON)
    saved_at: Mapped[datetime] = mapped_column(default=now)
