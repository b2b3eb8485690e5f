"""Invite staff by mail: a link, valid for three days and one use, with which the invited person makes the account.

An administrator has chosen the role, so the account works at once. Its owner sets the password; an administrator still
needs a code by mail at the first sign-in. An invited address is no account: registering with it works as with any other.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from csss.audit.record import About, record
from csss.auth import accounts, secrets
from csss.auth.models import InvitedRole, StaffInvitation
from csss.clock import now
from csss.database import changed_rows, db, transaction
from csss.errors import Invalid, NotFound, StateConflict, TooMany
from csss.i18n import _
from csss.lengths import at_most
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import AccountState, User
from csss.people.roles import Role

LIFE = timedelta(days=3)
KEPT = timedelta(days=90)  # invitations that nobody has accepted
WINDOW, MAILS_TO_AN_ADDRESS = timedelta(hours=1), 5


def invite(*, email: str, name: str, role: str, by: User) -> StaffInvitation:
    """Queue a link for a new member of staff. Belongs inside transaction().

    Raises Invalid for each wrong field, and TooMany (`email`) after too many mails to one address.
    """
    errors: dict[str, str] = {}
    name = name.strip()
    if not name:
        errors["name"] = _("Enter the name.")
    elif len(name) > accounts.NAME_MAX:
        errors["name"] = at_most(accounts.NAME_MAX)
    if role not in set(InvitedRole):
        errors["role"] = _("Choose one of the three.")
    try:
        email = accounts.normal_email(email)
    except Invalid as refused:
        errors |= refused.errors
    if errors:
        raise Invalid(**errors)
    _lock(by)
    taken = accounts.by_email(email)
    if taken is not None:
        raise Invalid(email=_("%(name)s has an account with this address already.", name=taken.name))
    if _open_of(email) is not None:
        raise Invalid(
            email=_("This address has been invited already. Send that invitation again, or withdraw it.")
        )
    return _send(email, name, InvitedRole(role), by, "account.invited")


def send_again(invitation_id: uuid.UUID, *, by: User) -> StaffInvitation:
    """Send a new link; the earlier one stops working. Belongs inside transaction(). Raises NotFound, StateConflict,
    TooMany."""
    _lock(by)
    old = _locked(invitation_id)
    taken, other = accounts.by_email(old.email), _open_of(old.email)
    if taken is not None:
        raise StateConflict(_("%(name)s has an account with this address already.", name=taken.name))
    if other is not None and other.id != old.id:
        raise StateConflict(
            _("There is a newer invitation to this address. Send that one again, or withdraw it.")
        )
    old.withdrawn_at = now()
    return _send(old.email, old.name, old.role, by, "account.invitation_sent_again")


def withdraw(invitation_id: uuid.UUID, *, by: User) -> StaffInvitation:
    """Make the link useless. Belongs inside transaction(). Raises NotFound, StateConflict."""
    invitation = _locked(invitation_id)
    invitation.withdrawn_at = now()
    record("account.invitation_withdrawn", _about(invitation), by=by, role=invitation.role.value)
    return invitation


def invitations(most: int = 50) -> Sequence[StaffInvitation]:
    """Invitations, newest first, without those that were replaced by a newer one to the same address."""
    newer = select(StaffInvitation.email, func.max(StaffInvitation.invited_at).label("at"))
    newest = newer.group_by(StaffInvitation.email).subquery()
    query = select(StaffInvitation).join(
        newest,
        (newest.c.email == StaffInvitation.email) & (newest.c.at == StaffInvitation.invited_at),
    )
    return db.session.scalars(query.order_by(StaffInvitation.invited_at.desc()).limit(most)).all()


def by_id(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, StaffInvitation]:
    """The invitations with these ids; without a query when there are none."""
    if not ids:
        return {}
    found = db.session.scalars(select(StaffInvitation).where(StaffInvitation.id.in_(ids)))
    return {each.id: each for each in found}


def is_open(invitation: StaffInvitation) -> bool:
    """Whether the link can still be used, or is about to be sent."""
    ends = invitation.expires_at or invitation.invited_at + LIFE
    return invitation.used_at is None and invitation.withdrawn_at is None and ends > now()


def draw_token(invitation: StaffInvitation) -> str:
    """Generate the link's secret, store only its keyed hash, and start its lifetime. Only for the mail job."""
    token = secrets.new_link_token()
    invitation.token_hash = _token_hash(token)
    invitation.expires_at = now() + LIFE
    return token


def is_pointless(invitation: StaffInvitation | None) -> bool:
    """Whether its mail need not be sent any more: it was withdrawn or replaced, or is too old."""
    return invitation is None or not is_open(invitation)


def of_token(token: str) -> StaffInvitation | None:
    """The invitation of this link, or None when it is not ours, used, withdrawn or too old."""
    return db.session.scalars(_living(token, now())).one_or_none()


def new_password_hash(invitation: StaffInvitation, password: str) -> str:
    """The hash of the password, if this person may use it. Raises Invalid (`new_password`).

    Belongs outside transaction(), since it takes a quarter of a second.
    """
    problem = accounts.password_problem(password, email=invitation.email, name=invitation.name)
    if problem:
        raise Invalid(new_password=problem)
    return secrets.hash_password(password)


def accept(token: str, password_hash: str) -> User:
    """Use up the link and make the account, active and with a confirmed address. Belongs inside transaction().

    Raises NotFound when the link has become invalid meanwhile, StateConflict when somebody has an account with the
    address: only the owner of the mailbox has the link, so nobody else learns that.
    """
    invitation = db.session.scalars(_living(token, now())).one_or_none()
    used = update(StaffInvitation).where(
        StaffInvitation.id == (invitation.id if invitation else None), *_usable()
    )
    if invitation is None or changed_rows(used.values(used_at=now())) == 0:
        raise NotFound(_("This link does not work any more."))
    db.session.refresh(invitation)
    user = User(
        id=uuid.uuid4(),
        email=invitation.email,
        name=invitation.name,
        password_hash=password_hash,
        role=Role(invitation.role.value),
        state=AccountState.ACTIVE,
        email_confirmed_at=now(),
    )
    try:
        with db.session.begin_nested():
            db.session.add(user)
    except IntegrityError:
        raise StateConflict(
            _("There is an account with your address already. Sign in with it, or ask an administrator.")
        ) from None
    invitation.user_id = user.id
    record("account.invitation_accepted", user, by=user, invitation=str(invitation.id), role=user.role.value)
    return user


def _send(email: str, name: str, role: InvitedRole, by: User, action: str) -> StaffInvitation:
    _check_number(email)
    invitation = StaffInvitation(
        id=uuid.uuid4(), email=email, name=name, role=role, invited_by_id=by.id, invited_at=now()
    )
    db.session.add(invitation)
    db.session.flush()
    record(action, _about(invitation), by=by, role=role.value)
    owe(MailKind.INVITATION, by, invitation.id)
    return invitation


def _check_number(email: str) -> None:
    sent = select(func.count()).where(
        StaffInvitation.email == email, StaffInvitation.invited_at > now() - WINDOW
    )
    if (db.session.scalar(sent) or 0) >= MAILS_TO_AN_ADDRESS:
        raise TooMany(
            WINDOW,
            email=_(
                "%(count)s invitations have been sent to this address within an hour. Wait before you send another.",
                count=MAILS_TO_AN_ADDRESS,
            ),
        )


def _lock(by: User) -> None:
    """One invitation of an administrator at a time: a form sent twice at once sends one mail."""
    db.session.refresh(by, with_for_update={"of": User})


def _locked(invitation_id: uuid.UUID) -> StaffInvitation:
    found = db.session.get(
        StaffInvitation, invitation_id, with_for_update={"of": StaffInvitation}, populate_existing=True
    )
    if found is None:
        raise NotFound(_("There is no such invitation."))
    if found.used_at is not None:
        raise StateConflict(_("%(name)s has accepted the invitation already.", name=found.name))
    if found.withdrawn_at is not None:
        raise StateConflict(
            _("The invitation of %(name)s has been withdrawn or sent again.", name=found.name)
        )
    return found


def _open_of(email: str) -> StaffInvitation | None:
    query = select(StaffInvitation).where(StaffInvitation.email == email, *_usable())
    return next((each for each in db.session.scalars(query) if is_open(each)), None)


def _about(invitation: StaffInvitation) -> About:
    return About("invitation", invitation.id)


def _usable() -> tuple[ColumnElement[bool], ...]:
    return StaffInvitation.used_at.is_(None), StaffInvitation.withdrawn_at.is_(None)


def _living(token: str, at: datetime) -> Select[StaffInvitation]:
    return select(StaffInvitation).where(
        StaffInvitation.token_hash == _token_hash(token), StaffInvitation.expires_at > at, *_usable()
    )


def _token_hash(token: str) -> str:
    return secrets.keyed_hash("staff-invitation", token)


def sweep_expired() -> int:
    """Delete old invitations that nobody has accepted; returns how many. Safe to run in several processes at once."""
    over = (StaffInvitation.invited_at <= now() - KEPT) & StaffInvitation.used_at.is_(None)
    found = db.session.scalars(select(StaffInvitation.id).where(over).limit(500)).all()
    db.session.commit()
    if not found:
        return 0
    with transaction():
        return changed_rows(delete(StaffInvitation).where(StaffInvitation.id.in_(found)))
