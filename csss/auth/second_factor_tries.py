"""Check second factors and count wrong ones, so that nobody can try all six-digit codes.

A mailed code has its own five tries. An authenticator app has no such limit, and a new sign-in would bring a new
session, so wrong codes are counted per session and per account.
"""

import uuid
from datetime import timedelta

from flask import current_app
from sqlalchemy import func, select, update

from csss.audit.record import record
from csss.auth import authenticator_app, second_factor, sessions
from csss.auth.models import CodePurpose, UserSession
from csss.auth.second_factor import Proof
from csss.clock import now
from csss.database import db
from csss.errors import Counted, Invalid, StateConflict, TooMany
from csss.i18n import _, _l
from csss.people.models import User
from csss.people.roles import Role

WRONG_IN_A_SESSION = 10
# NIST SP 800-63B, section 5.2.2, allows 100 failed attempts in a row. Three of a million app codes are valid at any
# time: an attacker who has the password and tries for a whole day succeeds once in five hundred times.
WRONG_IN_AN_ACCOUNT = 30
WINDOW = timedelta(hours=1)
ONLY_PASSKEY = _l(
    "Administrators confirm this with a passkey here; no code is taken. If yours is lost, sign out, sign in with a "
    "recovery code and register a new one."
)


def needs_passkey(user: User) -> bool:
    """Whether only a passkey counts as this person's second factor (CSSS_ADMIN_PASSKEY).

    At sign-in a recovery code still allows registering a new passkey, so that losing a passkey locks nobody out.
    """
    return user.role is Role.ADMIN and bool(current_app.config["CSSS"].admin_passkey)


def request_approval_code(asked: UserSession, subject_id: uuid.UUID) -> None:
    """Queue a code for approving exactly this subject. Belongs inside transaction().

    Raises TooMany, and Invalid (`passkey`) where only a passkey counts: a useless code is not sent.
    """
    if needs_passkey(asked.user):
        raise Invalid(passkey=str(ONLY_PASSKEY))
    second_factor.request_code(asked.user, CodePurpose.APPROVAL, subject_id, asked.id)


def take_code(asked: UserSession, purpose: CodePurpose, subject_id: uuid.UUID, given: str) -> Proof:
    """Call `second_factor.check` for this session's user; the tenth wrong code ends the session.

    Raises Invalid for the field `code` (`passkey` where an approval needs one), TooMany when the account has used
    up its tries; the caller commits in any case, so that wrong tries count. A recovery code (64 bits) is accepted
    even then. Belongs inside transaction().
    """
    if purpose is CodePurpose.APPROVAL and needs_passkey(asked.user):
        record("code.refused", by=asked.user, purpose=purpose.value, reason="passkey needed")
        raise Counted(passkey=str(ONLY_PASSKEY))
    if not given.strip():
        # An empty field is not a try.
        raise Invalid(
            code=_(
                "Enter the six-digit code from the e-mail, a code from your authenticator app, or a recovery code."
            )
        )
    if not second_factor.is_recovery_code(given) and _wrong_of_late(asked.user) >= WRONG_IN_AN_ACCOUNT:
        record("code.refused", by=asked.user, purpose=purpose.value, reason="too many tries")
        raise TooMany(
            WINDOW,
            code=_(
                "Too many wrong codes were entered for this account. Use a recovery code, or wait an hour."
            ),
        )
    try:
        return second_factor.check(asked.user, purpose, subject_id, given, asked.id)
    except Invalid:
        count_wrong(asked)
        raise


def remove_authenticator(asked: UserSession, given: str) -> None:
    """Remove the app of this session's user, who shows a code from it or a recovery code. Belongs inside
    transaction().

    Raises StateConflict when no app is set up, otherwise what `take_code` raises.
    """
    if asked.user.totp_confirmed_at is None:
        raise StateConflict(_("No authenticator app is set up."))
    if not given.strip():
        raise Invalid(code=_("Enter a code."))
    take_code(asked, CodePurpose.SIGN_IN, asked.id, given)
    authenticator_app.remove_totp(asked.user, by=asked.user)


def count_wrong(asked: UserSession) -> None:
    """Count one more wrong try; the tenth ends the session."""
    # The database increments the counter, so that two concurrent wrong codes count as two.
    db.session.execute(
        update(UserSession)
        .where(UserSession.id == asked.id)
        .values(second_factor_tries=UserSession.second_factor_tries + 1)
    )
    db.session.refresh(asked)
    if asked.second_factor_tries >= WRONG_IN_A_SESSION:
        sessions.end(asked.id, asked.user)
        record("session.ended", asked.user, by=asked.user, reason="too many wrong codes")
        db.session.refresh(asked)


def _wrong_of_late(user: User) -> int:
    found = db.session.scalar(
        select(func.sum(UserSession.second_factor_tries)).where(
            UserSession.user_id == user.id, UserSession.last_used_at > now() - WINDOW
        )
    )
    return found or 0
