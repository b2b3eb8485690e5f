"""Registering without telling strangers who has an account: an address that is taken is answered like a new one."""

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

BETWEEN_MAILS = timedelta(hours=1)  # strangers shall not fill somebody's mailbox


def ask_for_account(
    *,
    email: str,
    name: str,
    password: str,
    password_hash: str,
    role: Role,
    patient: PatientDetails | None,
) -> None:
    """Make the account (`accounts.register`), or tell the owner of the address by mail that there is one already.

    Raises Invalid for what is wrong with the entries, in either case alike. Belongs inside transaction().
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
    db.session.refresh(owner, with_for_update=True)  # of two at once one tells
    record("account.registered_again", owner)
    told = select(MailMessage.id).where(
        MailMessage.user_id == owner.id,
        MailMessage.kind == MailKind.ADDRESS_TAKEN,
        MailMessage.created_at > now() - BETWEEN_MAILS,
    )
    if db.session.scalar(told.limit(1)) is None:
        owe(MailKind.ADDRESS_TAKEN, owner, uuid.uuid4())
