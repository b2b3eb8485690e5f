"""Routes: a new password for somebody who has forgotten the old one."""

from datetime import timedelta

from flask import Response, flash, url_for

from csss.auth import password_reset
from csss.database import transaction
from csss.i18n import gettext, ngettext
from csss.people.permissions import PUBLIC
from csss.web.auth.blueprint import auth
from csss.web.auth.forms import ForgotForm, NewPasswordForm
from csss.web.auth.links import no_such_link, opened_by_link, use_link
from csss.web.auth.routes import forget_wrong_passwords
from csss.web.fragments import UNPROCESSABLE, asks_only, page_or_fragment, redirect_after
from csss.web.guard import requires
from csss.web.steps import try_step
from csss.web.throttle import (
    count,
    is_known_here,
    minutes,
    nothing_typed,
    throttled,
    too_many,
    typed_account,
    wait_of_address,
)

# Each mail cancels the earlier link, so a stranger who asks repeatedly still leaves the owner one link that works.
LINKS_FOR_AN_ACCOUNT = "5 per hour"
LINKS_FOR_AN_ADDRESS = "30 per hour"
FAILED = ("auth/reset_failed.html", "auth/_reset_failed.html")


def _wait_for_a_link(wait: timedelta) -> Response:
    """The answer to everybody once the tries of the address are used up, including people who are known there and get
    the link.
    """
    form = ForgotForm()
    of_address = wait_of_address(LINKS_FOR_AN_ADDRESS, "reset.address")
    if of_address is not None:
        form.email.errors = [
            ngettext(
                "Many links have been asked for from your network. Wait %(num)s minute and try again. If "
                "you have signed in from here recently, look for a link in your mail first: you do not need "
                "to wait.",
                "Many links have been asked for from your network. Wait %(num)s minutes and try again. If "
                "you have signed in from here recently, look for a link in your mail first: you do not need "
                "to wait.",
                minutes(of_address),
            )
        ]
        return too_many(_forgot_page(form, 429), of_address)
    form.email.errors = [
        ngettext(
            "Many links have been asked for. Use the newest one, or wait %(num)s minute and try again.",
            "Many links have been asked for. Use the newest one, or wait %(num)s minutes and try again.",
            minutes(wait),
        )
    ]
    return _forgot_page(form, 429)


def _forgot_page(form: ForgotForm, status: int = 200) -> Response:
    return page_or_fragment("auth/forgot.html", "auth/_forgot.html", status, form=form)


@auth.route("/forgot-password", methods=["GET", "POST"])
@requires(PUBLIC)
@throttled(
    LINKS_FOR_AN_ACCOUNT, "reset.account", key=typed_account, page=_wait_for_a_link, exempt=nothing_typed
)
@throttled(LINKS_FOR_AN_ADDRESS, "reset.address", page=_wait_for_a_link, exempt=is_known_here)
def forgot_password() -> Response:
    """Send a link by mail. The answer is the same for an address without an account."""
    form = ForgotForm()
    if asks_only():
        return _forgot_page(form)
    wait = None
    if is_known_here():  # exempt, but counted
        wait = wait_of_address(LINKS_FOR_AN_ADDRESS, "reset.address")
        count(LINKS_FOR_AN_ADDRESS, "reset.address")
    if not form.validate():
        return _forgot_page(form, UNPROCESSABLE)
    refused = try_step(
        lambda: password_reset.request_reset(form.email.data or ""),
        lambda status, _sentence: _forgot_page(form, status),
        form=form,
    )
    if refused is not None:
        return refused
    if wait is not None:
        return _wait_for_a_link(wait)
    flash(
        ngettext(
            "If there is an account with this address, a link is on its way to it. It works once, for %(num)s minute.",
            "If there is an account with this address, a link is on its way to it. It works once, for %(num)s minutes.",
            int(password_reset.LIFE.total_seconds() // 60),
        ),
        "info",
    )
    return redirect_after(url_for("auth.login"))


@auth.route("/reset-password/<token>", methods=["GET", "POST"])
@requires(PUBLIC)
@opened_by_link("reset", password_reset.user_of, FAILED)
def reset_password(token: str) -> Response:
    """Choose a new password."""
    user = password_reset.user_of(token)
    if user is None:
        return no_such_link(FAILED)
    email, form = user.email, NewPasswordForm()

    def show(status: int, _sentence: str | None = None) -> Response:
        return page_or_fragment(
            "auth/reset.html", "auth/_reset.html", status, form=form, token=token, email=email
        )

    def set_password() -> None:
        password_hash = password_reset.new_password_hash(user, form.new_password.data or "")
        with transaction():
            password_reset.set_password(token, password_hash)

    if asks_only():
        return show(200)
    refused = use_link(set_password, show, form, FAILED)
    if refused is not None:
        return refused
    forget_wrong_passwords(email)  # these query arguments are why the person is here
    flash(gettext("Your new password is set, and you are signed out everywhere. Sign in with it."), "success")
    return redirect_after(url_for("auth.login"))
