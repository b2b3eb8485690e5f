"""Routes: an invited member of staff makes the account."""

from flask import Response, flash, url_for

from csss.auth import invitations
from csss.database import transaction
from csss.i18n import gettext
from csss.people.permissions import PUBLIC
from csss.people.roles import Role
from csss.web.auth.blueprint import auth
from csss.web.auth.forms import NewPasswordForm
from csss.web.auth.links import no_such_link, opened_by_link, use_link
from csss.web.fragments import asks_only, page_or_fragment, redirect_after
from csss.web.guard import requires

FAILED = ("auth/invited_failed.html", "auth/_invited_failed.html")


@auth.route("/invitation/<token>", methods=["GET", "POST"])
@requires(PUBLIC)
@opened_by_link("invitation", invitations.of_token, FAILED)
def accept_invitation(token: str) -> Response:
    """Choose the password of the new account."""
    found = invitations.of_token(token)
    if found is None:
        return no_such_link(FAILED)
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
    refused = use_link(accept, show, form, FAILED)
    if refused is not None:
        return refused
    flash(
        gettext(
            "Your account is ready. Sign in with your new password; then you can set up an authenticator app, and under "
            "“Account” a passkey."
        ),
        "success",
    )
    return redirect_after(url_for("auth.login", next=url_for("account.authenticator")))
