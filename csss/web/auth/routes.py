"""Routes: the start page, signing in with a password, and signing out. The second step is in `code_routes`."""

from datetime import timedelta

from flask import Response, flash, g, make_response, redirect, request, session, url_for
from flask_login import current_user

from csss.audit.record import record
from csss.auth import accounts, authenticator_app, second_factor, secrets
from csss.auth.models import CodePurpose
from csss.auth.passkeys import services as passkeys
from csss.database import transaction
from csss.errors import TooMany
from csss.i18n import _l, gettext, ngettext
from csss.people.models import AccountState, User
from csss.people.permissions import PUBLIC
from csss.web import guard
from csss.web.auth.after_sign_in import NEXT, local_path, way_on
from csss.web.auth.blueprint import auth
from csss.web.auth.forms import LoginForm
from csss.web.fragments import asks_only, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.navigation import home_url
from csss.web.throttle import (
    account_is_known_here,
    account_key,
    count,
    forget,
    from_here,
    is_known_here,
    may_still,
    minutes,
    nothing_typed,
    throttled,
    too_many,
    typed_account,
    typed_account_from_here,
    wait_of_address,
)

# The limits for one account from one address; for one account from everywhere except where its owner signs in; and for
# all accounts from one address, which may be that of a whole hospital.
WRONG_PASSWORDS_HERE = "10 per 15 minutes"
WRONG_PASSWORDS_ELSEWHERE = "30 per 15 minutes"
WRONG_PASSWORDS_OF_AN_ADDRESS = "60 per 15 minutes"
# Once the tries of an address are used up, this many answers still take as long as if the password had been checked.
SLOW_ANSWERS_TO_AN_ADDRESS = "240 per 15 minutes"
WRONG = _l("The e-mail address or the password is not right.")
SHUT = {
    AccountState.WAITING: _l(
        "This account still waits for an administrator's approval. You will get an e-mail."
    ),
    AccountState.REFUSED: _l("An administrator has not approved this account. Ask at the hospital."),
    AccountState.DEACTIVATED: _l("This account has been deactivated. Ask an administrator."),
}


@auth.get("/")
@requires(PUBLIC)
def home() -> Response:
    """The start page for visitors; a redirect to the own queue for people who are signed in."""
    if current_user.is_authenticated:
        return make_response(redirect(home_url(me().role)))
    return page_or_fragment("home/start.html", "home/_start.html")


def _wait_to_sign_in(wait: timedelta) -> Response:
    """Say how long to wait. The answer is the same for an unknown address, so it reveals nothing."""
    of_address = wait_of_address(WRONG_PASSWORDS_OF_AN_ADDRESS, "sign-in.address")
    if of_address is not None:
        if may_still(SLOW_ANSWERS_TO_AN_ADDRESS, "sign-in.slow"):
            secrets.password_matches("", None)
        return _wait_where_all_is_used_up(of_address)
    problem = ngettext(
        "Too many wrong passwords. Wait %(num)s minute, then try again.",
        "Too many wrong passwords. Wait %(num)s minutes, then try again.",
        minutes(wait),
    )
    return login_again(LoginForm(), 429, problem)


def _wait_where_all_is_used_up(wait: timedelta) -> Response:
    """Answer everybody behind an address whose tries are used up, unless the password is right and its owner is known
    there.

    Nothing may reveal which accounts are known there. So a wrong password for a known account gets the same answer, and
    an unknown account's answer takes as long: a password is hashed only for that. It costs a quarter of a second of CPU
    time, so it stops after some tries (SLOW_ANSWERS_TO_AN_ADDRESS). A person who has sent that many from one network
    within a quarter of an hour can then see from the response time who has signed in from that network. But each try of
    an account leaves a wrong password in the log, and no account gets more than ten.
    """
    problem = ngettext(
        "Too many wrong passwords have been sent from your network. Wait %(num)s minute, then try again. If "
        "you have signed in from here recently, you do not need to wait: check the address and the password.",
        "Too many wrong passwords have been sent from your network. Wait %(num)s minutes, then try again. "
        "If you have signed in from here recently, you do not need to wait: check the address and the "
        "password.",
        minutes(wait),
    )
    return too_many(login_again(LoginForm(), 429, problem), wait)


def _is_wrong_password(response: Response) -> bool:
    return bool(g.get("wrong_password_at_sign_in", False))


@auth.route("/login", methods=["GET", "POST"])
@requires(PUBLIC)
@throttled(
    WRONG_PASSWORDS_HERE,
    "sign-in.here",
    key=typed_account_from_here,
    page=_wait_to_sign_in,
    refused=_is_wrong_password,
    exempt=nothing_typed,
)
@throttled(
    WRONG_PASSWORDS_ELSEWHERE,
    "sign-in.account",
    key=typed_account,
    page=_wait_to_sign_in,
    refused=_is_wrong_password,
    exempt=account_is_known_here,
)
@throttled(
    WRONG_PASSWORDS_OF_AN_ADDRESS,
    "sign-in.address",
    page=_wait_to_sign_in,
    refused=_is_wrong_password,
    exempt=is_known_here,
)
def login() -> Response:
    """Sign in with address and password. A person who needs a second factor gets a session that waits for it."""
    form = LoginForm()
    if asks_only():
        form.next.data = local_path(request.args.get(NEXT)) or ""
    target = local_path(form.next.data or request.args.get(NEXT))
    if current_user.is_authenticated:
        return redirect_after(way_on(me(), target))
    if asks_only():
        return page_or_fragment("auth/login.html", "auth/_login.html", form=form, problem=None)
    found = accounts.authenticate(form.email.data or "", form.password.data or "")
    if found is None:
        return _wrong_password(form)
    user, password_hash = found
    if user.is_active and (began := _begin(user, password_hash, target)) is not None:
        forget(WRONG_PASSWORDS_HERE, "sign-in.here", typed_account_from_here())
        return began
    state = user.state
    if state is AccountState.ACTIVE:  # the password was changed meanwhile
        return _wrong_password(form)
    _keep_refusal(user.email, state.value)
    return login_again(form, 403, SHUT[state])


def _wrong_password(form: LoginForm) -> Response:
    g.wrong_password_at_sign_in = True
    wait = None
    if is_known_here():  # exempt, but counted
        wait = wait_of_address(WRONG_PASSWORDS_OF_AN_ADDRESS, "sign-in.address")
        count(WRONG_PASSWORDS_OF_AN_ADDRESS, "sign-in.address")
    _keep_refusal(form.email.data or "", "password")
    return login_again(form, 401, WRONG) if wait is None else _wait_where_all_is_used_up(wait)


def forget_wrong_passwords(email: str) -> None:
    """Forget the wrong passwords of somebody who has proved in another way to be the owner."""
    account = account_key(email)
    forget(WRONG_PASSWORDS_HERE, "sign-in.here", from_here(account))
    forget(WRONG_PASSWORDS_ELSEWHERE, "sign-in.account", account)


def login_again(form: LoginForm, status: int, problem: str) -> Response:
    return page_or_fragment("auth/login.html", "auth/_login.html", status, form=form, problem=problem)


def _keep_refusal(email: str, reason: str) -> None:
    """Record the refusal, for known and unknown addresses (one commit in both cases, so that the time reveals nothing).
    The typed address is not recorded: sometimes people type a password there.
    """
    with transaction():
        record("session.refused", accounts.by_email(email), reason=reason)


def _begin(user: User, password_hash: str, target: str | None) -> Response | None:
    """Begin the session, complete or waiting; None when the password was changed or the account deactivated during the
    comparison.
    """
    with transaction():
        if not accounts.may_still_sign_in(user, password_hash):
            return None
        row = guard.sign_in(user, second_factor_done=False)
        if not row.complete and _gets_a_mail(user):
            try:
                second_factor.request_code(user, CodePurpose.SIGN_IN, row.id)
            except TooMany as refusal:  # not `try_step`: the sign-in continues, perhaps with another factor
                flash(str(refusal), "warning")
    if row.complete:
        return redirect_after(way_on(user, target))
    if target:
        session[NEXT] = target
    return redirect_after(url_for("auth.login_code"))


def _gets_a_mail(user: User) -> bool:
    """Whether a code is mailed without a request: only to people who have no other factor. People learn to ignore mails
    that they do not expect.
    """
    return not passkeys.offered(user) and not authenticator_app.has_app(user)


@auth.post("/logout")
@requires(PUBLIC)
def logout() -> Response:
    """End the session in the database, not only in this browser."""
    if current_user.is_authenticated:
        guard.sign_out()
    else:
        with transaction():
            guard.end_pending()
        session.clear()
    flash(gettext("You are signed out."), "success")
    return redirect_after(url_for("auth.home"))
