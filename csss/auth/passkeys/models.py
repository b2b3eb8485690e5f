"""Tables of passkeys and their challenges."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import Model, text_enum
from csss.people.models import User

NAME_MAX = 60


class Passkey(Model):
    """The public half of a person's passkey; nothing in it is secret."""

    __tablename__ = "passkeys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)  # base64url of at most 1023 bytes
    public_key: Mapped[bytes] = mapped_column(LargeBinary)  # COSE
    sign_count: Mapped[int] = mapped_column(BigInteger)  # unsigned 32 bits; many devices keep it at 0
    transports: Mapped[str] = mapped_column(
        String(100), default=""
    )  # WebAuthn transports, separated by commas
    synced: Mapped[
        bool
    ]  # synced to the owner's account with Apple, Google, …, so that it survives a lost phone
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(back_populates="passkeys", lazy="joined", innerjoin=True)


class Ceremony(StrEnum):
    """The purpose of a challenge. An answer for one purpose is never accepted for another."""

    REGISTER = "register"
    SIGN_IN = "sign_in"  # the second step, after the password
    APPROVAL = "approval"
    WITHOUT_PASSWORD = "without_password"


class PasskeyChallenge(Model):
    """One challenge to a passkey; the answer uses it up. It has no session only for signing in without a password."""

    __tablename__ = "passkey_challenges"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    session_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("user_sessions.id", ondelete="CASCADE"), index=True
    )
    ceremony: Mapped[Ceremony] = mapped_column(text_enum(Ceremony))
    subject_id: Mapped[uuid.UUID | None]  # the session, or the scan or batch to approve
    challenge: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(index=True)
