"""Routes: the start page, signing in and out, registering, confirming an address."""

from datetime import timedelta

from flask import (
    Response,
    flash,
    make_response,
    redirect,
    request,
    session,
    url_for,
)
from flask_login import current_user

from csss.audit.record import record
from csss.auth import accounts, challenge, second_factor
from csss.auth.models import AccountState, CodePurpose, User, UserSession
from csss.auth.passkeys import services as passkeys
from csss.auth.permissions import PUBLIC
from csss.auth.roles import Role
from csss.auth.second_factor import Proof
from csss.database import db, transaction
from csss.errors import Invalid, TooMany
from csss.i18n import _l, gettext, ngettext
from csss.web import guard
from csss.web.auth import auth
from csss.web.auth.forms import CodeForm, LoginForm, RecoveryForm, add_errors
from csss.web.auth.way_on import local_path, way_on
from csss.web.fragments import asks_only, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.navigation import home_url
from csss.web.passkeys import question
from csss.web.throttle import (
    account_is_known_here,
    account_key,
    answer_to,
    forget,
    from_here,
    minutes,
    nothing_typed,
    throttled,
    too_many,
    typed_account,
    typed_account_from_here,
    was_refused,
)

NEXT = "next"
# Of one account from one address; of one account from everywhere else than where its owner signs in; of all accounts from
# one address, behind which there may be a whole hospital.
WRONG_PASSWORDS_HERE = "10 per 15 minutes"
WRONG_PASSWORDS_ELSEWHERE = "30 per 15 minutes"
WRONG_PASSWORDS_OF_AN_ADDRESS = "60 per 15 minutes"
WRONG_CODES_OF_AN_ADDRESS = "60 per 15 minutes"
CODES_FOR_AN_ADDRESS = "60 per 15 minutes"
_ONLY_PASSKEY = _l(
    "Administrators sign in with a passkey here. If yours is lost, use a recovery code, or ask another administrator "
    "to reset your second factor."
)
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
    """What this is, for visitors; the own queue for everybody who is signed in."""
    if current_user.is_authenticated:
        return make_response(redirect(home_url(me().role)))
    return page_or_fragment("home/start.html", "home/_start.html")


def _wait_to_sign_in(wait: timedelta) -> Response:
    """The same for an unknown address, so that it tells nothing."""
    problem = ngettext(
        "Too many wrong passwords. Wait %(num)s minute, then try again.",
        "Too many wrong passwords. Wait %(num)s minutes, then try again.",
        minutes(wait),
    )
    return _login_again(LoginForm(), 429, problem)


def _is_wrong_password(response: Response) -> bool:
    return response.status_code == 401


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
)
def login() -> Response:
    """Address and password. Who needs a second factor gets a session that waits for it."""
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
    if state is AccountState.ACTIVE:  # the password is another one by now
        return _wrong_password(form)
    _keep_refusal(user.email, state.value)
    return _login_again(form, 403, SHUT[state])


def _wrong_password(form: LoginForm) -> Response:
    _keep_refusal(form.email.data or "", "password")
    return _login_again(form, 401, WRONG)


def forget_wrong_passwords(email: str) -> None:
    """Of somebody who has shown otherwise to be the owner."""
    account = account_key(email)
    forget(WRONG_PASSWORDS_HERE, "sign-in.here", from_here(account))
    forget(WRONG_PASSWORDS_ELSEWHERE, "sign-in.account", account)


def _login_again(form: LoginForm, status: int, problem: str) -> Response:
    return page_or_fragment("auth/login.html", "auth/_login.html", status, form=form, problem=problem)


def _keep_refusal(email: str, reason: str) -> None:
    """For the audit log, known or not (one commit in both cases, so that time tells nothing). What was typed as the
    address is not kept: now and then it is a password."""
    with transaction():
        record("session.refused", accounts.by_email(email), reason=reason)


def _begin(user: User, password_hash: str, target: str | None) -> Response | None:
    """The session, complete or waiting; None when the password was changed or the account shut while it was compared."""
    with transaction():
        if not accounts.may_still_sign_in(user, password_hash):
            return None
        row = guard.sign_in(user, second_factor_done=False)
        if not row.complete and _gets_a_mail(user):
            try:
                second_factor.request_code(user, CodePurpose.SIGN_IN, row.id)
            except TooMany as refusal:  # the sign-in goes on: another factor may be at hand
                flash(str(refusal), "warning")
    if row.complete:
        return redirect_after(way_on(user, target))
    if target:
        session[NEXT] = target
    return redirect_after(url_for("auth.login_code"))


def _gets_a_mail(user: User) -> bool:
    """Whether a code is mailed without being asked for: to administrators, and where there is no app; nowhere with a
    passkey, which needs none."""
    return not passkeys.offered(user) and (user.role is Role.ADMIN or not second_factor.has_app(user))


def _only_passkey(user: User) -> bool:
    """Whether this person's second step is a passkey, or a recovery code where it is lost, and no other code."""
    return passkeys.is_required(user) and passkeys.offered(user)


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
@throttled(WRONG_CODES_OF_AN_ADDRESS, "code.address", page=_wait_with_codes, refused=was_refused)
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
        except Invalid as error:  # kept for later, so that the wrong try is committed
            refusal = error
        else:
            guard.sign_in(user, second_factor_done=True, method=proof.method)
    if refusal is None:
        return redirect_after(way_on(user, target))
    if waiting.ended_at is not None:
        return _sign_in_first(gettext("Too many wrong codes. Sign in again."))
    problem = refusal.errors.pop("passkey", None)
    add_errors(form, refusal)
    return answer_to(refusal, _code_page(waiting, code_form, recovery_form, 422, passkey_problem=problem))


def _locked_pending() -> UserSession | None:
    """The session that waits, read again once its person is locked: all sessions may have been ended until then, and whoever
    ends them from now on waits for the one that begins here."""
    waiting = guard.pending_session()
    if waiting is None:
        return None
    db.session.refresh(waiting.user, with_for_update=True)
    db.session.refresh(waiting)
    return guard.pending_session()


def _shown(waiting: UserSession, code: str) -> Proof:
    """Raises Invalid for the field `passkey` or `code`."""
    if "passkey" in request.form:
        return passkeys.show(waiting, CodePurpose.SIGN_IN, waiting.id, request.form["passkey"])
    if _only_passkey(waiting.user) and not second_factor.is_recovery_code(code):
        raise Invalid(code=_ONLY_PASSKEY)
    return challenge.take_code(waiting, CodePurpose.SIGN_IN, waiting.id, code)


@auth.post("/login/code/passkey")
@requires(PUBLIC)
def passkey_question() -> Response:
    """What the browser has to ask the passkey, for this very sign-in."""
    waiting = guard.pending_session()
    if waiting is None:
        return _sign_in_first(gettext("Sign in with your password first."))
    return question(lambda: passkeys.ask(waiting, CodePurpose.SIGN_IN, waiting.id))


@auth.post("/login/code/send")
@requires(PUBLIC)
@throttled(CODES_FOR_AN_ADDRESS, "code-mail.address", page=_wait_with_codes)
def send_login_code() -> Response:
    """Another code by e-mail; the earlier ones stop working."""
    waiting = guard.pending_session()
    if waiting is None:
        return _sign_in_first(gettext("Sign in with your password first."))
    code_form, recovery_form = CodeForm(formdata=None), RecoveryForm(formdata=None)
    if _only_passkey(waiting.user):
        code_form.code.errors = [str(_ONLY_PASSKEY)]
        return _code_page(waiting, code_form, recovery_form, 422)
    try:
        with transaction():
            second_factor.request_code(waiting.user, CodePurpose.SIGN_IN, waiting.id)
    except TooMany as refusal:
        add_errors(code_form, refusal)
        return too_many(_code_page(waiting, code_form, recovery_form), refusal.wait)
    flash(gettext("A new code is on its way. Earlier codes no longer work."), "success")
    return redirect_after(url_for("auth.login_code"))


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
        mailed=second_factor.newest_code(user, CodePurpose.SIGN_IN, waiting.id) is not None,
        passkey=passkeys.offered(user),
        only_passkey=_only_passkey(user),
        passkey_problem=passkey_problem,
        address=masked(user.email),
        has_app=second_factor.has_app(user),
        app_is_lost=second_factor.app_is_lost(user),
        minutes=int(second_factor.code_life().total_seconds() // 60),
    )


def masked(email: str) -> str:
    """The address as far as its owner needs it: `a•••@example.org`."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}•••@{domain}"


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
