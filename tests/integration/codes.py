"""One-time codes: asking for one, reading it from the mail, using it."""

import re
import uuid
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import update

from csss.auth import authenticator_app, second_factor
from csss.auth.models import CodePurpose, OneTimeCode
from csss.database import db, transaction
from csss.errors import Counted
from csss.people.models import User
from tests.factories import Clinic

SIGN_IN, APPROVAL = CodePurpose.SIGN_IN, CodePurpose.APPROVAL
SUBJECT = uuid.uuid4()


def request(user: User, purpose: CodePurpose = SIGN_IN, subject: uuid.UUID = SUBJECT) -> uuid.UUID:
    with transaction():
        return second_factor.request_code(user, purpose, subject).id


def mailed_code(clinic: Clinic) -> str:
    clinic.run_jobs("send_mail")
    body = clinic.mail[-1].get_body().get_content()
    (digits,) = re.findall(r"\d{6}", body)
    return str(digits)


def accepted(
    user: User, digits: str, purpose: CodePurpose = SIGN_IN, subject: uuid.UUID = SUBJECT
) -> second_factor.Proof:
    with transaction():
        return second_factor.check(user, purpose, subject, digits)


def refused(user: User, digits: str, purpose: CodePurpose = SIGN_IN, subject: uuid.UUID = SUBJECT) -> str:
    with pytest.raises(Counted) as refusal:
        accepted(user, digits, purpose, subject)
    return refusal.value.errors["code"]


def other_than(digits: str) -> str:
    return f"{(int(digits) + 1) % 1_000_000:06d}"


def set_back(code_id: uuid.UUID, by: timedelta) -> None:
    """Make the code older, as if it had been requested and sent earlier."""
    with transaction():
        code = db.session.get_one(OneTimeCode, code_id)
        code.requested_at -= by
        if code.expires_at is not None:
            code.expires_at -= by


def with_app(user: User, *, steps_ago: int = 10) -> pyotp.TOTP:
    """Set up an authenticator app, a while ago."""
    secret = authenticator_app.new_totp_secret()
    totp = pyotp.TOTP(secret)
    with transaction():
        authenticator_app.confirm_totp(user, secret, totp.now())
    with transaction():
        db.session.execute(
            update(User).where(User.id == user.id).values(totp_last_step=User.totp_last_step - steps_ago)
        )
    return totp
