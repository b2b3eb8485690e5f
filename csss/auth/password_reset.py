"""Reset a forgotten password: a link by e-mail, valid for half an hour and one use, leads to a form for a new one.

It replaces only the password: somebody who needs a second factor still needs it afterwards.
"""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, select, update

from csss.audit.record import record
from csss.auth import accounts, secrets
from csss.auth.account_decisions import forget_second_factor
from csss.auth.models import PasswordReset
from csss.clock import now
from csss.database import changed_rows, db, transaction
from csss.errors import Invalid, NotFound
from csss.i18n import _
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import User

LIFE = timedelta(minutes=30)
KEPT = timedelta(days=1)


def request_reset(email: str) -> None:
    """Queue a link for the person with this address; earlier links stop working. For an unknown address it silently
    does nothing.

    Raises Invalid when the text is no address. Belongs inside transaction().
    """
    user = accounts.by_email(accounts.normal_email(email))
    record("account.password_reset_requested", user)
    if user is None:
        return
    db.session.refresh(user, with_for_update=True)  # lock: of two concurrent requests, the later one counts
    db.session.execute(
        update(PasswordReset).where(PasswordReset.user_id == user.id, *_open()).values(cancelled_at=now())
    )
    reset = PasswordReset(id=uuid.uuid4(), user_id=user.id)
    db.session.add(reset)
    db.session.flush()
    owe(MailKind.RESET_PASSWORD, user, reset.id)


def draw_token(reset: PasswordReset) -> str:
    """Generate the link's secret, store only its keyed hash, and start its lifetime. Only for the mail job."""
    token = secrets.new_link_token()
    reset.token_hash = _token_hash(token)
    reset.expires_at = now() + LIFE
    return token


def is_pointless(reset: PasswordReset | None) -> bool:
    """Whether its mail need not be sent any more: it was replaced, or nobody waits for it."""
    return (
        reset is None
        or reset.used_at is not None
        or reset.cancelled_at is not None
        or now() - reset.requested_at >= LIFE
    )


def user_of(token: str) -> User | None:
    """The person whose password this link sets, or None when it is not ours, used, replaced or too old."""
    reset = db.session.scalars(_living(token, now())).one_or_none()
    return reset.user if reset else None


def new_password_hash(user: User, password: str) -> str:
    """The hash of a new password, if this person may use it. Raises Invalid (`new_password`).

    Belongs outside transaction(), since it takes a quarter of a second.
    """
    if problem := accounts.password_problem(password, email=user.email, name=user.name):
        raise Invalid(new_password=problem)
    return secrets.hash_password(password)


def set_password(token: str, password_hash: str) -> User:
    """Use up the link, set the password and end all of the person's sessions. Belongs inside transaction().

    Whoever opens the link can read the mail of this address, so the address counts as confirmed. Before that,
    nobody had proven to own it. A second factor from before the confirmation may belong to a stranger who
    registered the address first, so it is removed, even if the owner has confirmed the address meanwhile without
    knowing whose account it was. Raises NotFound when the link has become invalid meanwhile.
    """
    gone = _("This link does not work any more.")
    reset = db.session.scalars(_living(token, now())).one_or_none()
    if reset is None:
        raise NotFound(gone)
    user = reset.user
    db.session.refresh(user, with_for_update=True)  # lock the user first, in the same order as request_reset
    used = update(PasswordReset).where(PasswordReset.id == reset.id, *_open()).values(used_at=now())
    if changed_rows(used) == 0:
        raise NotFound(gone)
    record("account.password_reset", user, by=user)
    forget_second_factor(user, by=user, made_before=user.email_confirmed_at)
    accounts.confirm_address(user)
    accounts.set_password_hash(user, password_hash, keep_session=None)
    return user


def _open() -> tuple[ColumnElement[bool], ...]:
    return PasswordReset.used_at.is_(None), PasswordReset.cancelled_at.is_(None)


def _living(token: str, at: datetime) -> Select[PasswordReset]:
    return select(PasswordReset).where(
        PasswordReset.token_hash == _token_hash(token), PasswordReset.expires_at > at, *_open()
    )


def _token_hash(token: str) -> str:
    return secrets.keyed_hash("password-reset", token)


def sweep_expired() -> int:
    """Delete links that nobody can use any more; returns how many. Safe to run in several processes at once."""
    over = PasswordReset.requested_at <= now() - KEPT
    found = db.session.scalars(select(PasswordReset.id).where(over).limit(500)).all()
    db.session.commit()
    if not found:
        return 0
    with transaction():
        return changed_rows(delete(PasswordReset).where(PasswordReset.id.in_(found)))
