"""Encrypt the session cookie, so that nobody can read it on a shared computer.

It holds the session key and, for a short time, data for the next page: the sentence about what was done (which may name
a person) and the address of the next page (which may contain a search text). Flask only signs the cookie, so everybody
who sees it could read these.
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
    """Replaces Flask's signing serializer: encrypts and authenticates with a key of its own."""

    def dumps(self, values: dict[str, Any]) -> str:
        return secrets.encrypt(_PURPOSE, _json.dumps(values))

    def loads(self, text: str, max_age: int | None = None) -> Any:
        """Decrypt the cookie. Raises BadSignature. `max_age` comes from Flask and is ignored: the database knows how
        long a session lasts.
        """
        if not _TOKEN.fullmatch(text):  # base64 would skip characters outside its alphabet
            raise BadSignature("this is no cookie of ours")
        try:
            return _json.loads(secrets.decrypt(_PURPOSE, text))
        except (
            secrets.CannotDecrypt,
            ValueError,
        ) as error:  # not ours, changed, or from before cookies were encrypted
            raise BadSignature("the cookie does not open") from error


class SealedCookie(SecureCookieSessionInterface):
    def get_signing_serializer(self, app: Flask) -> Any:
        return _Sealed()


def init_cookie(app: Flask) -> None:
    app.session_interface = SealedCookie()
