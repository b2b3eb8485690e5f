"""End sessions and reset second factors, as an administrator, for somebody who lost a phone or left a screen unlocked.

All functions belong inside transaction().
"""

import uuid
from datetime import UTC, datetime

from sqlalchemy import update

from csss.audit.record import record
from csss.auth import sessions
from csss.auth.models import RecoveryCode
from csss.auth.passkeys import services as passkeys
from csss.clock import now
from csss.database import changed_rows, db
from csss.errors import NotFound, StateConflict
from csss.i18n import _
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import User


def end_sessions(user_id: uuid.UUID, *, by: User) -> tuple[User, int]:
    """Sign a person out everywhere; the account stays unchanged. Returns how many sessions ended.

    Raises NotFound; StateConflict for the administrator's own account, so that nobody locks themselves out by
    accident.
    """
    user = _somebody_else(user_id, by)
    ended = sessions.end_all(user)
    record("account.sessions_ended", user, by=by, ended=ended)
    return user, ended


def reset_second_factor(user_id: uuid.UUID, *, by: User) -> User:
    """Remove a person's authenticator app, passkeys and recovery codes and sign them out: recovery from a lost
    phone.

    Afterwards an administrator signs in with a code by e-mail, anybody else with the password alone until a new app
    is set up. Raises NotFound; StateConflict for the administrator's own account, and when there is nothing to
    remove.
    """
    user = _somebody_else(user_id, by)
    if not forget_second_factor(user, by=by):
        raise StateConflict(
            _("%(name)s has no authenticator app, no passkey and no recovery codes.", name=user.name)
        )
    sessions.end_all(user)
    return user


def forget_second_factor(user: User, *, by: User, made_before: datetime | None = None) -> bool:
    """Remove a person's second factors and tell them; False when there were none.

    With `made_before`, only those that are older than that.
    """
    before = made_before or datetime.max.replace(tzinfo=UTC)
    had_app = user.totp_secret is not None and (
        user.totp_confirmed_at is None or user.totp_confirmed_at < before
    )
    codes = changed_rows(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None), RecoveryCode.created_at < before
        )
        .values(used_at=now())
    )
    lost = passkeys.remove_all(user, made_before=before)
    if not (had_app or codes or lost):
        return False
    if had_app:
        user.totp_secret = user.totp_confirmed_at = user.totp_last_step = None
    record("account.second_factor_reset", user, by=by, passkeys=lost)
    owe(MailKind.SECOND_FACTOR_RESET, user, uuid.uuid4())
    return True


def _somebody_else(user_id: uuid.UUID, by: User) -> User:
    user = db.session.get(User, user_id, with_for_update=True, populate_existing=True)
    if user is None:
        raise NotFound(_("There is no such account."))
    if user.id == by.id:
        raise StateConflict(_("Use the page of your own account for your own sessions and second factor."))
    return user
