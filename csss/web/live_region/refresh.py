"""The request of a live region for its own content, and the answer: the fragment with its version, or nothing."""

import hashlib

from flask import Response, make_response, request

# Sent by a live region that refreshes itself; its value is the version of what it shows. Such a request must not keep an
# abandoned screen signed in (`csss.web.guard`).
REFRESH_HEADER = "X-CSSS-Refresh"
VERSION_HEADER = "X-CSSS-Version"


def is_refresh() -> bool:
    """Whether a live region refreshes itself. Its answer contains no messages: those are for the request that caused
    them.
    """
    return REFRESH_HEADER in request.headers and request.headers.get("HX-Request") == "true"


def is_unchanged(version: str) -> bool:
    """Whether the asking region shows this version already."""
    return request.headers.get(REFRESH_HEADER) == version


def refreshed(html: str, version: str, status: int = 200) -> Response:
    """The answer to a refresh: the fragment with its version, or nothing when that is what the region shows."""
    response = make_response("", 204) if is_unchanged(version) else make_response(html, status)
    response.headers[VERSION_HEADER] = version
    response.vary.add("HX-Request")
    return response


def digest(content: str) -> str:
    """A short word that changes with `content`."""
    return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()
