"""Routes: the second step of signing in: a code by mail or from an app, a recovery code, or a passkey."""

from datetime import timedelta

from flask import Response, flash, make_response, render_template, request, session, url_for
from flask_login import current_user

from csss.auth import authenticator_app, second_factor, second_factor_tries
from csss.auth.models import CodePurpose, UserSession
from csss.auth.passkeys import services as passkeys
from csss.auth.second_factor import Proof
from csss.database import db, transaction
from csss.errors import Invalid
from csss.i18n import _l, gettext, ngettext
from csss.people.models import User
from csss.people.permissions import PUBLIC
from csss.web import guard
from csss.web.auth.after_sign_in import NEXT, way_on
from csss.web.auth.blueprint import auth
from csss.web.auth.code_state import MailedCode, mailed_code
from csss.web.auth.forms import CodeForm, RecoveryForm
from csss.web.forms import mark
from csss.web.fragments import asks_only, is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, never_extends_session, requires
from csss.web.live_region.refresh import is_unchanged
from csss.web.navigation import home_url
from csss.web.passkeys import question
from csss.web.steps import try_step
from csss.web.throttle import (
    answer_to,
    has_signed_in_here,
    minutes,
    throttled,
    was_refused,
)

WRONG_CODES_OF_AN_ADDRESS = "60 per 15 minutes"
CODES_FOR_AN_ADDRESS = "60 per 15 minutes"
_ONLY_PASSKEY = _l(
    "Administrators sign in with a passkey here. If yours is lost, use a recovery code, or ask another administrator "
    "to reset your second factor."
)


def _is_known_here() -> bool:
    """Whether the person who gave the password has signed in from here before. Such a person has the tries of the
    session and of the account, and other people behind the same address cannot use them up.
    """
    waiting = guard.pending_session()
    return waiting is not None and has_signed_in_here(waiting.user.email)


def _needs_no_limit() -> bool:
    return guard.pending_session() is None or _is_known_here()


def _only_passkey(user: User) -> bool:
    """Whether this person's second step must be a passkey (or, if that is lost, a recovery code) and no other code."""
    return second_factor_tries.needs_passkey(user) and passkeys.offered(user)


def _wait_with_codes(wait: timedelta) -> Response:
    waiting = guard.pending_session()
    if waiting is None:
        return _sign_in_first(gettext("Sign in with your password first."))
    code_form, recovery_form = CodeForm(), RecoveryForm(formdata=None)
    code_form.code.errors = [
        ngettext(
            "Too many codes were entered or asked for. Wait %(num)s minute, then try again.",
            "Too many codes were entered or asked for. Wait %(num)s minutes, then try again.",
            minutes(wait),
        )
    ]
    return _code_page(waiting, code_form, recovery_form, 429)


@auth.route("/login/code", methods=["GET", "POST"])
@requires(PUBLIC)
@throttled(
    WRONG_CODES_OF_AN_ADDRESS,
    "code.address",
    page=_wait_with_codes,
    refused=was_refused,
    exempt=_is_known_here,
)
def login_code() -> Response:
    """The second factor: a passkey, a mailed code, one from an authenticator app, or a recovery code."""
    if current_user.is_authenticated:
        return redirect_after(home_url(me().role))
    waiting = guard.pending_session()
    if waiting is None:
        return _sign_in_first(gettext("Sign in with your password first."))
    given = request.form.get("code", "")
    long = len(given.strip()) > 8
    code_form, recovery_form = CodeForm(), RecoveryForm()
    form = recovery_form if long else code_form
    if asks_only():
        return _code_page(waiting, code_form, recovery_form)
    (code_form if long else recovery_form).code.data = ""
    if "passkey" not in request.form and not form.validate():
        return _code_page(waiting, code_form, recovery_form, 422)
    return _take_code(code_form, recovery_form, form)


def _take_code(code_form: CodeForm, recovery_form: RecoveryForm, form: CodeForm | RecoveryForm) -> Response:
    refusal: Invalid | None = None
    with transaction():
        waiting = _locked_pending()
        if waiting is None:
            return _sign_in_first(gettext("The time for the code is over. Sign in again."))
        user, target = waiting.user, session.get(NEXT)
        try:
            proof = _shown(waiting, form.code.data or "")
        except Invalid as error:  # not `try_step`: a wrong try is recorded, and may end the session
            refusal = error
        else:
            guard.sign_in(user, second_factor_done=True, method=proof.method)
    if refusal is None:
        return redirect_after(way_on(user, target))
    if waiting.ended_at is not None:
        return _sign_in_first(gettext("Too many wrong codes. Sign in again."))
    problem = " ".join(mark(form, refusal.errors)) or None
    return answer_to(refusal, _code_page(waiting, code_form, recovery_form, 422, passkey_problem=problem))


def _locked_pending() -> UserSession | None:
    """The waiting session, read again after its person's row is locked. All sessions may have been ended before the
    lock; whoever ends them later waits for the session that begins here.
    """
    waiting = guard.pending_session()
    if waiting is None:
        return None
    db.session.refresh(waiting.user, with_for_update=True)
    db.session.refresh(waiting)
    return guard.pending_session()


def _shown(waiting: UserSession, code: str) -> Proof:
    """Check the second factor in the form. Raises Invalid for the field `passkey` or `code`."""
    if "passkey" in request.form:
        return passkeys.show(waiting, CodePurpose.SIGN_IN, waiting.id, request.form["passkey"])
    if _only_passkey(waiting.user) and not second_factor.is_recovery_code(code):
        raise Invalid(code=_ONLY_PASSKEY)
    return second_factor_tries.take_code(waiting, CodePurpose.SIGN_IN, waiting.id, code)


@auth.post("/login/code/passkey")
@requires(PUBLIC)
def passkey_question() -> Response:
    """The passkey request for the browser, for this sign-in only."""
    waiting = guard.pending_session()
    if waiting is None:
        return _sign_in_first(gettext("Sign in with your password first."))
    return question(lambda: passkeys.ask(waiting, CodePurpose.SIGN_IN, waiting.id))


@auth.post("/login/code/send")
@requires(PUBLIC)
@throttled(CODES_FOR_AN_ADDRESS, "code-mail.address", page=_wait_with_codes, exempt=_needs_no_limit)
def send_login_code() -> Response:
    """Send another code by e-mail; earlier codes stop working."""
    waiting = guard.pending_session()
    if waiting is None:
        return _sign_in_first(gettext("Sign in with your password first."))
    code_form, recovery_form = CodeForm(formdata=None), RecoveryForm(formdata=None)
    if _only_passkey(waiting.user):
        code_form.code.errors = [str(_ONLY_PASSKEY)]
        return _code_page(waiting, code_form, recovery_form, 422)
    refused = try_step(
        lambda: second_factor.request_code(waiting.user, CodePurpose.SIGN_IN, waiting.id),
        lambda status, _sentence: _code_page(waiting, code_form, recovery_form, status),
        form=code_form,
    )
    if refused is not None:
        return refused
    flash(gettext("A new code is on its way. Earlier codes no longer work."), "success")
    return redirect_after(url_for("auth.login_code"))


@auth.get("/login/code/state")
@requires(PUBLIC)
@never_extends_session
def login_code_state() -> Response:
    """The state of the mailed code, as a region that refreshes itself."""
    waiting = guard.pending_session()
    if not is_htmx():
        return redirect_after(url_for("auth.login_code"))
    found: MailedCode | None = mailed_code(waiting) if waiting is not None else None
    html = render_template("auth/_code_state.html", mailed=found)
    response = make_response(("", 204) if found and is_unchanged(found.version) else html)
    response.vary.add("HX-Request")
    return response


def _sign_in_first(sentence: str) -> Response:
    flash(sentence, "warning")
    return redirect_after(url_for("auth.login"))


def _code_page(
    waiting: UserSession,
    code_form: CodeForm,
    recovery_form: RecoveryForm,
    status: int = 200,
    passkey_problem: str | None = None,
) -> Response:
    user = waiting.user
    return page_or_fragment(
        "auth/code.html",
        "auth/_code.html",
        status,
        form=code_form,
        recovery_form=recovery_form,
        mailed=mailed_code(waiting),
        passkey=passkeys.offered(user),
        only_passkey=_only_passkey(user),
        passkey_problem=passkey_problem,
        has_app=authenticator_app.has_app(user),
        app_is_lost=authenticator_app.app_is_lost(user),
    )
