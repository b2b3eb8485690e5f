"""Routes: people change their own account."""

import uuid
from collections.abc import Mapping

from flask import Response, abort, flash, g, request, session, url_for
from flask_login import logout_user

from csss.audit.record import record
from csss.auth import accounts, passphrases, sessions
from csss.database import transaction
from csss.i18n import _
from csss.people.permissions import Permission
from csss.web.account.blueprint import account
from csss.web.account.forms import PassphraseForm, PasswordForm, RemovePassphraseForm, profile_form
from csss.web.account.page import account_page
from csss.web.account.password_again import asks_for_password, check_password
from csss.web.errors import conflict_page
from csss.web.forms import mark
from csss.web.fragments import redirect_after
from csss.web.guard import me, renew_session, requires
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import comes_back_on, typed_before


@account.get("")
@requires(Permission.OWN_ACCOUNT)
def page() -> Response:
    sent = typed_before("account.change")
    return account_page(profile_form=profile_form(me(), sent)[0]) if sent is not None else account_page()


def _wait_with_passwords(sentence: str) -> Response:
    """Show how long to wait, beside the field of the form that was sent."""
    form = PassphraseForm() if _sets_passphrase() and not _sets_password() else PasswordForm()
    form.current_password.errors = [sentence]
    name = "passphrase_form" if isinstance(form, PassphraseForm) else "password_form"
    return account_page(429, **{name: form})


def _sets_passphrase() -> bool:
    sent = request.form
    asked = sent.get("section") == "passphrase" or bool(sent.get("report_passphrase"))
    return asked and me().patient is not None


def _sets_password() -> bool:
    sent = request.form
    if sent.get("section") == "password" or sent.get("new_password"):
        return True
    return bool(sent.get("current_password")) and not _sets_passphrase()


@account.post("")
@requires(Permission.OWN_ACCOUNT)
@asks_for_password(_wait_with_passwords)
@comes_back_on("account.page")
def change() -> Response:
    """Change what was sent: profile fields, the report pass phrase, the password; either everything or nothing.

    `section` names the form that was sent; without it, every field that is filled in counts.
    """
    sent, section = request.form, request.form.get("section")
    forms = {}
    profile, values = profile_form(me(), sent if section in {None, "profile"} else None)
    if values:
        forms["profile_form"] = profile
    if _sets_passphrase():
        forms["passphrase_form"] = PassphraseForm()
    if _sets_password():
        forms["password_form"] = PasswordForm()
    # A list first, because every form has to show its errors, and `all` stops at the first one.
    valid = [form.validate() for form in forms.values()]
    if not all(valid):
        return account_page(422, **forms)

    def step() -> None:
        password_hash = None
        if "password_form" in forms or "passphrase_form" in forms:
            check_password("password" if "password_form" in forms else "report pass phrase")
        if "password_form" in forms:
            password_hash = accounts.new_password_hash(me(), sent.get("new_password", ""))
        passphrase = forms["passphrase_form"].report_passphrase.data if "passphrase_form" in forms else None
        _change(values, passphrase, password_hash)

    def place(errors: Mapping[str, str]) -> list[str]:
        return [sentence for form in forms.values() for sentence in mark(form, errors)]

    refused = try_step(
        step, lambda status, _sentence: account_page(status, **forms), place=place, in_transaction=False
    )
    return refused or redirect_after(url_for("account.page", _anchor=section))


def _change(values: dict[str, str], passphrase: str | None, password_hash: str | None) -> None:
    done, this = [], g.user_session.id  # read now: a person who is erased meanwhile has no session any more
    with transaction():
        if values:
            accounts.update_profile(me(), values)
            done.append(_("Your details have been saved."))
        if passphrase is not None:
            accounts.change_report_passphrase(me(), passphrase)
            done.append(_("The report pass phrase has been set. It is used for reports mailed from now on."))
        if password_hash is not None:
            accounts.change_password(me(), password_hash, keep_session=this)
            renew_session()
            done.append(_("The password has been changed. You are signed out everywhere else."))
    for sentence in done:
        flash(sentence, "success")


def _remove_passphrase_again(form: RemovePassphraseForm, status: int) -> Response:
    return account_page(status, remove_passphrase_form=form)


def _wait_to_remove_passphrase(sentence: str) -> Response:
    form = RemovePassphraseForm()
    form.current_password.errors = [sentence]
    return _remove_passphrase_again(form, 429)


@account.post("/passphrase/remove")
@requires(Permission.OWN_ACCOUNT)
@asks_for_password(_wait_to_remove_passphrase)
def remove_passphrase() -> Response:
    form = RemovePassphraseForm()

    def remove() -> None:
        check_password("report pass phrase")
        with transaction():
            passphrases.remove_report_passphrase(me())

    refused = try_step(
        remove,
        lambda status, _sentence: _remove_passphrase_again(form, status),
        form=form,
        in_transaction=False,
    )
    if refused is not None:
        return refused
    flash(_("The report pass phrase has been removed. Reports are no longer attached to mails."), "success")
    return redirect_after(url_for("account.page", _anchor="passphrase"))


@account.post("/confirmation")
@requires(Permission.OWN_ACCOUNT)
def send_confirmation() -> Response:
    """Send the link that confirms the e-mail address again."""

    def show(status: int, sentence: str | None) -> Response:
        if status == CONFLICT:
            return conflict_page(sentence)
        return account_page(status, confirmation_problem=sentence)

    refused = try_step(lambda: accounts.send_confirmation_again(me()), show)
    if refused is not None:
        return refused
    flash(_("A new link is on its way to %(email)s.", email=me().email), "success")
    return redirect_after(url_for("account.page", _anchor="email"))


@account.post("/sessions/<uuid:session_id>/end")
@requires(Permission.OWN_ACCOUNT)
def end_session(session_id: uuid.UUID) -> Response:
    """Sign out on one device. Another person's session gives 404."""
    this = g.user_session.id
    with transaction():
        if not sessions.end(session_id, me()):
            abort(404)
        record("session.ended", me(), by=me())
    if session_id != this:
        flash(_("That device is signed out."), "success")
        return redirect_after(url_for("account.page", _anchor="sessions"))
    logout_user()
    session.clear()
    flash(_("You are signed out."), "success")
    return redirect_after(url_for("auth.home"))


@account.post("/sessions/end-others")
@requires(Permission.OWN_ACCOUNT)
def end_other_sessions() -> Response:
    """Sign out everywhere except here."""
    with transaction():
        count = sessions.end_all(me(), but=g.user_session.id)
        record("session.others_ended", me(), by=me(), count=count)
    flash(_("You are signed out everywhere else."), "success")
    return redirect_after(url_for("account.page", _anchor="sessions"))
