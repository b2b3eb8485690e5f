"""Accounts in an administrator's words."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flask import url_for
from flask_babel.speaklater import LazyString

from csss.auth import authenticator_app
from csss.auth.models import UserSession
from csss.i18n import _, _l, _n
from csss.people.models import AccountState, User
from csss.people.roles import Role
from csss.scans.presenters import Tag
from csss.web.account.presenters import device_words
from csss.web.admin.accounts.forms import STATE_WORDS, PasswordAgain
from csss.web.filters import address, when


@dataclass(frozen=True)
class Step:
    """Something that may be done with an account; one with a warning is asked about first, one that lets somebody in asks
    for the administrator's own password, with `form`."""

    label: str
    endpoint: str
    kind: str = "plain"
    warning: str | None = None
    form: PasswordAgain | None = None


@dataclass(frozen=True)
class AccountRow:
    """One account; `steps` are what may be done with it now."""

    id: uuid.UUID
    name: str
    email: str
    confirmed: bool
    role: str
    registered: datetime
    tag: Tag
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class ListStep:
    """A step as the list offers it: templates/admin/_user_row.html. One that `asks` for the password is a link to the
    account's page, where the field stands beside the button."""

    label: str
    url: str
    kind: str
    warning: str | None
    asks: bool


@dataclass(frozen=True)
class ListRow:
    """One line of the accounts: templates/admin/_user_row.html."""

    id: str
    url: str
    name: str
    email: str
    confirmed: bool
    role: str
    registered: str
    registered_iso: str
    tag: Tag
    steps: tuple[ListStep, ...]


_ACCOUNT_TAGS: dict[AccountState, tuple[str, str]] = {
    AccountState.WAITING: ("warn", "hourglass"),
    AccountState.ACTIVE: ("ok", "check"),
    AccountState.REFUSED: ("bad", "ban"),
    AccountState.DEACTIVATED: ("neutral", "pause"),
}
_APPROVE = (_l("Approve"), "admin.approve_user", "plain", None)
_ACCOUNT_STEPS: dict[AccountState, tuple[tuple[LazyString, str, str, LazyString | None], ...]] = {
    AccountState.WAITING: (
        _APPROVE,
        (
            _l("Refuse"),
            "admin.refuse_user",
            "danger",
            _l("This person cannot sign in. You can approve later."),
        ),
    ),
    AccountState.ACTIVE: (
        (
            _l("Deactivate"),
            "admin.deactivate_user",
            "plain",
            _l(
                "This person is signed out everywhere and cannot sign in again until the account is reactivated."
            ),
        ),
    ),
    AccountState.REFUSED: (_APPROVE,),
    AccountState.DEACTIVATED: ((_l("Reactivate"), "admin.reactivate_user", "plain", None),),
}
# What lets somebody in, with the word by which the audit log knows what a wrong password was given for.
LETS_IN = {
    "admin.approve_user": "approve account",
    "admin.reactivate_user": "reactivate account",
    "admin.reset_second_factor": "reset second factor",
}


def account_steps(state: AccountState) -> tuple[Step, ...]:
    """What may be done with an account in this state."""
    return tuple(
        Step(str(label), endpoint, kind, str(warning) if warning is not None else None)
        for label, endpoint, kind, warning in _ACCOUNT_STEPS[state]
    )


def account_row(user: User, viewer: User) -> AccountRow:
    """`viewer` cannot shut the own account, so nothing is offered there."""
    return AccountRow(
        id=user.id,
        name=user.name,
        email=user.email,
        confirmed=user.email_confirmed_at is not None,
        role=user.role.human,
        registered=user.created_at,
        tag=Tag(_("Erased"), "neutral", "trash")
        if user.erased_at is not None
        else Tag(STATE_WORDS[user.state], *_ACCOUNT_TAGS[user.state]),
        steps=() if user.id == viewer.id or user.erased_at is not None else account_steps(user.state),
    )


def list_rows(users: Sequence[User], viewer: User, query: str) -> list[ListRow]:
    """`query` is how the list is filtered: after a step one comes back to it."""
    return [_list_row(account_row(user, viewer), query) for user in users]


def _list_row(row: AccountRow, query: str) -> ListRow:
    return ListRow(
        id=str(row.id),
        url=url_for("admin.user", user_id=row.id),
        name=row.name,
        email=row.email,
        confirmed=row.confirmed,
        role=row.role,
        registered=when(row.registered),
        registered_iso=row.registered.isoformat(),
        tag=row.tag,
        steps=tuple(_list_step(step, row.id, query) for step in row.steps),
    )


def _list_step(step: Step, user_id: uuid.UUID, query: str) -> ListStep:
    asks = step.endpoint in LETS_IN
    if asks:
        url = url_for("admin.user", user_id=user_id, _anchor="steps")
    else:
        url = url_for(step.endpoint, user_id=user_id) + query
    return ListStep(step.label, url, step.kind, step.warning, asks)


def account_page_steps(
    user: User,
    viewer: User,
    *,
    sessions: int,
    recovery_codes: int,
    refused: tuple[str, PasswordAgain] | None = None,
) -> tuple[Step, ...]:
    """What may be done on the account's own page: the steps of the list, and help for who is locked out. `refused` is the
    form of one of them that came back with errors, with its endpoint."""
    if user.id == viewer.id or user.erased_at is not None:
        return ()
    steps = list(account_steps(user.state))
    if sessions:
        steps.append(
            Step(
                _("End all sessions"),
                "admin.end_user_sessions",
                warning=_(
                    "This person is signed out everywhere and has to sign in again. What was not sent is lost."
                ),
            )
        )
    if user.totp_confirmed_at is not None or user.passkeys or recovery_codes:
        steps.append(
            Step(
                _("Reset the second factor"),
                "admin.reset_second_factor",
                warning=_(
                    "Do this only when you are sure who asks. The authenticator app, the passkeys and the recovery "
                    "codes stop working and all sessions end. An administrator then signs in with a code by e-mail, "
                    "anybody else with the password alone."
                ),
            )
        )
    return tuple(_asking(step, refused) if step.endpoint in LETS_IN else step for step in steps)


def _asking(step: Step, refused: tuple[str, PasswordAgain] | None) -> Step:
    came_back = refused is not None and refused[0] == step.endpoint
    form = refused[1] if refused is not None and came_back else PasswordAgain(formdata=None)
    # There may be one such field for each of two steps.
    form.current_password.id = f"{step.endpoint.rpartition('.')[2].replace('_', '-')}-password"
    return replace(step, form=form)


def account_facts(user: User, recovery_codes: int) -> list[tuple[str, str | None]]:
    """What there is to know about an account."""
    confirmed = user.email_confirmed_at
    factors = []
    if user.passkeys:
        factors.append(_n("%(num)s passkey", "%(num)s passkeys", len(user.passkeys)))
    if user.totp_confirmed_at is not None:
        factors.append(_("Authenticator app since %(moment)s", moment=when(user.totp_confirmed_at)))
        if authenticator_app.app_is_lost(user):
            factors[-1] = _(
                "Authenticator app that has to be set up anew (the system has not the key for it)"
            )
    if not factors:
        factors.append(_("Code by e-mail") if user.role is Role.ADMIN else _("None"))
    if recovery_codes:
        factors.append(_n("%(num)s recovery code left", "%(num)s recovery codes left", recovery_codes))
    facts: list[tuple[str, str | None]] = [
        (_("E-mail address"), address(user.email)),
        (
            _("Address confirmed"),
            when(confirmed) if confirmed is not None else _("Not yet: reports wait until it is"),
        ),
        (_("Role"), user.role.human),
        (_("Registered"), when(user.created_at)),
        (_("Second factor"), "; ".join(factors)),
    ]
    if user.erased_at is not None:
        return [(_("Role"), user.role.human), (_("Registered"), when(user.created_at))]
    if user.patient is not None:
        facts.insert(0, (_("MRN"), user.patient.mrn))
    return facts


@dataclass(frozen=True)
class AccountSessionRow:
    """One device on which somebody is signed in."""

    device: str
    address: str
    began: datetime
    used: datetime


def session_rows(living: Sequence[UserSession]) -> list[AccountSessionRow]:
    return [
        AccountSessionRow(device_words(each.device), each.address, each.created_at, each.last_used_at)
        for each in living
    ]
