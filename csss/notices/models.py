"""Table of every message that CSSS has to send, and its state."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import Model, text_enum
from csss.people.models import User


class MailKind(StrEnum):
    CODE = "code"
    CONFIRM_ADDRESS = "confirm_address"
    ACCOUNT_APPROVED = "account_approved"
    REPORT_READY = "report_ready"
    SCAN_RECEIVED = "scan_received"
    SCAN_CLOSED = "scan_closed"
    RESET_PASSWORD = "reset_password"
    PASSWORD_CHANGED = "password_changed"
    # Something that grants access or opens a mailed report has changed: the owner must know, whoever did it.
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    APP_ADDED = "app_added"
    APP_REMOVED = "app_removed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    SECOND_FACTOR_RESET = "second_factor_reset"
    PASSPHRASE_SET = "passphrase_set"
    PASSPHRASE_REMOVED = "passphrase_removed"
    DETAILS_CORRECTED = "details_corrected"  # the subject is the correction, as for the next one
    ADDRESS_MOVED = "address_moved"  # to the old address, when an administrator has changed it
    INVITATION = "invitation"  # to somebody who has no account yet; `user` is the administrator who invites
    ADDRESS_TAKEN = "address_taken"  # somebody registered with an address that has an account
    CRITICAL_RESULT = "critical_result"  # to pharmacists and administrators: somebody must act now
    CRITICAL_OVERDUE = "critical_overdue"  # to administrators and the doctor; the subject is the escalation
    CRITICAL_WITHDRAWN = "critical_withdrawn"  # to whoever had taken note
    SCAN_ASSIGNED = "scan_assigned"  # to the doctor who is to read it
    SECOND_READING = "second_reading"  # to the doctor who asked for it: it is written
    # To patients without an account; `user` is the administrator who caused it.
    RECORD_INVITATION = "record_invitation"  # to claim the record
    CONFIRM_RECORD_ADDRESS = "confirm_record_address"
    RECORD_REPORT = "record_report"  # the subject is the report version
    WATCH_ALARM = "watch_alarm"  # to administrators: the classifier's pictures or answers have changed


TO_NO_ACCOUNT = frozenset(
    {
        MailKind.INVITATION,
        MailKind.RECORD_INVITATION,
        MailKind.CONFIRM_RECORD_ADDRESS,
        MailKind.RECORD_REPORT,
    }
)


class MailState(StrEnum):
    WAITING = "waiting"  # until the address is confirmed
    QUEUED = "queued"
    SENDING = "sending"  # handed to the mail server, its answer not yet stored
    SENT = "sent"
    FAILED = "failed"  # no more retries
    DROPPED = "dropped"  # a code that expired before it was sent


class MailMessage(Model):
    """One message to one person about one subject; the unique key prevents a duplicate."""

    __tablename__ = "mail_messages"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    kind: Mapped[MailKind] = mapped_column(text_enum(MailKind))
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    subject_id: Mapped[uuid.UUID]  # the code, account, report version, scan, link or correction
    state: Mapped[MailState] = mapped_column(text_enum(MailState), default=MailState.QUEUED)
    created_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    maybe_repeated: Mapped[bool] = mapped_column(default=False)
    message_id: Mapped[str] = mapped_column(String(120))

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (
        UniqueConstraint("kind", "user_id", "subject_id"),
        Index("ix_mail_messages_created", "created_at"),
        Index("ix_mail_messages_kind", "kind", "created_at"),
        Index("ix_mail_messages_state", "state", "created_at"),
    )
