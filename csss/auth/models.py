"""People and what lets them in."""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.auth.permissions import Permission, role_may
from csss.auth.roles import Role
from csss.clock import now
from csss.database import Model, text_enum

if TYPE_CHECKING:
    from csss.auth.passkeys.models import Passkey


class AccountState(StrEnum):
    WAITING = "waiting"  # registered as staff, not yet approved
    ACTIVE = "active"
    REFUSED = "refused"
    DEACTIVATED = "deactivated"


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class User(Model):
    """An account. The role never changes: somebody with two roles has two accounts."""

    __tablename__ = "users"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    email: Mapped[str] = mapped_column(String(254), unique=True)  # lower case
    name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[str] = mapped_column(String(80))
    role: Mapped[Role] = mapped_column(text_enum(Role))
    state: Mapped[AccountState] = mapped_column(text_enum(AccountState))
    created_at: Mapped[datetime] = mapped_column(default=now)
    email_confirmed_at: Mapped[datetime | None]
    totp_secret: Mapped[str | None] = mapped_column(String(200))  # encrypted
    totp_confirmed_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None]  # the newest accepted 30-second step: none is accepted twice
    erased_at: Mapped[
        datetime | None
    ]  # a patient whose data is gone; the database lets nothing here change any more

    patient: Mapped["Patient | None"] = relationship(back_populates="user")
    passkeys: Mapped[list["Passkey"]] = relationship(back_populates="user", order_by="Passkey.created_at")

    __table_args__ = (Index("ix_users_state", "state", "created_at"),)

    # What Flask-Login asks. The cookie holds the key of a session row, never the user's own id.
    session_key = ""
    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        return self.state is AccountState.ACTIVE

    def get_id(self) -> str:
        return self.session_key

    def may(self, permission: Permission) -> bool:
        return role_may(self.role, permission)

    @property
    def needs_second_factor(self) -> bool:
        """Administrators always; everybody who has set up an authenticator app or a passkey."""
        return self.role is Role.ADMIN or self.totp_confirmed_at is not None or bool(self.passkeys)


class Patient(Model):
    """The patient record that belongs to a patient's account."""

    __tablename__ = "patients"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), unique=True)
    mrn: Mapped[str] = mapped_column(String(20), unique=True)
    date_of_birth: Mapped[date]
    sex: Mapped[Sex] = mapped_column(text_enum(Sex))
    phone: Mapped[str] = mapped_column(String(40), default="")
    address: Mapped[str] = mapped_column(Text, default="")
    blood_group: Mapped[str] = mapped_column(String(3), default="")
    allergies: Mapped[str] = mapped_column(Text, default="")
    emergency_contact_name: Mapped[str] = mapped_column(String(120), default="")
    emergency_contact_phone: Mapped[str] = mapped_column(String(40), default="")
    report_passphrase: Mapped[str | None] = mapped_column(String(400))  # encrypted

    user: Mapped[User] = relationship(back_populates="patient", lazy="joined", innerjoin=True)


class SearchName(Model):
    """The plain words of somebody's name (`csss.searching`). The database drops them when the name changes."""

    __tablename__ = "search_names"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    words: Mapped[str] = mapped_column(Text)


class UserSession(Model):
    """One sign-in on one device. `key_hash` is SHA-256 of the key in the cookie, so a copy of the table opens nothing."""

    __tablename__ = "user_sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime] = mapped_column(default=now, index=True)
    complete: Mapped[bool] = mapped_column(default=False)  # False while the second factor is awaited
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
    session_id: Mapped[uuid.UUID]  # the one that had ended; its row may be gone by now
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
    """A six-digit code by e-mail, for one purpose and one subject (the session, or what is to be approved), good only in
    the session that asked for it.

    The mail job draws the code when it sends it and keeps only its keyed hash here.
    """

    __tablename__ = "one_time_codes"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    purpose: Mapped[CodePurpose] = mapped_column(text_enum(CodePurpose))
    subject_id: Mapped[uuid.UUID]
    session_id: Mapped[uuid.UUID | None]  # None: asked for before sessions were kept, good nowhere
    requested_at: Mapped[datetime] = mapped_column(default=now)
    code_hash: Mapped[str | None] = mapped_column(String(64))
    expires_at: Mapped[datetime | None]  # set with the code, so that the life told in the mail is true
    tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (Index("ix_one_time_codes_lookup", "user_id", "purpose", "subject_id", "requested_at"),)


class RecoveryCode(Model):
    """A code on paper for when mail and authenticator app both fail. Kept as a keyed hash, works once."""

    __tablename__ = "recovery_codes"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime | None]


class PasswordReset(Model):
    """A link by e-mail that sets a new password once. The mail job draws its token and keeps only the hash here."""

    __tablename__ = "password_resets"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    requested_at: Mapped[datetime] = mapped_column(default=now, index=True)
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime | None]  # set with the token, so that the life told in the mail is true
    used_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)
