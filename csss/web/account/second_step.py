"""Routes: the authenticator app and the recovery codes."""

import io
import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import segno
from flask import Response, flash, request, url_for
from markupsafe import Markup

from csss.auth import authenticator_app, second_factor, second_factor_tries, secrets
from csss.clock import now
from csss.database import transaction
from csss.errors import Invalid
from csss.i18n import _
from csss.people.models import User
from csss.people.permissions import Permission
from csss.web.account.blueprint import account
from csss.web.account.forms import RecoveryCodesForm, RemoveAppForm, SetUpAppForm
from csss.web.account.page import account_page
from csss.web.account.password_again import asks_for_password, check_password
from csss.web.errors import conflict_page
from csss.web.forms import mark
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires, user_session
from csss.web.steps import CONFLICT, try_step

SET_UP_LIFE = timedelta(minutes=30)
_PURPOSE = "totp-set-up"


@account.get("/authenticator")
@requires(Permission.OWN_ACCOUNT)
def authenticator() -> Response:
    """Show a new secret as QR code and text. The form carries it encrypted; it is stored only when it is confirmed."""
    if authenticator_app.has_app(me()):
        return redirect_after(url_for("account.page", _anchor="second-step"))
    return _set_up_page(SetUpAppForm(formdata=None), authenticator_app.new_totp_secret())


def _wait_to_set_up(sentence: str) -> Response:
    form = SetUpAppForm()
    form.current_password.errors = [sentence]
    secret = _unsealed(request.form.get("set_up", ""), me()) or authenticator_app.new_totp_secret()
    return _set_up_page(form, secret, 429)


@account.post("/authenticator")
@requires(Permission.OWN_ACCOUNT)
@asks_for_password(_wait_to_set_up)
def confirm_authenticator() -> Response:
    """Turn the app on with the password and a first code from it."""
    form, secret = SetUpAppForm(), _unsealed(request.form.get("set_up", ""), me())

    def set_up() -> None:
        authenticator_app.check_can_set_up(me())
        if secret is None:
            raise Invalid(code=_("This page was open for too long. Scan the new code below and try again."))
        if not form.validate():
            raise Invalid()
        check_password("authenticator app")
        with transaction():
            authenticator_app.confirm_totp(me(), secret, form.code.data)

    def show(status: int, sentence: str | None) -> Response:
        if status == CONFLICT:
            return conflict_page(sentence)
        return _set_up_page(form, secret or authenticator_app.new_totp_secret(), status)

    refused = try_step(set_up, show, form=form, in_transaction=False)
    if refused is not None:
        return refused
    flash(_("The authenticator app is set up. You are asked for a code from it when you sign in."), "success")
    if not second_factor.recovery_codes_left(me()):
        flash(_("Now make recovery codes, in case the phone is lost."), "warning")
    return redirect_after(url_for("account.page", _anchor="second-step"))


def _set_up_page(form: SetUpAppForm, secret: str, status: int = 200) -> Response:
    return page_or_fragment(
        "account/authenticator.html",
        "account/_authenticator.html",
        status,
        form=form,
        set_up=_sealed(secret, me()),
        picture=qr_code(authenticator_app.totp_address(me(), secret)),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    )


def _sealed(secret: str, user: User) -> str:
    return secrets.encrypt(_PURPOSE, json.dumps([str(user.id), secret, now().isoformat()]))


def _unsealed(text: str, user: User) -> str | None:
    """The secret in a form that was made for this person within the last half hour; otherwise None."""
    try:
        user_id, secret, at = json.loads(secrets.decrypt(_PURPOSE, text))
    except secrets.CannotDecrypt:
        return None
    fresh = now() - datetime.fromisoformat(at) < SET_UP_LIFE
    return str(secret) if fresh and user_id == str(user.id) else None


def qr_code(text: str) -> Markup:
    """The QR code as an <svg> without style attributes, black on white in both themes, so that every phone reads it."""
    target = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        target,
        kind="svg",
        xmldecl=False,
        nl=False,
        omitsize=True,
        border=4,
        dark="#000",
        light="#fff",
        svgclass="qr-code",
        lineclass=None,
    )
    return Markup(target.getvalue().decode())  # noqa: S704 - drawn by us: squares, no text of anybody  # nosec B704


@account.post("/authenticator/remove")
@requires(Permission.OWN_ACCOUNT)
def remove_authenticator() -> Response:
    """Remove the app with a code from it or a recovery code. Wrong codes count like those at sign-in."""
    form, row = RemoveAppForm(), user_session()
    try:
        with transaction():
            second_factor_tries.remove_authenticator(row, form.code.data or "")
    except Invalid as refusal:  # not `try_step`: 422 for TooMany, too
        if row.ended_at is not None:
            flash(_("Too many wrong codes. Sign in again."), "warning")
            return redirect_after(url_for("auth.login"))
        mark(form, refusal.errors)
        return account_page(422, remove_form=form)
    flash(_("The authenticator app has been removed."), "success")
    return redirect_after(url_for("account.page", _anchor="second-step"))


def _wait_for_recovery_codes(sentence: str) -> Response:
    form = RecoveryCodesForm()
    form.current_password.errors = [sentence]
    return account_page(429, recovery_form=form)


@account.post("/recovery-codes")
@requires(Permission.OWN_ACCOUNT)
@asks_for_password(_wait_for_recovery_codes)
def make_recovery_codes() -> Response:
    """Make ten new codes, after a check of the password. They are shown only in this answer; older codes stop working."""
    form = RecoveryCodesForm()
    codes: Sequence[str] = ()

    def make() -> None:
        nonlocal codes
        check_password("recovery codes")
        with transaction():
            codes = second_factor.new_recovery_codes(me())

    refused = try_step(
        make,
        lambda status, _sentence: account_page(status, recovery_form=form),
        form=form,
        in_transaction=False,
    )
    return refused or page_or_fragment(
        "account/recovery_codes.html", "account/_recovery_codes.html", codes=codes, made_at=now()
    )


@account.get("/recovery-codes")
@requires(Permission.OWN_ACCOUNT)
def recovery_codes() -> Response:
    """Redirect to the account when somebody loads the page again: codes are shown only once."""
    flash(_("Recovery codes are shown only once. If you have not kept them, make new ones."), "info")
    return redirect_after(url_for("account.page", _anchor="second-step"))
