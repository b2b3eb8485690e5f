"""Headers that every answer carries: what the browser may load, keep and tell others."""

from flask import Flask, Response, current_app, request

from csss.web.assets import STATIC_ENDPOINT
from csss.web.errors import request_id
from csss.web.fragments import REFRESH_HEADER

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # blob: the preview of a scan before it is sent
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "manifest-src 'self'",
        "worker-src 'self'",
    )
)

# For an SVG that is opened as a page.
STATIC_CSP = "default-src 'none'"

_OFF = (
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "screen-wake-lock",
    "serial",
    "usb",
    "xr-spatial-tracking",
)
# A patient may photograph a film with the phone's camera, and everybody sign in with a passkey; nothing else is ever
# asked for.
_OURS = ("camera", "publickey-credentials-create", "publickey-credentials-get")
PERMISSIONS_POLICY = ", ".join(
    [*(f"{feature}=(self)" for feature in _OURS), *(f"{feature}=()" for feature in _OFF)]
)

HSTS = "max-age=31536000"


def init_headers(app: Flask) -> None:
    """Add the headers to every answer of `app`; call it before anything that replaces responses."""
    app.after_request(add_headers)


def add_headers(response: Response) -> Response:
    """Set the security headers; a policy that a view has set for its own file stays.

    Nothing but static files may be kept by a browser or a proxy, signed in or not: clinic computers are
    shared, and a page for a visitor holds a form token that belongs to one session.
    """
    headers = response.headers
    if request.endpoint == STATIC_ENDPOINT and response.status_code < 400:
        # Six of these come with a first visit over a slow line: they get what matters for a file, and no more.
        headers.setdefault("Content-Security-Policy", STATIC_CSP)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response
    if REFRESH_HEADER in request.headers and response.status_code < 400:
        # Asked for by a script, many times an hour; no browser opens such an answer as a page.
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers["Cache-Control"] = "no-store"
        return response
    headers.setdefault("Content-Security-Policy", CSP)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("X-Request-ID", request_id())
    if request.is_secure or current_app.config.get("PREFERRED_URL_SCHEME") == "https":
        headers.setdefault("Strict-Transport-Security", HSTS)
    headers["Cache-Control"] = "no-store"
    return response
