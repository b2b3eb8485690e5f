"""Tables of merges of records, further numbers of patients, and invitations to claim a record."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model
from csss.people.models import Patient, User


class RecordMerge(Model):
    """Two records of one person became one: `kept` has the scans since, `merged` is closed. It holds no name, because it
    stays when the patient is erased."""

    __tablename__ = "record_merges"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    kept_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    merged_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    differences: Mapped[list[str]] = mapped_column(
        JSON
    )  # the fields that differed, and were confirmed one by one
    account_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))  # that moved to `kept`
    by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(default=now)

    kept: Mapped[Patient] = relationship(foreign_keys=kept_id)
    merged: Mapped[Patient] = relationship(foreign_keys=merged_id)
    by: Mapped[User] = relationship(foreign_keys=by_id, lazy="joined", innerjoin=True)
    separation: Mapped["RecordSeparation | None"] = relationship(lazy="joined")

    __table_args__ = ({"info": APPEND_ONLY},)


class RecordSeparation(Model):
    """A merge was undone: its scans went back to their record."""

    __tablename__ = "record_separations"

    merge_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("record_merges.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(default=now)

    by: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)


class MergedScan(Model):
    """A scan that came to its patient by a merge. Only a number: it stays when the scan is erased."""

    __tablename__ = "merged_scans"

    scan_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    merge_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("record_merges.id"), primary_key=True)

    __table_args__ = ({"info": APPEND_ONLY},)


class PatientNumber(Model):
    """A further number of a patient, such as the one of another hospital, and who has given it."""

    __tablename__ = "patient_numbers"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    issuer: Mapped[str] = mapped_column(String(64))
    number: Mapped[str] = mapped_column(String(64))

    __table_args__ = (UniqueConstraint("number", "issuer"),)


class RecordInvitation(Model):
    """A one-time code with which a patient claims the record, printed on a slip, or mailed to `email`. Only its hash is
    kept. A new one withdraws the earlier ones."""

    __tablename__ = "record_invitations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    email: Mapped[str] = mapped_column(String(254), default="")  # empty: printed
    invited_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    invited_at: Mapped[datetime] = mapped_column(default=now)
    code_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]

    patient: Mapped[Patient] = relationship(lazy="joined", innerjoin=True)
    invited_by: Mapped[User] = relationship(lazy="joined", innerjoin=True)
