"""Set up and check the authenticator app: time-based one-time codes (RFC 6238: SHA-1, six digits, 30 seconds)."""

import hmac
import re
import uuid

import pyotp

from csss.audit.record import record
from csss.auth import secrets, typed_codes
from csss.clock import now
from csss.errors import Invalid, StateConflict
from csss.hospital.current import hospital
from csss.i18n import gettext
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import User

TOTP_STEP_SECONDS = 30
_SIX_DIGITS = re.compile("[0-9]{6}")  # \d would also match digits on which the ASCII comparison fails


def new_totp_secret() -> str:
    return pyotp.random_base32()


def totp_address(user: User, secret: str) -> str:
    """The otpauth:// address that an authenticator app reads from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=f"CSSS {hospital().name}")


def check_can_set_up(user: User) -> None:
    """Raise StateConflict while an app is set up whose codes can be checked."""
    if has_app(user):
        raise StateConflict(
            gettext("An authenticator app is set up already. Remove it before you set up another one.")
        )


def confirm_totp(user: User, secret: str, digits: str) -> None:
    """Enable the authenticator app once a first code proves that it works. Raises StateConflict, Invalid (`code`)."""
    check_can_set_up(user)
    step = _matching_step(secret, typed_codes.bare(digits), None)
    if step is None:
        raise Invalid(
            code=gettext("This code is not right. Check that the clock of the phone is set automatically.")
        )
    user.totp_secret = secrets.encrypt("totp", secret)
    user.totp_confirmed_at, user.totp_last_step = now(), step
    record("second_factor.authenticator_added", user, by=user)
    owe(MailKind.APP_ADDED, user, uuid.uuid4())


def remove_totp(user: User, *, by: User) -> None:
    user.totp_secret = user.totp_confirmed_at = user.totp_last_step = None
    record("second_factor.authenticator_removed", user, by=by)
    owe(MailKind.APP_REMOVED, user, uuid.uuid4())


def has_app(user: User) -> bool:
    """Whether an authenticator app is set up whose codes can be checked."""
    return user.totp_confirmed_at is not None and _opened_secret(user) is not None


def app_is_lost(user: User) -> bool:
    """Whether an app is set up whose codes cannot be checked any more, because the secret key has changed since."""
    return user.totp_confirmed_at is not None and _opened_secret(user) is None


def _opened_secret(user: User) -> str | None:
    return secrets.opened("totp", user.totp_secret, f"the authenticator app of account {user.id}")


def take_code(user: User, digits: str) -> bool:
    secret = _opened_secret(user) if user.totp_confirmed_at is not None else None
    if secret is None:
        return False
    step = _matching_step(secret, digits, user.totp_last_step)
    if step is None:
        return False
    user.totp_last_step = step
    return True


def _matching_step(secret: str, digits: str, last: int | None) -> int | None:
    """The time step (one back to one ahead, RFC 6238 section 5.2) that this code belongs to, if newer than `last`."""
    if not _SIX_DIGITS.fullmatch(digits):
        return None
    current = int(now().timestamp()) // TOTP_STEP_SECONDS
    totp = pyotp.TOTP(secret)
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(totp.generate_otp(step), digits) and (last is None or step > last):
            return step
    return None
