"""Answer errors with one plain sentence, a next step, and a number to quote."""

import errno
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask_babel.speaklater import LazyString
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import InterfaceError, OperationalError
from werkzeug.exceptions import ClientDisconnected, HTTPException, InternalServerError

from csss.i18n import _, _l
from csss.web.fragments import is_htmx
from csss.web.view_audit import refused_because


@dataclass(frozen=True)
class Sentence:
    """Title and explanation of one kind of error, in the user's words.

    Those of this module are lazy texts: looked up in the reader's language when they are shown.
    """

    title: str | LazyString
    text: str | LazyString


SENTENCES: dict[int, Sentence] = {
    400: Sentence(
        _l("The request was not understood"), _l("Go back, load the page again and try once more.")
    ),
    401: Sentence(_l("You are not signed in"), _l("Your session has ended. Sign in to go on.")),
    403: Sentence(_l("You do not have access to this"), _l("Your account may not see this page or do this.")),
    404: Sentence(
        _l("There is no such page"), _l("The address may be mistyped, or it belongs to somebody else.")
    ),
    405: Sentence(
        _l("This address does not accept this kind of request"),
        _l("Start from a page of the site and use its buttons."),
    ),
    408: Sentence(
        _l("The connection is too slow"),
        _l("What you sent did not arrive in time. Try again when the connection is better."),
    ),
    409: Sentence(
        _l("Somebody else changed this first"),
        _l("The scan has changed since this page was loaded. Load it again to see its current state."),
    ),
    413: Sentence(_l("The file is too large"), _l("Choose a smaller file and send it again.")),
    422: Sentence(
        _l("Something is missing or not right"), _l("Check what you have entered and send it again.")
    ),
    429: Sentence(_l("Too many tries"), _l("Wait a minute, then try again.")),
    500: Sentence(_l("Something went wrong on our side"), _l("It has been recorded. Try again in a minute.")),
    503: Sentence(_l("The system is not available at the moment"), _l("Try again in a minute.")),
    507: Sentence(
        _l("There is no free space at the moment"),
        _l(
            "The system’s disk is full. Nothing of this was stored and nothing else was lost. Try again later."
        ),
    ),
}
_BUSY = Sentence(
    SENTENCES[503].title,
    _l("The database does not answer. Load the page again in a minute and check what has been saved."),
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
CSRF = Sentence(
    _l("This form is out of date"),
    _l(
        "It was loaded before you signed in or out, so it was not accepted. Load the page again and resend it."
    ),
)
FILE_SHUT = Sentence(
    _l("This file cannot be opened at the moment"),
    _l(
        "It is stored, but the system lacks what it needs to open it. This has been recorded for the people "
        "who run the system."
    ),
)
WRONG_KEY = Sentence(
    SENTENCES[503].title,
    _l(
        "It is not set up correctly, so nothing was accepted and nothing was changed. The people who run "
        "the system have to fix it."
    ),
)

# Where a route's own sentence (`abort(409, "…")`) says more than ours. 404 is left out on purpose: its words
# must not differ between what does not exist and what belongs to somebody else.
_OWN_WORDS = frozenset({403, 409, 413, 422, 429, 503})
# These must work whatever is broken, so they use nothing that needs the database or the session.
_STANDALONE = frozenset({500, 503, 507})


def request_id() -> str:
    """A short random number for this request: it is in the log, in `X-Request-ID` and on the error page."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(5)
    found: str = g.request_id
    return found


def init_errors(app: Flask) -> None:
    """Answer every HTTP error, and every exception nobody caught, with a page or a fragment."""
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ClientDisconnected, _cut_off)
    app.register_error_handler(InternalServerError, _http_error)
    app.register_error_handler(OperationalError, _no_database)
    app.register_error_handler(InterfaceError, _no_database)
    app.register_error_handler(OSError, _no_room)
    app.after_request(_stay_here)


def error_response(code: int, sentence: Sentence) -> Response:
    """The page for `code`; for htmx a fragment whose sentence the script shows in `#page-message`."""
    context = {
        "code": code,
        "title": str(sentence.title),
        "text": str(sentence.text),
        "request_id": request_id(),
    }
    if is_htmx():
        html = _plain("errors/_error.html", context)
    elif code in _STANDALONE:
        html = _plain("errors/standalone.html", context)
    else:
        html = render_template("errors/error.html", **context)
    response = make_response(html, code)
    response.vary.add("HX-Request")
    return response


def _stay_here(response: Response) -> Response:
    """Remove the host from redirects, so that none leads to another host. Werkzeug's own redirects (a slash more or
    less) start with the Host that the request names.
    """
    target = urlsplit(response.headers.get("Location", ""))
    if target.netloc:
        query = f"?{target.query}" if target.query else ""
        response.headers["Location"] = f"/{target.path.lstrip('/')}{query}"
    return response


def _plain(template: str, context: dict[str, object]) -> str:
    # Avoid Flask's context processors: they read the signed-in person from the database.
    return current_app.jinja_env.get_template(template).render(context)


def _csrf_error(error: CSRFError) -> Response:
    """A person without a session or cookie has no token to send: show how to sign in, not an error."""
    from csss.web.guard import ask_to_sign_in, needs_sign_in

    if needs_sign_in():
        return ask_to_sign_in(token_is_right=False)
    refused_because("form_token")
    return error_response(400, CSRF)


def _cut_off(error: ClientDisconnected) -> Response:
    """A body that arrived too slowly (`csss.connections`), or whose sender has disconnected."""
    if isinstance(error.__context__, TimeoutError):
        return error_response(408, SENTENCES[408])
    return _http_error(error)


def conflict_page(sentence: str | None) -> Response:
    """Answer a step that came too late with a separate page, where the page it was taken on has no place for
    `sentence`.
    """
    return error_response(409, Sentence(SENTENCES[409].title, sentence or SENTENCES[409].text))


def _http_error(error: HTTPException) -> Response:
    code = error.code or 500
    if error.response is not None or code < 400:  # a finished answer or a redirect, raised on purpose
        return make_response(error.get_response(request.environ))
    sentence = SENTENCES.get(code) or Sentence(_("This could not be done"), _("Go back and try once more."))
    if code in _OWN_WORDS and error.description and error.description != type(error).description:
        sentence = Sentence(sentence.title, error.description)
    if code >= 500:
        current_app.logger.error("request %s failed with %s", request_id(), code)
    response = error_response(code, sentence)
    for name, value in error.get_headers(request.environ):  # Allow, Retry-After, WWW-Authenticate
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _no_database(error: OperationalError | InterfaceError) -> Response:
    """Answer when the database is locked for too long, is gone, or its disk is full."""
    current_app.logger.error("request %s: the database does not answer", request_id(), exc_info=error)
    full = "full" in str(error.orig)  # SQLite: "database or disk is full"
    response = error_response(507, SENTENCES[507]) if full else error_response(503, _BUSY)
    response.headers["Retry-After"] = "30"
    return response


def _no_room(error: OSError) -> Response:
    """Answer when the disk is full. Any other OSError is a bug."""
    if error.errno not in _FULL:
        raise error
    current_app.logger.error("request %s: the disk is full", request_id(), exc_info=error)
    response = error_response(507, SENTENCES[507])
    response.headers["Retry-After"] = "600"
    return response
