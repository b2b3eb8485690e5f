"""Check who is signed in and what they may do: every view declares a permission; a view without one is refused.

The cookie holds only a session key; role and state of the account are read from the database on every request.
"""

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from flask import (
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    request,
    session,
    url_for,
)
from flask_login import AnonymousUserMixin, LoginManager, current_user, login_user, logout_user
from sqlalchemy.orm.exc import ObjectDeletedError

from csss.audit import record as audit
from csss.auth import sessions
from csss.auth.models import UserSession
from csss.auth.passkeys import services as passkeys
from csss.auth.unsent import discard_all as discard_unsent
from csss.connections.request_head import is_long
from csss.database import transaction
from csss.i18n import _l
from csss.keys.start import check_keys
from csss.people.models import User
from csss.people.permissions import Permission
from csss.web import unsent
from csss.web.fragments import asks_only, is_htmx, redirect_after
from csss.web.live_region.refresh import REFRESH_HEADER
from csss.web.long_bodies import count_body, init_long_bodies

log = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])
PENDING = "pending_session"
_COMES_BACK = _l(
    "Your session has ended, and nothing was sent. Sign in again: the form then shows what you had entered."
)
_NOT_TAKEN = _l("You are not signed in any more, so what you sent was not taken. Sign in, then do it again.")
_IS_BACK = _l(
    "Your session had ended, so nothing was sent. What you had entered is in the form again: look at it, then press the "
    "button."
)
MAX_FORM = 2_000_000  # bytes; no form with text fields needs more


class Nobody(AnonymousUserMixin):
    """Somebody who is not signed in."""

    role = None

    def may(self, permission: Permission) -> bool:
        return permission is Permission.PUBLIC


def requires(permission: Permission) -> Callable[[View], View]:
    """Declare the permission that a view needs. Goes below the route decorator."""

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def takes_files(view: View) -> View:
    """For a view that receives a picture: people who may use it may send as much as a request may have at all."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def never_extends_session(view: View) -> View:
    """For a view that a page calls automatically: it must not keep an abandoned screen signed in."""
    view.never_extends_session = True  # type: ignore[attr-defined]
    return view


def open_to_confined(view: View) -> View:
    """For a view that is open to a session that has to register a passkey first."""
    view.open_to_confined = True  # type: ignore[attr-defined]
    return view


def is_confined() -> bool:
    """Whether the signed-in person may only register a passkey now (CSSS_ADMIN_PASSKEY), or nothing any more: a session
    may end, or its person be erased, during a request; the page for that shows no navigation.
    """
    try:
        return bool(current_user.is_authenticated) and passkeys.is_confined(user_session())
    except ObjectDeletedError:
        return True


def user_session() -> UserSession:
    """The session of this request, for views that need somebody signed in."""
    found: UserSession = g.user_session
    return found


def me() -> User:
    """The signed-in person, for views that need one."""
    user: User = current_user._get_current_object()
    return user


def idle_limit() -> timedelta:
    return timedelta(minutes=current_app.config["CSSS"].session_minutes)


def init_guard(app: Flask) -> None:
    manager = LoginManager(app)
    manager.anonymous_user = Nobody
    manager.session_protection = (
        None  # sessions are rows in our database; on phones, changing addresses are normal
    )
    manager.user_loader(_load)
    # Not a before_request: it must run before the form token is read, which reads the whole request.
    app.url_value_preprocessor(_limit_request)
    init_long_bodies(app)
    app.before_request(_refuse_unreadable)
    app.before_request(_check_keys)
    app.before_request(_set_origin)
    app.before_request(_check_permission)
    app.before_request(_touch_session)


def _load(key: str) -> User | None:
    found = sessions.find(key, complete=True, idle=idle_limit())
    if found is None:
        return None
    g.user_session = found
    found.user.session_key = key
    return found.user


def _limit_request(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Do not read a stranger's 70 MB, at any address, nor any body that a thread would have to wait for."""
    view = current_app.view_functions.get(endpoint or "")
    sender = _sender(view.permission) if getattr(view, "takes_files", False) else None  # type: ignore[union-attr]
    if sender is not None:
        count_body(sender)
        return
    coded = "Transfer-Encoding" in request.headers
    if is_long(request.method, request.content_length, coded=coded) and not current_user.is_authenticated:
        request.max_content_length = 0
    else:
        request.max_content_length = min(MAX_FORM, request.max_content_length or MAX_FORM)


def _sender(needed: Permission) -> uuid.UUID | None:
    """The account that sends a file, if it may. Also that of a session that has just ended: the text beside the picture is
    kept (`csss.web.unsent`). None otherwise."""
    if current_user.may(needed):
        return me().id
    ended = unsent.ended_session()
    return ended.user_id if ended is not None and ended.user.may(needed) else None


def _refuse_unreadable() -> None:
    """Refuse zero bytes: nobody types them, and PostgreSQL cannot store them. Forms remove them (`csss.web.forms`).

    Refuse line breaks in an address, too: they would start a new line in a log.
    """
    if any(letter < " " or letter == "\x7f" for letter in request.path) or b"%00" in request.query_string:
        abort(400)


def _check_keys() -> None:
    """For a process that started before the database: it accepts nothing before its keys have been checked."""
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        check_keys()


def _set_origin() -> None:
    audit.set_origin(request.remote_addr or "unknown")


def _check_permission() -> Response | None:
    if request.endpoint is None:
        return None  # no such address: 404 follows
    view = current_app.view_functions[request.endpoint]
    needed = getattr(view, "permission", None)
    if needed is None:
        log.error("the view %s declares no permission and is refused", request.endpoint)
        abort(403)
    if needed is Permission.PUBLIC:
        return None
    if current_user.may(needed):
        shut = is_confined() and not getattr(view, "open_to_confined", False)
        return redirect_after(url_for("account.new_passkey")) if shut else None
    if current_user.is_authenticated:
        abort(403)
    return ask_to_sign_in()


def needs_sign_in() -> bool:
    """Whether this address is for people who are signed in, and nobody is."""
    view = current_app.view_functions.get(request.endpoint or "")
    needed = getattr(view, "permission", Permission.PUBLIC)
    return needed is not Permission.PUBLIC and not current_user.is_authenticated


def ask_to_sign_in(*, token_is_right: bool = True) -> Response:
    """Redirect pages to sign-in; tell htmx to go there, because it would put the page into a card (guide, 12). A page
    with typed text stays open (js/pages/session.js).

    A sent form is shown again after signing in, if its form token is valid and the view declares it
    (`csss.web.unsent`).
    """
    came_from = request.full_path.rstrip("?") if asks_only() and not is_htmx() else None
    if not asks_only() and not is_htmx():
        came_from = unsent.keep_what_was_sent() if token_is_right else None
        looked_at = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        if looked_at and not session.get("_flashes"):
            flash(str(_COMES_BACK if came_from else _NOT_TAKEN), "warning")
    target = url_for("auth.login", next=came_from)
    # A stream (csss.web.live_region.stream) would be redirected to a page that it cannot read.
    if is_htmx() or request.headers.get("Accept") == "text/event-stream":
        response = make_response("", 401)
        response.headers["HX-Redirect"] = target
    else:
        response = make_response(redirect(target))
    response.vary.add("HX-Request")
    return response


def _touch_session() -> None:
    if not current_user.is_authenticated or REFRESH_HEADER in request.headers:
        return
    if not getattr(current_app.view_functions.get(request.endpoint or ""), "never_extends_session", False):
        sessions.touch(g.user_session)


def sign_in(user: User, *, second_factor_done: bool, method: str = "password") -> UserSession:
    """Start a session: complete, or waiting for the second factor. The old cookie's session ends. `method` is the step
    that was just taken.

    Belongs inside transaction().
    """
    remembered = unsent.remembered_of(user, pending_session())
    end_pending()
    row, key = sessions.begin(
        user,
        address=request.remote_addr or "",
        device=request.user_agent.string,
        complete=second_factor_done or not user.needs_second_factor,
        method=method,
    )
    session.clear()  # removes whatever a stranger may have put into the cookie, including the CSRF token
    session.update(remembered)
    session.permanent = False
    if row.complete:
        user.session_key = key
        login_user(user)
        g.user_session = row
        audit.record("session.began", user, by=user, method=method)
        if unsent.comes_back_to(user):
            flash(str(_IS_BACK), "info")
    else:
        session[PENDING] = key
    return row


def renew_session() -> None:
    """Set a new key for this session, in the row and in the cookie. Belongs inside transaction()."""
    user = me()
    user.session_key = sessions.renew(user_session())
    login_user(user)


def pending_session() -> UserSession | None:
    """The session that waits for its second factor, or None."""
    key = session.get(PENDING)
    return sessions.find(key, complete=False, idle=idle_limit()) if key else None


def end_pending() -> None:
    waiting = pending_session()
    if waiting is not None:
        sessions.end(waiting.id, waiting.user)
    session.pop(PENDING, None)


def sign_out() -> None:
    """End this session in the database, so that a copied cookie is useless."""
    user, row = me(), g.user_session
    session_id = row.id
    with transaction():
        sessions.end(session_id, user)
        discard_unsent(user)
        audit.record("session.ended", user, by=user)
    logout_user()
    session.clear()
