"""Register accounts without revealing who has one: a taken address gets the same answer as a new one."""

import uuid
from datetime import timedelta

from sqlalchemy import select

from csss.audit.record import record
from csss.auth import accounts
from csss.auth.accounts import AddressTaken, PatientDetails
from csss.clock import now
from csss.database import db
from csss.notices.models import MailKind, MailMessage
from csss.notices.services import owe
from csss.people.models import User
from csss.people.roles import Role

BETWEEN_MAILS = timedelta(hours=1)  # strangers must not fill somebody's mailbox


def ask_for_account(
    *,
    email: str,
    name: str,
    password: str,
    password_hash: str,
    role: Role,
    patient: PatientDetails | None,
) -> None:
    """Create the account (`accounts.register`), or tell the owner of the address by mail that one exists.

    Raises Invalid for invalid entries, identically in both cases. Belongs inside transaction().
    """
    try:
        accounts.register(
            email=email, name=name, password=password, password_hash=password_hash, role=role, patient=patient
        )
    except AddressTaken:
        owner = accounts.by_email(accounts.normal_email(email))
        if owner is not None:
            _tell(owner)


def _tell(owner: User) -> None:
    db.session.refresh(owner, with_for_update=True)  # lock: of two concurrent requests, one sends the mail
    record("account.registered_again", owner)
    told = select(MailMessage.id).where(
        MailMessage.user_id == owner.id,
        MailMessage.kind == MailKind.ADDRESS_TAKEN,
        MailMessage.created_at > now() - BETWEEN_MAILS,
    )
    if db.session.scalar(told.limit(1)) is None:
        owe(MailKind.ADDRESS_TAKEN, owner, uuid.uuid4())
