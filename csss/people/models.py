"""Tables of accounts and patient records."""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model, text_enum
from csss.people.permissions import Permission, role_may
from csss.people.roles import Role

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
    # For reports that a doctor or pharmacist signs; empty: not given.
    registration_number: Mapped[str] = mapped_column(String(60), default="", server_default=text("''"))
    specialty: Mapped[str] = mapped_column(String(80), default="", server_default=text("''"))
    password_hash: Mapped[str] = mapped_column(String(80))
    role: Mapped[Role] = mapped_column(text_enum(Role))
    state: Mapped[AccountState] = mapped_column(text_enum(AccountState))
    created_at: Mapped[datetime] = mapped_column(default=now)
    email_confirmed_at: Mapped[datetime | None]
    totp_secret: Mapped[str | None] = mapped_column(String(200))  # encrypted
    totp_confirmed_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None]  # the newest accepted 30-second step: no step is accepted twice
    erased_at: Mapped[
        datetime | None
    ]  # a patient whose data was erased; the database refuses any further change here

    patient: Mapped["Patient | None"] = relationship(back_populates="user")
    passkeys: Mapped[list["Passkey"]] = relationship(back_populates="user", order_by="Passkey.created_at")

    __table_args__ = (Index("ix_users_state", "state", "created_at"),)

    # Required by Flask-Login. The cookie holds the key of a session row, never the user's id.
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
        """Administrators always; others once they have set up an authenticator app or a passkey."""
        return self.role is Role.ADMIN or self.totp_confirmed_at is not None or bool(self.passkeys)


class Patient(Model):
    """A patient record. It exists by itself: a sign-in account may belong to it or not.

    Of a record with an account, `name` repeats the name of the account (triggers keep it so for the previous release),
    and `email` is empty: the address is the account's.
    """

    __tablename__ = "patients"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"), unique=True)
    name: Mapped[str] = mapped_column(String(120), default="", server_default=text("''"))
    mrn: Mapped[str] = mapped_column(String(20), unique=True)  # in CSSS, whoever has given it
    mrn_issuer: Mapped[str] = mapped_column(
        String(64), default="", server_default=text("''")
    )  # empty: CSSS itself
    date_of_birth: Mapped[date]
    sex: Mapped[Sex] = mapped_column(text_enum(Sex))
    phone: Mapped[str] = mapped_column(String(40), default="")
    address: Mapped[str] = mapped_column(Text, default="")
    blood_group: Mapped[str] = mapped_column(String(3), default="")
    allergies: Mapped[str] = mapped_column(Text, default="")
    emergency_contact_name: Mapped[str] = mapped_column(String(120), default="")
    emergency_contact_phone: Mapped[str] = mapped_column(String(40), default="")
    report_passphrase: Mapped[str | None] = mapped_column(String(400))  # encrypted
    email: Mapped[str] = mapped_column(
        String(254), default="", server_default=text("''")
    )  # without an account
    email_confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime | None] = mapped_column(default=now)  # None: made by the previous release
    merged_at: Mapped[datetime | None]  # it has become part of another record (`csss.people.record_models`)
    erased_at: Mapped[datetime | None]

    user: Mapped[User | None] = relationship(back_populates="patient", lazy="joined")

    __table_args__ = (Index("ix_patients_date_of_birth", "date_of_birth"),)

    @property
    def holder(self) -> "User | Patient":
        """What the audit log names: the account, or the record itself where there is none."""
        return self.user or self

    @property
    def is_erased(self) -> bool:
        return self.erased_at is not None or (self.user is not None and self.user.erased_at is not None)

    @property
    def contact_email(self) -> str:
        """The address of the account, or the one that the record has; empty without."""
        return self.user.email if self.user is not None else self.email

    @property
    def contact_confirmed(self) -> bool:
        """Whether reports may be mailed to this address."""
        holder = self.user or self
        return holder.email_confirmed_at is not None


class PatientCorrection(Model):
    """What an administrator has corrected in a patient's details: the old and the new values of the changed fields, and
    why. The audit log names only the fields, because its rows stay when a patient is erased."""

    __tablename__ = "patient_corrections"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    old: Mapped[dict[str, str]] = mapped_column(JSON)
    new: Mapped[dict[str, str]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    corrected_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    corrected_at: Mapped[datetime] = mapped_column(default=now)

    corrected_by: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)


class SearchName(Model):
    """The search words of an account's name (`csss.people.search`). A database trigger deletes them when it changes."""

    __tablename__ = "search_names"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    words: Mapped[str] = mapped_column(Text)


class RecordName(Model):
    """The search words of a patient record's name, kept in the same way."""

    __tablename__ = "record_names"

    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"), primary_key=True)
    words: Mapped[str] = mapped_column(Text)
