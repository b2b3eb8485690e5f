"""Routes: an invited member of staff makes the account."""

from datetime import timedelta

from flask import Response, flash, request, url_for
from flask_login import current_user, logout_user

from csss.auth import invitations
from csss.database import transaction
from csss.errors import NotFound
from csss.i18n import gettext
from csss.people.permissions import PUBLIC
from csss.people.roles import Role
from csss.web.auth.blueprint import auth
from csss.web.auth.forgotten import WRONG_LINKS_OF_AN_ADDRESS
from csss.web.auth.forms import NewPasswordForm
from csss.web.fragments import asks_only, page_or_fragment, redirect_after
from csss.web.guard import requires
from csss.web.steps import try_step
from csss.web.throttle import throttled, was_refused


def _wait_with_links(wait: timedelta) -> Response:
    return _no_such_link()


def _link_is_right() -> bool:
    """Nobody can guess 256 bits: whoever has a link that works is no stranger."""
    return invitations.of_token((request.view_args or {}).get("token", "")) is not None


@auth.route("/invitation/<token>", methods=["GET", "POST"])
@requires(PUBLIC)
@throttled(
    WRONG_LINKS_OF_AN_ADDRESS,
    "invitation-link.address",
    page=_wait_with_links,
    refused=was_refused,
    exempt=_link_is_right,
)
def accept_invitation(token: str) -> Response:
    """Choose the password of the new account. Opening the link changes nothing: mail scanners open links."""
    found = invitations.of_token(token)
    if found is None:
        return _no_such_link()
    form = NewPasswordForm()
    shown = {"name": found.name, "email": found.email, "role": Role(found.role.value).human}

    def show(status: int, sentence: str | None = None) -> Response:
        return page_or_fragment(
            "auth/invited.html",
            "auth/_invited.html",
            status,
            form=form,
            token=token,
            conflict=sentence,
            **shown,
        )

    def accept() -> None:
        password_hash = invitations.new_password_hash(found, form.new_password.data or "")
        with transaction():
            invitations.accept(token, password_hash)

    if asks_only():
        return show(200)
    try:
        refused = try_step(accept, show, form=form, in_transaction=False)
    except NotFound:  # used in another window meanwhile
        return _no_such_link()
    if refused is not None:
        return refused
    if current_user.is_authenticated:
        logout_user()
    flash(
        gettext(
            "Your account is ready. Sign in with your new password; then you can set up an authenticator app, and under "
            "“Account” a passkey."
        ),
        "success",
    )
    return redirect_after(url_for("auth.login", next=url_for("account.authenticator")))


def _no_such_link() -> Response:
    return page_or_fragment("auth/invited_failed.html", "auth/_invited_failed.html", 404)
