"""Keep a form that was sent after its session had ended: the typed text is not lost, and nobody else sees it.

With JavaScript the page stays open (js/pages/session.js). Otherwise, or where the browser sends the form itself, the
server keeps the texts (`csss.auth.unsent`) and redirects to sign-in. Afterwards the page shows the filled-in form, and
the person presses the button: nothing is sent automatically, because most of these buttons sign something.

Never kept: passwords, codes, files, and statements that must be made again each time: that somebody has read the scan,
or whom to erase.
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
BEFORE = "session_before"  # in the cookie: the id of the session that this one replaced
KEY, FORM_TOKEN = "_user_id", "csrf_token"  # the keys of Flask-Login and Flask-WTF
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
    """Declare that a form sent to this view is shown again on `page` (an endpoint with the same arguments) when the
    session has ended. That page calls `typed_before`.
    """

    def mark(view: View) -> View:
        view.comes_back_on = page  # type: ignore[attr-defined]
        return view

    return mark


def _page_of_form() -> str | None:
    """The address of the page that shows the sent form again; None where no page does."""
    view = current_app.view_functions.get(request.endpoint or "")
    page = getattr(view, "comes_back_on", None)
    return url_for(page, **(request.view_args or {})) if page and request.method == "POST" else None


def ended_session() -> UserSession | None:
    """The ended session of this browser; None if it is still active or never was complete."""
    if current_user.is_authenticated:
        return None
    row = sessions.with_key(session.get(KEY) or "")
    if row is None or not row.complete or row.user.state is not AccountState.ACTIVE:
        return None
    return row if now() - row.last_used_at < sessions.REMEMBERED else None


def keep_what_was_sent() -> str | None:
    """Keep the form of this request for the person of the ended session. Returns the address of its page, or None if
    there was nothing to keep. The form token has been checked, so no other site can put text into a form.
    """
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
    except IntegrityError:  # sent twice, and the other one was processed first
        return page
    return page if kept else None


def _whose(user: User) -> uuid.UUID | None:
    """The patient whom the address of this request names; for a patient's own forms, that patient."""
    if user.patient is not None:
        return user.patient.id
    named = request.view_args or {}
    if "scan_id" in named:
        return db.session.scalar(select(Scan.patient_id).where(Scan.id == named["scan_id"]))
    if "patient_id" in named:
        return db.session.scalar(select(Patient.id).where(Patient.id == named["patient_id"]))
    if "user_id" in named:
        return db.session.scalar(select(Patient.id).where(Patient.user_id == named["user_id"]))
    return None


def remembered_of(user: User, waiting: UserSession | None) -> dict[str, str]:
    """The values that the new cookie of a sign-in takes from the old one when both belong to the same person: the
    previous session, and the form token, so that an open page can still send its form. `waiting` is the sign-in in
    progress.
    """
    ended, before = ended_session(), None
    if ended is not None and ended.user_id == user.id:
        before = str(ended.id)
    elif waiting is not None and waiting.user_id == user.id:
        before = session.get(BEFORE)
    if before is None or FORM_TOKEN not in session:
        return {}
    return {BEFORE: before, FORM_TOKEN: session[FORM_TOKEN]}


def comes_back_to(user: User) -> bool:
    """Whether a form of this person is kept that was sent from this browser."""
    before = _before()
    return before is not None and unsent.waits(user, before)


def typed_before(*endpoints: str) -> "MultiDict[str, str] | None":
    """The fields that were sent from this page to one of `endpoints` after the session had ended, for the person who is
    now signed in and opens the page.
    """
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
    """Delete the kept form after the page's form has been sent again, with any result: the answer shows the newer text."""
    before = _before() if request.method == "POST" and response.status_code < 500 else None
    if before is not None and current_user.is_authenticated and (page := _page_of_form()) is not None:
        user_id = current_user.id
        with (
            suppress(OperationalError, InterfaceError),
            transaction(),
        ):  # it is deleted automatically within the hour
            unsent.discard(user_id, before, page=page)
    return response
