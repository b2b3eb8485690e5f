"""Accounts in an administrator's words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import url_for
from flask_babel.speaklater import LazyString

from csss.auth import authenticator_app
from csss.dates import day
from csss.i18n import _, _l, _n
from csss.people.models import AccountState, User
from csss.people.roles import Role
from csss.scans.presenters import SEX_NAMES, Tag
from csss.web.admin.accounts.forms import STATE_WORDS, PasswordAgain
from csss.web.filters import address, when

# The steps that let somebody sign in, each with its name in the audit log for wrong passwords.
LETS_IN = {
    "admin.approve_user": "approve account",
    "admin.reactivate_user": "reactivate account",
    "admin.reset_second_factor": "reset second factor",
}


@dataclass(frozen=True)
class Step:
    """A step that is possible with an account. One with a warning needs a confirmation first.

    One that lets somebody sign in `asks` for the administrator's own password, on the account's page with `form`; the
    list only links there.
    """

    label: str
    endpoint: str
    kind: str = "plain"
    warning: str | None = None
    form: PasswordAgain | None = None
    url: str = ""  # of the list's button or link

    @property
    def asks(self) -> bool:
        return self.endpoint in LETS_IN


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
    steps: tuple[Step, ...]


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


def account_tag(user: User) -> Tag:
    """The state of an account."""
    if user.erased_at is not None:
        return Tag(_("Erased"), "neutral", "trash")
    return Tag(STATE_WORDS[user.state], *_ACCOUNT_TAGS[user.state])


def list_rows(users: Sequence[User], viewer: User, query: str) -> list[ListRow]:
    """The rows of the list. `query` is the list's filter, to return to it after a step."""
    return [
        ListRow(
            id=str(user.id),
            url=url_for("admin.user", user_id=user.id),
            name=user.name,
            email=user.email,
            confirmed=user.email_confirmed_at is not None,
            role=user.role.human,
            registered=when(user.created_at),
            registered_iso=user.created_at.isoformat(),
            tag=account_tag(user),
            steps=tuple(
                replace(step, url=_list_url(step, user, query)) for step in _account_steps(user, viewer)
            ),
        )
        for user in users
    ]


def _account_steps(user: User, viewer: User) -> list[Step]:
    """The steps that are possible with an account in its present state. `viewer` cannot deactivate the own one."""
    if user.id == viewer.id or user.erased_at is not None:
        return []
    return [
        Step(str(label), endpoint, kind, str(warning) if warning is not None else None)
        for label, endpoint, kind, warning in _ACCOUNT_STEPS[user.state]
    ]


def _list_url(step: Step, user: User, query: str) -> str:
    if step.asks:
        return url_for("admin.user", user_id=user.id, _anchor="steps")
    return url_for(step.endpoint, user_id=user.id) + query


def account_page_steps(
    user: User,
    viewer: User,
    *,
    sessions: int,
    recovery_codes: int,
    refused: tuple[str, PasswordAgain] | None = None,
) -> tuple[Step, ...]:
    """The steps on the account's page: those of the list, and help for people who are locked out. `refused` is the one
    form that came back with errors, with its endpoint.
    """
    steps = _account_steps(user, viewer)
    if not steps:
        return ()
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
    return tuple(_asking(step, refused) if step.asks else step for step in steps)


def _asking(step: Step, refused: tuple[str, PasswordAgain] | None) -> Step:
    came_back = refused is not None and refused[0] == step.endpoint
    form = refused[1] if refused is not None and came_back else PasswordAgain(formdata=None)
    # There may be one such field for each of two steps.
    form.current_password.id = f"{step.endpoint.rpartition('.')[2].replace('_', '-')}-password"
    return replace(step, form=form)


def account_facts(user: User, recovery_codes: int) -> list[tuple[str, str | None]]:
    """The facts about an account."""
    confirmed = user.email_confirmed_at
    factors = []
    if user.passkeys:
        factors.append(_n("%(num)s passkey", "%(num)s passkeys", len(user.passkeys)))
    if user.totp_confirmed_at is not None:
        factors.append(_("Authenticator app since %(moment)s", moment=when(user.totp_confirmed_at)))
        if authenticator_app.app_is_lost(user):
            factors[-1] = _(
                "Authenticator app that has to be set up again (the system does not have its key)"
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
        facts[:0] = [
            (_("MRN"), user.patient.mrn),
            (_("Date of birth"), day(user.patient.date_of_birth)),
            (_("Sex"), SEX_NAMES[user.patient.sex]),
        ]
    return facts
