"""The cookie: encrypted, so that whoever finds it on a shared computer reads nothing in it.

It holds the key of the session, and for a moment what is on its way from one page to the next: the sentence that tells what
was done (which may name a person) and the address to go on to (which may hold what somebody searched for). Signed alone, as
Flask keeps it, each of these could be read by everybody who sees the cookie.
"""

import re
from typing import Any

from flask import Flask
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadSignature

from csss.auth import secrets

_PURPOSE = "cookie"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_json = TaggedJSONSerializer()


class _Sealed:
    """In place of Flask's signing serializer: encrypted and authenticated, under a key of its own."""

    def dumps(self, values: dict[str, Any]) -> str:
        return secrets.encrypt(_PURPOSE, _json.dumps(values))

    def loads(self, text: str, max_age: int | None = None) -> Any:
        """Raises BadSignature. `max_age` is Flask's and counts for nothing: how long a session lives the database knows."""
        if not _TOKEN.fullmatch(text):  # base64 would read past letters that are none of its own
            raise BadSignature("this is no cookie of ours")
        try:
            return _json.loads(secrets.decrypt(_PURPOSE, text))
        except (
            secrets.CannotDecrypt,
            ValueError,
        ) as error:  # not ours, changed, or from before we encrypted it
            raise BadSignature("the cookie does not open") from error


class SealedCookie(SecureCookieSessionInterface):
    def get_signing_serializer(self, app: Flask) -> Any:
        return _Sealed()


def init_cookie(app: Flask) -> None:
    app.session_interface = SealedCookie()
