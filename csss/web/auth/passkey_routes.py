"""Routes: signing in with a passkey alone. It is two factors: the device, and the fingerprint, face or PIN it asks for."""

import uuid
from datetime import timedelta

from flask import Response, request, session
from flask_login import current_user

from csss.audit.record import record
from csss.auth.passkeys import services as passkeys
from csss.database import transaction
from csss.errors import Invalid
from csss.i18n import ngettext
from csss.people.permissions import PUBLIC
from csss.web import guard
from csss.web.auth.after_sign_in import local_path, way_on
from csss.web.auth.blueprint import auth
from csss.web.auth.forms import LoginForm
from csss.web.auth.routes import SHUT, login_again
from csss.web.fragments import redirect_after
from csss.web.guard import me, requires
from csss.web.passkeys import question, reasons
from csss.web.throttle import minutes, throttled

# The id of the request's row. The answer can use it only once, so a copied cookie proves nothing.
_QUESTION = "passkey_question"
# Each request makes a row; one address may be that of a whole hospital.
QUESTIONS_FOR_AN_ADDRESS = "120 per 15 minutes"
WRONG_PASSKEYS_OF_AN_ADDRESS = "60 per 15 minutes"


def _wait(wait: timedelta) -> str:
    """The person is still unknown, so nobody is exempt. A person who gives the password first is asked for the passkey
    afterwards, without these limits, so the limits keep nobody out.
    """
    return ngettext(
        "Too many tries with a passkey from your network. Sign in with your password: you are then asked "
        "for your passkey. Or wait %(num)s minute.",
        "Too many tries with a passkey from your network. Sign in with your password: you are then asked "
        "for your passkey. Or wait %(num)s minutes.",
        minutes(wait),
    )


def _wait_with_questions(wait: timedelta) -> Response:
    return reasons({"": _wait(wait)}, 429)


def _wait_with_passkeys(wait: timedelta) -> Response:
    return login_again(LoginForm(formdata=None), 429, _wait(wait))


def _is_wrong(response: Response) -> bool:
    return response.status_code == 401


@auth.post("/login/passkey/question")
@requires(PUBLIC)
@throttled(QUESTIONS_FOR_AN_ADDRESS, "passkey-question.address", page=_wait_with_questions)
def passkey_login_question() -> Response:
    """The passkey request for the browser, for any passkey that it has for this site."""

    def make() -> str:
        number, options = passkeys.ask_anybody()
        session[_QUESTION] = str(number)
        return options

    return question(make)


@auth.post("/login/passkey")
@requires(PUBLIC)
@throttled(WRONG_PASSKEYS_OF_AN_ADDRESS, "passkey.address", page=_wait_with_passkeys, refused=_is_wrong)
def passkey_login() -> Response:
    form = LoginForm(formdata=None)
    form.next.data = local_path(request.form.get("next")) or ""
    if current_user.is_authenticated:
        return redirect_after(way_on(me(), form.next.data))
    number = session.pop(_QUESTION, None)
    try:
        with transaction():
            user = passkeys.person_of(uuid.UUID(number) if number else None, request.form.get("passkey", ""))
            if user.is_active:
                guard.sign_in(user, second_factor_done=True, method=passkeys.PASSKEY)
            else:
                record("session.refused", user, reason=user.state.value)
    except Invalid as refusal:  # not `try_step`: a sign-in is refused with 401 in every case
        return login_again(form, 401, str(refusal))
    if not user.is_active:
        return login_again(form, 403, str(SHUT[user.state]))
    return redirect_after(way_on(user, form.next.data))
