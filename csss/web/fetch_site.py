"""Check where a request comes from, by the browser's header `Sec-Fetch-Site` (W3C Fetch Metadata).

Another site may link to our pages and nothing else: it can neither send our forms nor embed or read our content. A
request without the header (an old browser, a script) passes; the form token and the cookie's SameSite protect against
it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, abort, current_app, request

from csss.web.view_audit import refused_because

View = TypeVar("View", bound=Callable[..., Any])
_OURS = frozenset({"same-origin", "none"})  # none: the address was typed, or opened from a bookmark


def not_from_elsewhere(view: View) -> View:
    """Refuse requests for people's files from other sites: not even a link on another site, or on another host of ours,
    opens them.
    """
    view.not_from_elsewhere = True  # type: ignore[attr-defined]
    return view


def init_fetch_site(app: Flask) -> None:
    app.before_request(_refuse_other_sites)


def _refuse_other_sites() -> None:
    if request.headers.get("Sec-Fetch-Site", "same-origin") in _OURS:
        return
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "not_from_elsewhere", False) or not _follows_a_link():
        refused_because("other_site")
        abort(403)


def _follows_a_link() -> bool:
    """Whether somebody follows a link to a page, in a browser window (not embedded)."""
    headers = request.headers
    return (
        request.method in {"GET", "HEAD"}
        and headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        and headers.get("Sec-Fetch-Dest", "document") == "document"
    )
