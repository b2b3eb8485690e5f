"""Routes: people register and remove their own passkeys."""

import uuid

from flask import Response, flash, request, url_for

from csss.auth import second_factor, sessions
from csss.auth.passkeys import services as passkeys
from csss.i18n import _
from csss.people.permissions import Permission
from csss.web import guard
from csss.web.account.blueprint import account
from csss.web.account.forms import NewPasskeyForm, RemovePasskeyForm
from csss.web.account.page import account_page
from csss.web.account.password_again import asks_for_password, count_wrong_password
from csss.web.account.presenters import device_words
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, open_to_confined, requires, user_session
from csss.web.navigation import home_url
from csss.web.passkeys import question, reasons
from csss.web.steps import try_step


@account.get("/passkeys/new")
@requires(Permission.OWN_ACCOUNT)
@open_to_confined
def new_passkey() -> Response:
    name = device_words(request.user_agent.string)
    return _new_page(NewPasskeyForm(formdata=None, data={"name": name}))


def _wait_with_passkey(sentence: str) -> Response:
    return reasons({"current_password": sentence}, 429)


@account.post("/passkeys/question")
@requires(Permission.OWN_ACCOUNT)
@open_to_confined
@asks_for_password(_wait_with_passkey)
def passkey_question() -> Response:
    """The options that the browser needs to create a passkey, for somebody who knows the password."""
    form = NewPasskeyForm()
    right = _password_is_right(form)
    return question(
        lambda: passkeys.begin_registration(
            user_session(), name=form.name.data or "", password_is_right=right
        )
    )


@account.post("/passkeys")
@requires(Permission.OWN_ACCOUNT)
@open_to_confined
def add_passkey() -> Response:
    """Store the passkey that the browser has created."""
    form, row, confined = NewPasskeyForm(), user_session(), guard.is_confined()

    def add() -> None:
        passkeys.register(row, name=form.name.data or "", given=request.form.get("passkey", ""))
        if confined:
            # The passkey was just shown, so the session may do everything now; as always, with a new key.
            user = row.user
            sessions.end(row.id, user)
            guard.sign_in(user, second_factor_done=True, method=passkeys.PASSKEY)

    refused = try_step(add, lambda status, problem: _new_page(form, status, problem), form=form)
    if refused is not None:
        return refused
    flash(_("The passkey is registered. You can use it when you sign in."), "success")
    if not second_factor.recovery_codes_left(me()):
        flash(_("Now make recovery codes, in case the device is lost."), "warning")
    return redirect_after(home_url(me().role) if confined else url_for("account.page", _anchor="passkeys"))


def _new_page(form: NewPasskeyForm, status: int = 200, problem: str | None = None) -> Response:
    return page_or_fragment(
        "account/new_passkey.html",
        "account/_new_passkey.html",
        status,
        form=form,
        problem=problem,
        confined=guard.is_confined(),
        others=len(passkeys.of(me())),
    )


def _password_is_right(form: NewPasskeyForm | RemovePasskeyForm) -> bool:
    """Check the password. Wrong ones are counted here for the account; the service counts and records them for the
    session.
    """
    right = passkeys.password_is_right(me(), form.current_password.data or "")
    if not right:
        count_wrong_password()
    return right


def _wait_to_remove(sentence: str) -> Response:
    form = RemovePasskeyForm()
    form.current_password.errors = [sentence]
    return account_page(429, remove_passkey=((request.view_args or {})["passkey_id"], form))


@account.post("/passkeys/<uuid:passkey_id>/remove")
@requires(Permission.OWN_ACCOUNT)
@asks_for_password(_wait_to_remove)
def remove_passkey(passkey_id: uuid.UUID) -> Response:
    """Remove a passkey with the password. Somebody else's is not found."""
    form = RemovePasskeyForm()
    right = _password_is_right(form)
    row, name = user_session(), ""

    def remove() -> None:
        nonlocal name
        name = passkeys.remove(row, passkey_id, password_is_right=right)

    def show(status: int, conflict: str | None) -> Response:
        if conflict is not None:
            form.current_password.errors = [conflict]
        elif row.ended_at is not None:
            flash(_("Too many wrong passwords. Sign in again."), "warning")
            return redirect_after(url_for("auth.login"))
        return account_page(status, remove_passkey=(passkey_id, form))

    refused = try_step(remove, show, form=form)
    if refused is not None:
        return refused
    flash(_("The passkey “%(name)s” has been removed.", name=name), "success")
    return redirect_after(url_for("account.page", _anchor="passkeys"))
