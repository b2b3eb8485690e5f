"""Tables of erasures, legal holds, and files that must still be removed."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model
from csss.people.models import Patient, User


class ErasureDoor(Model):
    """Never has a row. A deferred foreign key to it cannot be committed: see migration 0013."""

    __tablename__ = "erasure_door"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Erasure(Model):
    """The record that a patient was erased: when, by whom (empty: on the command line), why, and how much was
    deleted.

    `opened` is 1 during the erasure, only inside that transaction; meanwhile the database allows deleting this
    patient's rows.
    """

    __tablename__ = "erasures"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"), unique=True)
    by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    reason: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(String(60))
    counts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # rows by table, and files
    opened: Mapped[int | None] = mapped_column(
        ForeignKey("erasure_door.id", deferrable=True, initially="DEFERRED"), default=1
    )

    patient: Mapped[Patient] = relationship(lazy="joined", innerjoin=True)
    by: Mapped[User | None] = relationship(lazy="joined")

    __table_args__ = ({"info": APPEND_ONLY},)


class LegalHold(Model):
    """A reason to keep a patient's data, whatever anybody requests. Only one is open at a time."""

    __tablename__ = "legal_holds"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    placed_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    placed_at: Mapped[datetime] = mapped_column(default=now)
    lifted_because: Mapped[str] = mapped_column(Text, default="")
    lifted_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    lifted_at: Mapped[datetime | None]

    placed_by: Mapped[User] = relationship(foreign_keys=placed_by_id, lazy="joined", innerjoin=True)
    lifted_by: Mapped[User | None] = relationship(foreign_keys=lifted_by_id, lazy="joined")


class ErasedFile(Model):
    """A file of an erased person. It is removed after the commit, and a second time later (`erasing.leftovers`)."""

    __tablename__ = "erased_files"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    key: Mapped[str] = mapped_column(String(80))
    due_at: Mapped[datetime] = mapped_column(default=now)
    removed_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_erased_files_due_at", "due_at"),)
