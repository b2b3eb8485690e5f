"""Choose the page that somebody sees after signing in."""

from urllib.parse import unquote, urlsplit

from flask import current_app, request
from werkzeug.exceptions import HTTPException

from csss.people.models import User
from csss.people.permissions import Permission
from csss.web.navigation import home_url

NEXT = "next"  # the name of the target: in the address, in the form, and in the cookie during the second step
LONGEST = (
    1000  # characters; the cookie holds it during the second step, and a browser drops a cookie of 4096 bytes
)


def local_path(target: str | None) -> str | None:
    """`target` when it is an address on this site, otherwise None: a link to sign-in must not lead people to another
    site.

    Browsers read a backslash as a slash and remove tabs and line breaks, so an address with any of these is refused.
    """
    if not target or not target.startswith("/") or target.startswith("//") or len(target) > LONGEST:
        return None
    if "\\" in target or any(ord(letter) <= 32 or ord(letter) == 127 for letter in target):
        return None
    return target


def way_on(user: User, target: str | None) -> str:
    """The page that was requested before signing in, if this person may see it; otherwise the person's own queue."""
    path = local_path(target)
    if path is None or not _open_to(user, path):
        return home_url(user.role)
    return request.script_root + path


def _open_to(user: User, path: str) -> bool:
    try:
        endpoint, _ = current_app.url_map.bind("").match(unquote(urlsplit(path).path), method="GET")
    except HTTPException:
        return False
    needed = getattr(current_app.view_functions[endpoint], "permission", None)
    return needed is not None and needed is not Permission.PUBLIC and user.may(needed)
