"""One view, two answers: the whole page for a browser, the fragment for htmx."""

import re
from typing import Any

from flask import Response, get_flashed_messages, make_response, redirect, render_template, request
from werkzeug.urls import iri_to_uri

from csss.web.live_region.refresh import digest, is_refresh, refreshed

UNPROCESSABLE = 422
# Parts that differ between answers without a visible change.
_TOKENS = re.compile(r'name="csrf_token" value="[^"]*"')


def is_htmx() -> bool:
    """Whether the request comes from htmx. `HX-Request` is the only htmx header the server reads."""
    return request.headers.get("HX-Request") == "true"


def asks_only() -> bool:
    """Whether the request only asks for the page. HEAD counts as GET: treated as a sent form, it would be a wrong
    password in the log.
    """
    return request.method in {"GET", "HEAD"}


def page_or_fragment(page: str, fragment: str, status: int = 200, **context: Any) -> Response:
    """Render `fragment` for htmx and `page` (which includes that same file) for everybody else.

    Both answers carry `Vary: HX-Request`, so that no cache ever gives a browser a fragment instead of a page. Flashed
    messages are sent with the fragment into `#messages`. A refresh that would change nothing gets 204: it compares the
    context's `version` (a word that changes with the content) if there is one, otherwise the fragment itself.
    """
    html = render_template(fragment if is_htmx() else page, **context)
    if is_refresh():
        return refreshed(html, context.get("version") or digest(_TOKENS.sub("", html)), status)
    if is_htmx():
        html += _messages()
    response = make_response(html, status)
    response.vary.add("HX-Request")
    return response


def form_error(page: str, fragment: str, **context: Any) -> Response:
    """Show the form again as 422, with the reasons beside the fields and what was typed.

    htmx swaps it only where the form says `hx-status:422="swap:outerHTML"`.
    """
    return page_or_fragment(page, fragment, status=UNPROCESSABLE, **context)


def redirect_after(url: str) -> Response:
    """Redirect to another page after a success; `url` is an address on this site, made with `url_for`.

    A browser gets 303. htmx would follow a 303 silently and swap the page into a card, so it gets an empty 204 with
    `HX-Redirect`, which htmx 4 reads before the status.
    """
    if not is_htmx():
        response = make_response(redirect(url, code=303))
    else:
        response = make_response("", 204)
        response.headers["HX-Redirect"] = iri_to_uri(
            url
        )  # as werkzeug does for a Location: no server sends "€"
    response.vary.add("HX-Request")
    return response


def _messages() -> str:
    flashed = get_flashed_messages(with_categories=True)
    return render_template("components/_messages.html", flashed=flashed) if flashed else ""
