"""Tables of sessions, one-time codes, recovery codes, reset links and unsent forms."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import Model, text_enum
from csss.people.models import User


class UserSession(Model):
    """One sign-in on one device. `key_hash` is the SHA-256 of the cookie's key, so a copy of the table opens
    nothing."""

    __tablename__ = "user_sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime] = mapped_column(default=now, index=True)
    complete: Mapped[bool] = mapped_column(default=False)  # False until the second factor is shown
    # The last step of the sign-in: "password", or a Proof.method.
    method: Mapped[str] = mapped_column(String(20), default="", server_default=text("''"))
    second_factor_tries: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(String(60), default="")
    device: Mapped[str] = mapped_column(String(200), default="")

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class UnsentForm(Model):
    """What somebody had typed when the session ended (`csss.auth.unsent`)."""

    __tablename__ = "unsent_forms"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    session_id: Mapped[uuid.UUID]  # the session that had ended; its row may be deleted
    patient_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("patients.id"), index=True)
    endpoint: Mapped[str] = mapped_column(String(60))
    page: Mapped[str] = mapped_column(String(200))
    content: Mapped[str] = mapped_column(Text)  # encrypted
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)

    __table_args__ = (UniqueConstraint("user_id", "session_id", "page"),)


class CodePurpose(StrEnum):
    SIGN_IN = "sign_in"
    APPROVAL = "approval"


class OneTimeCode(Model):
    """A six-digit code by e-mail, for one purpose and one subject (the session, or what is to be approved). It is
    valid only in the session that requested it.

    The mail job generates the code when it sends it and stores only its keyed hash here.
    """

    __tablename__ = "one_time_codes"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    purpose: Mapped[CodePurpose] = mapped_column(text_enum(CodePurpose))
    subject_id: Mapped[uuid.UUID]
    session_id: Mapped[uuid.UUID | None]  # None: requested before sessions were recorded, valid nowhere
    requested_at: Mapped[datetime] = mapped_column(default=now)
    code_hash: Mapped[str | None] = mapped_column(String(64))
    expires_at: Mapped[datetime | None]  # set with the code, so that the lifetime stated in the mail is true
    tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (Index("ix_one_time_codes_lookup", "user_id", "purpose", "subject_id", "requested_at"),)


class RecoveryCode(Model):
    """A code on paper for when mail and authenticator app both fail. Stored as a keyed hash, works once."""

    __tablename__ = "recovery_codes"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime | None]


class PasswordReset(Model):
    """A link by e-mail that sets a new password once. The mail job generates its token and stores only the hash
    here."""

    __tablename__ = "password_resets"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    requested_at: Mapped[datetime] = mapped_column(default=now, index=True)
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime | None]  # set with the token, so that the lifetime stated in the mail is true
    used_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class InvitedRole(StrEnum):
    """The roles of staff: patients register themselves. The values are those of `Role`."""

    ADMIN = "admin"
    DOCTOR = "doctor"
    PHARMACIST = "pharmacist"


class StaffInvitation(Model):
    """A link by e-mail with which somebody invited by an administrator makes a staff account. The mail job generates its
    token and stores only the hash here. Sending it again makes a new row and withdraws the old one."""

    __tablename__ = "staff_invitations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    email: Mapped[str] = mapped_column(String(254), index=True)  # lower case
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[InvitedRole] = mapped_column(text_enum(InvitedRole))
    invited_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    invited_at: Mapped[datetime] = mapped_column(default=now, index=True)
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime | None]  # set with the token, so that the lifetime stated in the mail is true
    used_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))  # the account made with it

    invited_by: Mapped[User] = relationship(foreign_keys=invited_by_id, lazy="joined", innerjoin=True)
