"""Routes: a new account, and confirming its e-mail address."""

from datetime import timedelta

from flask import (
    Response,
    current_app,
    flash,
    make_response,
    render_template,
    url_for,
)
from flask_login import current_user

from csss.auth import accounts, registration, secrets
from csss.auth.accounts import PatientDetails
from csss.clock import now
from csss.database import transaction
from csss.i18n import gettext, ngettext
from csss.people.models import AccountState, Sex
from csss.people.permissions import PUBLIC
from csss.people.roles import Role
from csss.web.auth.blueprint import auth
from csss.web.auth.forms import RegisterForm
from csss.web.fragments import UNPROCESSABLE, asks_only, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.navigation import home_url
from csss.web.steps import try_step
from csss.web.throttle import (
    minutes,
    throttled,
    was_accepted,
)

# People who register have no account yet, so this keeps nobody out who is known at the address.
ACCOUNTS_OF_AN_ADDRESS = "60 per hour"


def _wait_to_register(wait: timedelta) -> Response:
    form = RegisterForm()
    form.form_errors.append(
        ngettext(
            "Many accounts have been made from your network. Wait %(num)s minute, then try again.",
            "Many accounts have been made from your network. Wait %(num)s minutes, then try again.",
            minutes(wait),
        )
    )
    return _page(form, 429)


def _page(form: RegisterForm, status: int = 200) -> Response:
    return page_or_fragment("auth/register.html", "auth/_register.html", status, form=form, today=_today())


@auth.route("/register", methods=["GET", "POST"])
@requires(PUBLIC)
@throttled(ACCOUNTS_OF_AN_ADDRESS, "register.address", page=_wait_to_register, refused=was_accepted)
def register() -> Response:
    """Make a new account: a patient may sign in at once, staff after an administrator's approval.

    If the address has an account already, the answer is the same, and its owner is told by mail.
    """
    form = RegisterForm()
    if asks_only():
        if current_user.is_authenticated:
            return redirect_after(home_url(me().role))
        return _page(form)
    if not form.validate():
        return _page(form, UNPROCESSABLE)
    return _register(form) or redirect_after(url_for("auth.login"))


def _register(form: RegisterForm) -> Response | None:
    role = Role(form.role.data)
    patient = None
    if role is Role.PATIENT and form.date_of_birth.data is not None:
        patient = PatientDetails(form.date_of_birth.data, Sex(form.sex.data), form.phone.data or "")
    password_hash = secrets.hash_password(form.password.data)
    refused = try_step(
        lambda: registration.ask_for_account(
            email=form.email.data,
            name=form.name.data,
            password=form.password.data,
            role=role,
            patient=patient,
            password_hash=password_hash,
        ),
        lambda status, _sentence: _page(form, status),
        form=form,
    )
    if refused is not None:
        return refused
    if role is Role.PATIENT:
        flash(
            gettext(
                "Thank you for registering. We are sending you an e-mail: open the link in it to confirm your e-mail "
                "address, because reports are mailed only to confirmed addresses. If you already have an "
                "account, the e-mail says so."
            ),
            "success",
        )
    else:
        flash(
            gettext(
                "Thank you for registering. A new account waits for an administrator's approval. Meanwhile confirm your "
                "e-mail address with the link that we are sending you. If you already have an account, the "
                "e-mail says so."
            ),
            "success",
        )
    return None


def _today() -> str:
    return now().astimezone(current_app.config["CSSS"].zone).date().isoformat()


@auth.route("/confirm/<token>", methods=["GET", "POST"])
@requires(PUBLIC)
def confirm(token: str) -> Response:
    """Confirm an e-mail address. Opening the link changes nothing: mail scanners open links, people press buttons."""
    user = accounts.user_of_confirmation(token)
    if user is None:
        return make_response(render_template("auth/confirm_failed.html"), 404)
    if asks_only():
        return page_or_fragment("auth/confirm.html", "auth/_confirm.html", user=user, token=token)
    with transaction():
        accounts.confirm_address(user)
    flash(gettext("The address %(email)s is confirmed.", email=user.email), "success")
    if user.state is AccountState.WAITING:
        flash(gettext("You can sign in once an administrator has approved your account."), "info")
    return redirect_after(url_for("account.page" if current_user.is_authenticated else "auth.login"))
