"""Replace an invalid Host of a request: `*`, `.`, a label of a hundred letters, a container's name with an underscore.

Nothing here depends on the Host: every absolute address is made from CSSS_BASE_URL. But Werkzeug refuses some of them
before any address can be made, so not even the error page would work, and it treats others as an empty name.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import get_host


class ReadableHost:
    """WSGI middleware: replaces an invalid Host with that of `ours`, the address in the settings.

    Goes inside the middleware that reads a proxy's headers.
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
