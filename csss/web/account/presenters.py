"""An account in words: its passkeys, and the devices on which somebody is signed in."""

import re
import uuid
from collections.abc import Sequence

from csss.auth.passkeys.models import Passkey
from csss.i18n import _, _l
from csss.web.account.forms import RemovePasskeyForm

# In this order, because each also names those below it.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox|FxiOS", "Firefox"),
    ("Chrome|CriOS|Chromium", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", _l("an iPhone")),
    ("iPad", _l("an iPad")),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X|Macintosh", _l("a Mac")),
    ("CrOS", _l("a Chromebook")),
    ("Linux|X11", "Linux"),
)


def with_forms(
    passkeys: Sequence[Passkey], refused: tuple[uuid.UUID, RemovePasskeyForm] | None
) -> list[tuple[Passkey, RemovePasskeyForm]]:
    """The passkeys, each with the form that removes it; `refused` is the one form that came back with errors."""
    rows = []
    for number, each in enumerate(passkeys, start=1):
        came_back = refused is not None and refused[0] == each.id
        form = refused[1] if refused is not None and came_back else RemovePasskeyForm(formdata=None)
        form.current_password.id = f"passkey-{number}-password"  # there is one such field for each
        rows.append((each, form))
    return rows


def device_words(user_agent: str) -> str:
    """The part of a User-Agent header that a person recognises: Firefox on Windows."""
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if browser and system:
        return _("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or (_("A program on %(system)s", system=system) if system else _("An unknown program"))


def _first(words: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for pattern, name in words if re.search(pattern, text)), None)
