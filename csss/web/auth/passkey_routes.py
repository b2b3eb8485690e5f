"""Routes: signing in with a passkey alone. It is two factors in one: the device, and the finger, face or PIN it asks for."""

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

# The number of the question's row, which the answer uses up: a kept cookie proves nothing.
_QUESTION = "passkey_question"
# Each makes a row; behind one address there may be a whole hospital.
QUESTIONS_FOR_AN_ADDRESS = "120 per 15 minutes"
WRONG_PASSKEYS_OF_AN_ADDRESS = "60 per 15 minutes"


def _wait(wait: timedelta) -> str:
    """Nobody has said yet who it is, so nobody is known here. Who gives the password first is asked for the passkey
    afterwards, without these limits: they keep nobody out."""
    return ngettext(
        "Too many tries with a passkey from your network. Sign in with your password, and you are asked for your passkey "
        "then; or wait %(num)s minute.",
        "Too many tries with a passkey from your network. Sign in with your password, and you are asked for your passkey "
        "then; or wait %(num)s minutes.",
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
    """What the browser has to ask any passkey that it has for this site."""

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
    except Invalid as refusal:  # not `try_step`: whatever was wrong, a sign-in is refused with 401
        return login_again(form, 401, str(refusal))
    if not user.is_active:
        return login_again(form, 403, str(SHUT[user.state]))
    return redirect_after(way_on(user, form.next.data))
