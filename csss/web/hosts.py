"""The Host of a request, where it is none: `*`, `.`, a label of a hundred letters, a container's name with an underscore.

Nothing here depends on it: every address that leads out is made from CSSS_BASE_URL. But Werkzeug refuses some of them
before an address can be made at all, so that not even the page that says so could be, and takes others for an empty name.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import get_host


class ReadableHost:
    """WSGI middleware: where the Host is none, the request goes on with that of `ours`, the address in the settings.

    Goes inside of what reads a proxy's headers.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], ours: str) -> None:
        self._app, self._ours = app, urlsplit(ours).netloc

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not _is_readable(environ):
            environ["HTTP_HOST"] = self._ours
        return self._app(environ, start_response)


def _is_readable(environ: dict[str, Any]) -> bool:
    try:
        return bool(get_host(environ).partition(":")[0].encode("idna"))
    except (HTTPException, UnicodeError):
        return False
