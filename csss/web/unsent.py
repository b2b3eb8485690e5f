"""A form that finds its session ended: what was typed is not lost, and nobody else gets to see it.

With script the page stays (js/pages/session.js). Without it, or where a form is sent by the browser, the server keeps the
texts (`csss.auth.unsent`) and leads to sign-in; afterwards the page shows the form filled in, and the person presses the
button: nothing is ever sent by itself, because most of these buttons sign something.

Never kept: passwords, codes, files, and what is stated anew each time: that somebody has read the scan, or whom to erase.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, request, session, url_for
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from werkzeug.datastructures import MultiDict

from csss.auth import sessions, unsent
from csss.auth.models import UserSession
from csss.auth.unsent import Unsent
from csss.clock import now
from csss.database import db, transaction
from csss.people.models import AccountState, Patient, User
from csss.scans.models import Scan

View = TypeVar("View", bound=Callable[..., Any])
BEFORE = "session_before"  # in the cookie: the number of the session that this one took the place of
KEY, FORM_TOKEN = "_user_id", "csrf_token"  # where Flask-Login and Flask-WTF keep theirs
_NEVER = frozenset(
    {
        FORM_TOKEN,
        "password",
        "current_password",
        "new_password",
        "report_passphrase",
        "code",
        "passkey",
        "read_myself",
        "mrn",
        "seen",
        "upload",
        "beacon",
    }
)


def comes_back_on(page: str) -> Callable[[View], View]:
    """Declare that what is sent to a view is shown again on `page` (an endpoint with the same arguments) when the session
    has ended. That page asks `typed_before`."""

    def mark(view: View) -> View:
        view.comes_back_on = page  # type: ignore[attr-defined]
        return view

    return mark


def _page_of_form() -> str | None:
    """The address of the page that shows the form which is being sent, or None where none comes back."""
    view = current_app.view_functions.get(request.endpoint or "")
    page = getattr(view, "comes_back_on", None)
    return url_for(page, **(request.view_args or {})) if page and request.method == "POST" else None


def ended_session() -> UserSession | None:
    """The session that this browser had until it ended; None for one that never was complete, and while it lives."""
    if current_user.is_authenticated:
        return None
    row = sessions.with_key(session.get(KEY) or "")
    if row is None or not row.complete or row.user.state is not AccountState.ACTIVE:
        return None
    return row if now() - row.last_used_at < sessions.REMEMBERED else None


def keep_what_was_sent() -> str | None:
    """Keep the form of this request for who had the session that has ended; returns the address of its page, or None where
    there was nothing to keep. Its form token has been checked: no other site puts words into anybody's form."""
    page, ended = _page_of_form(), ended_session()
    view = current_app.view_functions.get(request.endpoint or "")
    if page is None or ended is None or not ended.user.may(view.permission):  # type: ignore[union-attr]
        return None
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in _NEVER]
    if not any(value.strip() for _name, value in fields):
        return None
    try:
        with transaction():
            kept = unsent.keep(
                ended, Unsent(request.endpoint or "", fields), page=page, patient_id=_whose(ended.user)
            )
    except IntegrityError:  # pressed twice, and the other one was quicker
        return page
    return page if kept else None


def _whose(user: User) -> uuid.UUID | None:
    """The patient whom the address of this request is about; of a patient's own forms that patient."""
    if user.patient is not None:
        return user.patient.id
    named = request.view_args or {}
    if "scan_id" in named:
        return db.session.scalar(select(Scan.patient_id).where(Scan.id == named["scan_id"]))
    if "user_id" in named:
        return db.session.scalar(select(Patient.id).where(Patient.user_id == named["user_id"]))
    return None


def remembered_of(user: User, waiting: UserSession | None) -> dict[str, str]:
    """What the new cookie of a sign-in takes over from the old one when both are the same person's: which session was
    before, and the form token, so that a page left open can still send its form. `waiting` is the sign-in under way."""
    ended, before = ended_session(), None
    if ended is not None and ended.user_id == user.id:
        before = str(ended.id)
    elif waiting is not None and waiting.user_id == user.id:
        before = session.get(BEFORE)
    if before is None or FORM_TOKEN not in session:
        return {}
    return {BEFORE: before, FORM_TOKEN: session[FORM_TOKEN]}


def comes_back_to(user: User) -> bool:
    """Whether something waits that this person had typed in this browser."""
    before = _before()
    return before is not None and unsent.waits(user, before)


def typed_before(*endpoints: str) -> "MultiDict[str, str] | None":
    """The fields that were sent from this page to one of `endpoints` when the session had ended, for who is signed in now
    and asks for the page."""
    before = _before()
    if before is None or request.method != "GET":
        return None
    if "typed_before" not in g:  # a page with several forms asks for each
        g.typed_before = unsent.find(current_user._get_current_object(), before, page=request.path)
    found: Unsent | None = g.typed_before
    return MultiDict(found.fields) if found is not None and found.endpoint in endpoints else None


def _before() -> uuid.UUID | None:
    try:
        return uuid.UUID(session.get(BEFORE) or "")
    except ValueError:
        return None


def init_unsent(app: Flask) -> None:
    app.after_request(_is_sent)


def _is_sent(response: Response) -> Response:
    """Once the form of a page has been sent again, what was kept is over, whatever came of it: the answer shows what is
    newer."""
    before = _before() if request.method == "POST" and response.status_code < 500 else None
    if before is not None and current_user.is_authenticated and (page := _page_of_form()) is not None:
        user_id = current_user.id
        with suppress(OperationalError, InterfaceError), transaction():  # it goes by itself within the hour
            unsent.discard(user_id, before, page=page)
    return response
