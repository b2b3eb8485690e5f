"""Record views and refusals in the audit log: one rule for every present and future route.

A view is an answer that shows data of a scan or of somebody else's account; it is recorded once per person, subject and
network address in an hour. An open page refreshes itself all day, and a row for each time would hide important ones.
But a page still open an hour later gets another row, and so does the same person at another address. A refusal is
recorded once a minute, so that nobody can fill the log without signing in.

A view that cannot be recorded is not shown: when the log cannot be written, the answer is an error.
"""

import uuid
from datetime import timedelta
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_login import current_user
from sqlalchemy.exc import InterfaceError, OperationalError

from csss.audit.record import About, coming_from, record_once
from csss.database import db

VIEW_AGAIN, REFUSED_AGAIN = timedelta(hours=1), timedelta(minutes=1)

# A form that is shown again with errors shows the page around it, too.
_SHOWING = frozenset({200, 409, 422})
_VIEWS = {
    "files.image": "scan.image_viewed",
    "files.heatmap": "scan.heatmap_viewed",
    "files.finding_map": "scan.heatmap_viewed",
}
# These record every view themselves.
_KEPT_ANYWAY = frozenset({"admin.preview", "files.report"})
_REASONS = {403: "not_permitted", 404: "not_found"}


def init_watch(app: Flask) -> None:
    app.after_request(_keep)


def also_shows(scan_id: uuid.UUID) -> None:
    """Record that this answer shows another scan than the one in its address."""
    g.setdefault("also_shown", []).append(scan_id)


def refused_because(reason: str) -> None:
    """Note in a word why this request is refused, where the status alone does not show it."""
    g.refused_because = reason


def _keep(response: Response) -> Response:
    if request.endpoint is None:
        return response  # no such address: nothing was requested
    try:
        # Its own look-up of the address: the request may have been refused before other code has read it.
        with coming_from(request.remote_addr or "unknown"):
            if response.status_code in _SHOWING and current_user.is_authenticated:
                _keep_views()
            elif (reason := _refusal(response.status_code)) is not None:
                _keep_refusal(reason)
    except (OperationalError, InterfaceError) as error:
        response.close()  # it may be an open file
        # Flask asks nobody about errors of this hour: answered as if the view itself had met the locked database.
        return current_app.make_response(current_app.handle_user_exception(error))
    return response


def _keep_views() -> None:
    person = current_user._get_current_object()
    scan_id = _named("scan_id")
    if scan_id is not None and request.endpoint not in _KEPT_ANYWAY and not _is_thumbnail():
        action = _VIEWS.get(request.endpoint or "", "scan.viewed")
        record_once(action, About("scan", scan_id), by=person, within=VIEW_AGAIN)
    for other in g.get("also_shown", ()):
        record_once("scan.viewed", About("scan", other), by=person, within=VIEW_AGAIN, beside=True)
    user_id = _named("user_id")
    if user_id is not None:
        record_once("account.viewed", About("user", user_id), by=person, within=VIEW_AGAIN)
    patient_id = _named("patient_id")
    if patient_id is not None:
        record_once("patient.viewed", About("patient", patient_id), by=person, within=VIEW_AGAIN)
    if request.endpoint == "admin.audit_log":
        record_once("audit.viewed", by=person, within=VIEW_AGAIN)


def _is_thumbnail() -> bool:
    """A list shows one beside each row. Like the row, it is not a look at the scan, and twenty-five entries for each
    opened list would hide those that are."""
    return request.endpoint == "files.image" and request.args.get("size") == "thumbnail"


def _refusal(status: int) -> str | None:
    """The reason in a word; None if it is no refusal, for example a mistyped address."""
    reason: str | None = g.get("refused_because")
    if reason is not None:
        return reason
    # Check the status first: error pages for a broken database must work without a query for the person.
    if status not in _REASONS or not current_user.is_authenticated:
        return None  # a person who is not signed in is sent to sign-in; sign-in records its own refusals
    if status == 404 and _thing() is None:
        return None
    return _REASONS[status]


def _keep_refusal(reason: str) -> None:
    db.session.rollback()  # removes what the refused request has left
    person = current_user._get_current_object() if current_user.is_authenticated else None
    details: dict[str, Any] = {"reason": reason, "page": request.endpoint, "method": request.method}
    record_once("access.refused", _thing(), by=person, within=REFUSED_AGAIN, **details)


def _thing() -> About | None:
    """The ids in the address. Only ids, because the address may contain the secret of a link, too."""
    for name, value in (request.view_args or {}).items():
        if isinstance(value, uuid.UUID):
            return About(name.removesuffix("_id"), value)
    return None


def _named(argument: str) -> uuid.UUID | None:
    value = (request.view_args or {}).get(argument)
    return value if isinstance(value, uuid.UUID) else None
