"""Tables of the audit log. It is for investigation; features never read it."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from csss.clock import now
from csss.database import APPEND_ONLY, Model


class AuditEvent(Model):
    """One event. `actor` is empty for somebody who was not signed in, and for the system."""

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    action: Mapped[str] = mapped_column(String(60))
    actor_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    actor_role: Mapped[str] = mapped_column(String(20), default="")
    subject_type: Mapped[str] = mapped_column(String(30), default="")
    subject_id: Mapped[str] = mapped_column(String(36), default="")
    origin: Mapped[str] = mapped_column(String(60))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    # Each index begins with a search column and ends with the time by which the log is sorted.
    __table_args__ = (
        Index("ix_audit_events_at", "at"),
        Index("ix_audit_events_action", "action", "at"),
        Index("ix_audit_events_actor", "actor_id", "at"),
        Index("ix_audit_events_subject", "subject_id", "at"),
        {"info": APPEND_ONLY},
    )


class AuditSeal(Model):
    """An event's place in the chain (`csss.audit.chain`): numbers without gaps; each hash covers the previous one.

    It is a table of its own, so that the event's row is written once and never changed.
    """

    __tablename__ = "audit_seals"

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    event_id: Mapped[int] = mapped_column(ForeignKey("audit_events.id"), unique=True)
    hash: Mapped[str] = mapped_column(String(64))
    mac: Mapped[str] = mapped_column(String(64))  # HMAC of the hash under the secret key
    key_id: Mapped[str] = mapped_column(String(8))

    __table_args__ = ({"info": APPEND_ONLY},)
