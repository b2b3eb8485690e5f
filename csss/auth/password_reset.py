"""A forgotten password: a link by e-mail, for half an hour and one use, that leads to a form for a new one.

It replaces the password and nothing else: whoever needs a second factor needs it afterwards as before.
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
    """Owe the person with this address a link; earlier ones stop working. An unknown address does nothing, silently.

    Raises Invalid for what is no address. Belongs inside transaction().
    """
    user = accounts.by_email(accounts.normal_email(email))
    record("account.password_reset_requested", user)
    if user is None:
        return
    db.session.refresh(user, with_for_update=True)  # of two at once the later one counts
    db.session.execute(
        update(PasswordReset).where(PasswordReset.user_id == user.id, *_open()).values(cancelled_at=now())
    )
    reset = PasswordReset(id=uuid.uuid4(), user_id=user.id)
    db.session.add(reset)
    db.session.flush()
    owe(MailKind.RESET_PASSWORD, user, reset.id)


def draw_token(reset: PasswordReset) -> str:
    """Draw the secret of the link, keep only its keyed hash, and start its life. For the mail job alone."""
    token = secrets.new_link_token()
    reset.token_hash = _token_hash(token)
    reset.expires_at = now() + LIFE
    return token


def is_pointless(reset: PasswordReset | None) -> bool:
    """Whether its mail need not be sent any more: another one was asked for, or nobody waits for it."""
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
    """The hash of a password that this person may take. Raises Invalid (`new_password`).

    Belongs outside transaction(), since it takes a quarter of a second.
    """
    if problem := accounts.password_problem(password, email=user.email, name=user.name):
        raise Invalid(new_password=problem)
    return secrets.hash_password(password)


def set_password(token: str, password_hash: str) -> User:
    """Use the link up, set the password and end all sessions of the person. Belongs inside transaction().

    Whoever opens the link reads the mail of this address, so it counts as confirmed. Until it was confirmed nobody had
    shown that: what was set up before for the second step may be a stranger's who registered the address first, and goes,
    even where the owner has confirmed the address meanwhile, not knowing whose account it was. Raises NotFound when the
    link has stopped working meanwhile.
    """
    gone = _("This link does not work any more.")
    reset = db.session.scalars(_living(token, now())).one_or_none()
    if reset is None:
        raise NotFound(gone)
    user = reset.user
    db.session.refresh(user, with_for_update=True)  # the person first, as where a link is asked for
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
    """Remove what nobody can use any more; returns how many. Any number of processes may."""
    over = PasswordReset.requested_at <= now() - KEPT
    found = db.session.scalars(select(PasswordReset.id).where(over).limit(500)).all()
    db.session.commit()
    if not found:
        return 0
    with transaction():
        return changed_rows(delete(PasswordReset).where(PasswordReset.id.in_(found)))
