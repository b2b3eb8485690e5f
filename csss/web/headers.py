"""Set the security headers of every answer: what the browser may load, store and pass on."""

from flask import Flask, Response, current_app, request

from csss.web.assets import STATIC_ENDPOINT
from csss.web.errors import request_id
from csss.web.live_region.refresh import REFRESH_HEADER

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

# For answers that are no page: a static file, a fragment for a script, a stream.
BARE_CSP = "default-src 'none'; frame-ancestors 'none'"
# For people's files that are opened directly: nothing in them runs.
FILE_CSP = f"sandbox; {BARE_CSP}"

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
# A patient may photograph a film with the phone's camera, and everybody may sign in with a passkey; nothing else is
# used.
_OURS = ("camera", "publickey-credentials-create", "publickey-credentials-get")
PERMISSIONS_POLICY = ", ".join(
    [*(f"{feature}=(self)" for feature in _OURS), *(f"{feature}=()" for feature in _OFF)]
)

# What browsers may keep, because the address changes with the content.
_STORED = frozenset({STATIC_ENDPOINT, "shell.hospital_logo"})

HSTS = "max-age=31536000; includeSubDomains"


def init_headers(app: Flask) -> None:
    """Add the headers to every answer of `app`; call it before anything that replaces responses."""
    app.after_request(add_headers)


def add_headers(response: Response) -> Response:
    """Set the security headers; a policy that a view has set for its own file stays.

    Nothing but static files and the logo may be kept by a browser or a proxy, signed in or not: clinic computers are
    shared, and a page for a visitor holds a form token that belongs to one session.
    """
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if request.is_secure or current_app.config.get("PREFERRED_URL_SCHEME") == "https":
        headers.setdefault("Strict-Transport-Security", HSTS)
    static = request.endpoint in _STORED and response.status_code < 400
    if not static:
        headers["Cache-Control"] = "no-store"
    if static or _is_for_a_script(response):
        # A first visit over a slow connection loads six files, and regions refresh many times an hour. So answers that
        # are no page get only the headers that matter for them.
        headers.setdefault("Content-Security-Policy", BARE_CSP)
        return response
    headers.setdefault("Content-Security-Policy", CSP)
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("X-Request-ID", request_id())
    return response


def _is_for_a_script(response: Response) -> bool:
    refresh = REFRESH_HEADER in request.headers and response.status_code < 400
    return refresh or response.mimetype == "text/event-stream"
