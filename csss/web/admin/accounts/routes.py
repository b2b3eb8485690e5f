"""Routes: an administrator approves accounts, helps people who are locked out, and deactivates accounts."""

import uuid
from collections.abc import Callable
from typing import Any

from flask import Response, flash, request, url_for

from csss.auth import account_decisions, account_queries, second_factor, sessions
from csss.auth import accounts as services
from csss.auth.patient_corrections import corrections_of
from csss.database import db, transaction
from csss.errors import NotFound
from csss.i18n import _, _n
from csss.people.models import AccountState, User
from csss.people.permissions import Permission
from csss.people.roles import Role
from csss.web.account.password_again import asks_for_password, check_password
from csss.web.account.presenters import device_words
from csss.web.admin.accounts.forms import AccountFilter, LegalHoldForm, PasswordAgain
from csss.web.admin.accounts.keeping_presenters import keeping
from csss.web.admin.accounts.presenters import (
    LETS_IN,
    account_facts,
    account_page_steps,
    account_tag,
    list_rows,
)
from csss.web.admin.blueprint import admin
from csss.web.admin.patients.presenters import correction_rows
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import idle_limit, me, requires
from csss.web.listing import filters, list_url, page_number, pager, query_string
from csss.web.live_region.rows import rendered_once
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import typed_before


@admin.get("/users")
@requires(Permission.ACCOUNT_MANAGE)
def users() -> Response:
    """The list of all accounts; those that wait for approval come first."""
    return _show_list()


@admin.get("/users/<uuid:user_id>")
@requires(Permission.ACCOUNT_MANAGE)
def user(user_id: uuid.UUID) -> Response:
    """One account: the person, the active sessions, and the possible steps."""
    sent = typed_before("admin.place_legal_hold", "admin.lift_legal_hold")
    return show_account(user_id, hold_form=LegalHoldForm(sent) if sent is not None else None)


def _wait_with_passwords(sentence: str) -> Response:
    form = PasswordAgain()
    form.current_password.errors = [sentence]
    return _ask_again((request.view_args or {})["user_id"], form, 429)


@admin.post("/users/<uuid:user_id>/approve")
@requires(Permission.ACCOUNT_MANAGE)
@asks_for_password(_wait_with_passwords)
def approve_user(user_id: uuid.UUID) -> Response:
    def done(name: str) -> str:
        return _("%(name)s can sign in now and is told so by e-mail.", name=name)

    return _change(user_id, services.approve, done)


@admin.post("/users/<uuid:user_id>/refuse")
@requires(Permission.ACCOUNT_MANAGE)
def refuse_user(user_id: uuid.UUID) -> Response:
    return _change(user_id, services.refuse, lambda name: _("The account of %(name)s is refused.", name=name))


@admin.post("/users/<uuid:user_id>/deactivate")
@requires(Permission.ACCOUNT_MANAGE)
def deactivate_user(user_id: uuid.UUID) -> Response:
    def done(name: str) -> str:
        return _("The account of %(name)s is deactivated and signed out everywhere.", name=name)

    return _change(user_id, services.deactivate, done)


@admin.post("/users/<uuid:user_id>/reactivate")
@requires(Permission.ACCOUNT_MANAGE)
@asks_for_password(_wait_with_passwords)
def reactivate_user(user_id: uuid.UUID) -> Response:
    return _change(user_id, services.reactivate, lambda name: _("%(name)s can sign in again.", name=name))


@admin.post("/users/<uuid:user_id>/end-sessions")
@requires(Permission.ACCOUNT_MANAGE)
def end_user_sessions(user_id: uuid.UUID) -> Response:
    """Sign somebody out everywhere."""
    ended = 0

    def step(user_id: uuid.UUID, *, by: User) -> User:
        nonlocal ended
        user, ended = account_decisions.end_sessions(user_id, by=by)
        return user

    def done(name: str) -> str:
        return _n(
            "%(name)s has been signed out.", "%(name)s has been signed out everywhere.", ended, name=name
        )

    return _change(user_id, step, done)


@admin.post("/users/<uuid:user_id>/reset-second-factor")
@requires(Permission.ACCOUNT_MANAGE)
@asks_for_password(_wait_with_passwords)
def reset_second_factor(user_id: uuid.UUID) -> Response:
    """Remove the authenticator app, the passkeys and the recovery codes of somebody who has lost them."""

    def done(name: str) -> str:
        return _(
            "The authenticator app, the passkeys and the recovery codes of %(name)s do not work any more. "
            "All sessions have been ended.",
            name=name,
        )

    return _change(user_id, account_decisions.reset_second_factor, done)


def _change(user_id: uuid.UUID, step: Callable[..., User], done: Callable[[str], str]) -> Response:
    """Take one step with one account, then show the page it was taken on: the filtered list, or the account's page.

    A step that lets somebody sign in asks for the administrator's own password. Otherwise somebody at an unlocked
    screen could approve an account that they have just registered.
    """
    on_its_page = request.args.get("at") == "account"
    purpose, names, form = LETS_IN.get(request.endpoint or ""), [], PasswordAgain()

    def take() -> None:
        if purpose is not None:
            check_password(purpose)
        with transaction():
            names.append(step(user_id, by=me()).name)

    def show(status: int, sentence: str | None) -> Response:
        if status != CONFLICT:
            return _ask_again(user_id, form, status)
        again = show_account if on_its_page else _show_list
        return again(user_id, status=status, conflict=sentence)

    refused = try_step(take, show, form=form, in_transaction=False)
    if refused is not None:
        return refused
    flash(done(names[0]), "success")
    if on_its_page:
        return redirect_after(url_for(".user", user_id=user_id))
    return redirect_after(list_url(".users", filters(but="")))


def _ask_again(user_id: uuid.UUID, form: PasswordAgain, status: int) -> Response:
    """Show the account's page with the sentence beside the field of the step that was tried."""
    return show_account(user_id, status=status, refused=(request.endpoint or "", form))


def show_account(
    user_id: uuid.UUID,
    *,
    status: int = 200,
    conflict: str | None = None,
    hold_form: LegalHoldForm | None = None,
    refused: tuple[str, PasswordAgain] | None = None,
) -> Response:
    """The account's page; `hold_form` and the form of the step `refused` came back with errors."""
    found = db.session.get(User, user_id)
    if found is None:
        raise NotFound(_("There is no such account."))
    living = sessions.living(found, idle_limit())
    codes = second_factor.recovery_codes_left(found)
    steps = account_page_steps(found, me(), sessions=len(living), recovery_codes=codes, refused=refused)
    if refused is not None and refused[0] not in {step.endpoint for step in steps}:
        conflict = " ".join(
            refused[1].current_password.errors
        )  # the step is no longer offered, so its field does not exist
    values: dict[str, Any] = {
        "user": found,
        "tag": account_tag(found),
        "own": found.id == me().id,
        "facts": account_facts(found, codes),
        "steps": steps,
        "sessions": living,
        "device_words": device_words,
        "keeping": keeping(found),
        "may_correct": found.patient is not None and found.erased_at is None,
        "corrections": correction_rows(corrections_of(found.patient)) if found.patient else [],
        "hold_form": hold_form or LegalHoldForm(),
        "conflict": conflict,
    }
    return page_or_fragment("admin/user.html", "admin/_user.html", status=status, **values)


def _show_list(
    user_id: uuid.UUID | None = None, *, status: int = 200, conflict: str | None = None
) -> Response:
    form = AccountFilter(request.args)
    page = account_queries.accounts(
        role=Role(form.role.data) if form.role.data in set(Role) else None,
        state=AccountState(form.state.data) if form.state.data in set(AccountState) else None,
        search=form.q.data or "",
        page=page_number(),
    )
    values: dict[str, Any] = {
        "form": form,
        "rows": rendered_once("admin/_user_row.html", list_rows(page.rows, me(), query_string())),
        "here": list_url(".users", filters(but="")),
        "conflict": conflict,
        "pager": pager(page, ".users"),
    }
    return page_or_fragment("admin/users.html", "admin/_users.html", status=status, **values)
