"""A person with a browser, as far as tests without a real one need it."""

import hashlib
import os
import uuid
from html.parser import HTMLParser
from typing import Any

from bs4 import BeautifulSoup, Tag
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from csss.auth import sessions
from csss.database import db, transaction
from csss.people.models import User


class Visitor:
    """Sends requests with cookies and form tokens like a browser; every other guard of the app stays on."""

    def __init__(self, app: Flask, user: User | None = None) -> None:
        self.app = app
        self.client = app.test_client()
        self.user_id = user.id if user else None
        self.session_id: uuid.UUID | None = None
        if user is not None:
            self._sign_in(user)

    def _sign_in(self, user: User) -> None:
        """Straight into a session row: the way in through the sign-in page has tests of its own."""
        with transaction():
            row, key = sessions.begin(user, address="127.0.0.1", device="test", complete=True)
            self.session_id = row.id
        with self.client.session_transaction() as cookie:
            cookie["_user_id"] = key
            cookie["_fresh"] = True

    @property
    def user(self) -> User:
        return db.session.get_one(User, self.user_id)

    def get(self, url: str, **more: Any) -> TestResponse:
        with self.app.app_context():  # `g` is the request's own, as it is when a server asks
            response = self.client.open(url, **{"method": "GET", **more})
        db.session.remove()  # what the request did is looked at with fresh eyes
        return response

    def fragment(self, url: str) -> TestResponse:
        """What htmx would get."""
        return self.get(url, headers={"HX-Request": "true"})

    def post(
        self, url: str, data: dict[str, Any] | None = None, *, htmx: bool = False, **more: Any
    ) -> TestResponse:
        """Submit a form; lists become repeated fields, (bytes stream, name) pairs files."""
        headers = {**more.pop("headers", {}), **({"HX-Request": "true"} if htmx else {})}
        fields = {"csrf_token": self._token(), **(data or {})}
        method = more.pop("method", "POST")
        with self.app.app_context():
            response = self.client.open(url, method=method, data=fields, headers=headers, **more)
        db.session.remove()
        return response

    def page(self, url: str) -> BeautifulSoup:
        response = self.get(url)
        assert response.status_code == 200, f"{url} answered {response.status_code}"
        return soup(response)

    def _token(self) -> str:
        with self.client.session_transaction() as cookie:
            raw = cookie.setdefault("csrf_token", hashlib.sha1(os.urandom(64)).hexdigest())
        return str(URLSafeTimedSerializer(self.app.secret_key, salt="wtf-csrf-token").dumps(raw))


def soup(response: TestResponse) -> BeautifulSoup:
    return BeautifulSoup(response.get_data(as_text=True), "html.parser")


def words(shown: TestResponse | Tag) -> str:
    """All visible text of an answer, or of a part of a page, in one line."""
    if isinstance(shown, Tag):
        return " ".join(shown.get_text(" ").split())
    page = _Text()
    page.feed(shown.get_data(as_text=True))
    page.close()
    return " ".join(" ".join(page.texts).split())


class _Text(HTMLParser):
    """The text of a page without a tree of its tags, which takes a quarter of the time."""

    _WITHOUT = frozenset({"script", "style", "template"})

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._inside += tag in self._WITHOUT

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag in self._WITHOUT

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.texts.append(data)
